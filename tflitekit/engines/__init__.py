"""What makes the bytes of one file, and proves that the file is what was asked for."""
