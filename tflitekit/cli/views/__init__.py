"""What each command shows in the terminal, one file each."""
