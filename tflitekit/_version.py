"""The version of the kit; part of every cache key, so that a new version measures afresh."""

__version__ = "0.1.0"
