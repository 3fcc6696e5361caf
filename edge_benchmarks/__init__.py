"""What is benchmarked where. Not part of the installed package."""
