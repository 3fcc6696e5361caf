"""Lints: what the figures alone would not show, each as a `Finding` with its figures and what to do."""
