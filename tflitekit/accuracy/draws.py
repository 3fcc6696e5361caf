"""Bootstrap draws of samples, the same for every metric and variant: so comparisons are paired, and figures of one report agree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tflitekit.options.general import SEED

__all__ = ["DRAWS", "drawn_counts", "drawn_rows", "drawn_weights"]

DRAWS = 400
_AT_ONCE = 1 << 22
"""Counts that are made at once."""


def drawn_rows(n: int) -> Iterator[NDArray[np.int64]]:
    """Yields the samples of each draw, ``(n,)``."""
    generator = np.random.default_rng(SEED)
    return (generator.integers(n, size=n) for _ in range(DRAWS))


def drawn_counts(n: int) -> Iterator[NDArray[np.float64]]:
    """Yields how often each sample is drawn, ``(draws, n)``, some draws at a time."""
    rows = drawn_rows(n)
    at_once = max(1, min(DRAWS, _AT_ONCE // max(1, n)))
    for start in range(0, DRAWS, at_once):
        counts = [np.bincount(next(rows), minlength=n) for _ in range(min(at_once, DRAWS - start))]
        yield np.stack(counts).astype(np.float64)


def drawn_weights(n: int) -> NDArray[np.uint8]:
    """Returns how often each sample is drawn in all draws, ``(n, draws)``; 255 stands for more."""
    weights = np.empty((n, DRAWS), np.uint8)
    for draw, rows in enumerate(drawn_rows(n)):
        weights[:, draw] = np.minimum(np.bincount(rows, minlength=n), 255)
    return weights
