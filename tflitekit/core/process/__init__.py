"""Child processes: how they start, report, and end with their parent."""
