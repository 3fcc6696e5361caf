"""What everything stands on: errors, files, text from outside, statistics, processes. Knows nothing of models."""
