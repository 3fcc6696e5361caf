"""The verb *evaluate*: scores, metrics, paired statistics, lints."""
