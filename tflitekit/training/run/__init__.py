"""One stage of training, from its plan to what it leaves on disk."""
