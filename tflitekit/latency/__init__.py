"""The verb *benchmark*: rounds over all files, figures, lints."""
