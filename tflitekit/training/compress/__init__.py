"""Pruning and clustering."""
