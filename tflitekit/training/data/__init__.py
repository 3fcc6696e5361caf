"""Training data: stored once, split, decoded, changed at random, in batches."""
