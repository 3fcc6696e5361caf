"""Bootstrap draws of samples, the same for every metric and variant, so that comparisons are paired and figures of one report agree; and the
intervals of figures, which samples that are all alike do not make certain."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tflitekit.core.statistics import Interval, bootstrap_bounds, mean_interval
from tflitekit.options.general import SEED

__all__ = ["DRAWS", "bounds_of_draws", "bounds_of_mean", "drawn_counts", "drawn_rows", "drawn_weights"]

DRAWS = 400
_NOT_KNOWN = Interval(-math.inf, math.inf)
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


def bounds_of_draws(drawn: NDArray[np.float64], n: int) -> Interval:
    """Returns the 95 % interval of a figure; infinitely wide where all its draws are alike, which tell nothing of other samples.

    Args:
        drawn: The figure in each draw; NaN where a draw has none.
        n: Number of samples that were drawn from.
    """
    low, high = bootstrap_bounds(drawn, n)
    return _NOT_KNOWN if low == high else Interval(low, high)


def bounds_of_mean(values: ArrayLike, *, share: bool = False) -> Interval:
    """Returns Student's 95 % interval of a mean; where all values are alike, what is certain.

    Of shares that are all 1 the mean is at least the probability of a 1, whose exact lower bound is 0.025^(1/n), and likewise of zeros
    (C. J. Clopper and E. S. Pearson, 'The use of confidence or fiducial limits illustrated in the case of the binomial', Biometrika 26,
    1934). Of other values nothing is known, and the interval is infinitely wide.

    Args:
        values: Of each sample, shape ``(n,)``.
        share: Whether they lie between 0 and 1.

    Example:
        >>> low, high = bounds_of_mean(np.ones(120), share=True)
        >>> (round(low, 3), high)
        (0.97, 1.0)
    """
    data = np.asarray(values, np.float64)
    if data.size < 2 or data.min() < data.max():
        return mean_interval(data)
    rare = 1 - 0.025 ** (1 / data.size)
    if share and data[0] in (0.0, 1.0):
        return Interval(1 - rare, 1.0) if data[0] else Interval(0.0, rare)
    return _NOT_KNOWN
