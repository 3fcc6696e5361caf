"""What goes into a model: samples, how they are prepared, and the contract that says what the bytes mean."""
