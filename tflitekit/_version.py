"""The version of the kit; part of the key of every variant, so that a new version converts afresh."""

__version__ = "0.1.0"
