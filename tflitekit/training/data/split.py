"""Holds a part of the samples out, the same share of every class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import DataError

__all__ = ["split_rows"]


def split_rows(
    rows: NDArray[np.int64], classes: NDArray[Any] | None, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Splits rows at random, seeded and stratified: a class is held out as often as its size allows.

    Args:
        rows: Ascending.
        classes: The class of each row; None for one draw from all.
        share: Part to hold out, at least 0 and below 1. The last sample of a class is never held out.
        seed: Of the draw.

    Returns:
        Rows to train on and rows held out, both ascending.

    Raises:
        DataError: There are too few samples to hold one out.
    """
    if share == 0:
        return rows, rows[:0]
    order = np.random.default_rng(seed).permutation(len(rows))
    groups = np.zeros(len(rows), np.int64) if classes is None else classes[order]
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    sorted_by_group = np.argsort(group, kind="stable")
    rank = np.empty(len(rows), np.int64)
    rank[sorted_by_group] = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # The k-th sample of a class of n stands at (k + 1/2) / n: the first ones of all classes are the same share of each.
    place = (rank + 0.5) / sizes[group]
    place[rank == sizes[group] - 1] = np.inf
    wanted = max(1, round(share * len(rows)))
    held = np.argsort(place, kind="stable")[:wanted]
    held = order[held[np.isfinite(place[held])]]
    if len(held) == 0:
        raise DataError(
            "No class has a second sample to validate on.",
            fix="Give more samples, or separate validation data.",
        )
    chosen = np.zeros(len(rows), bool)
    chosen[held] = True
    return rows[~chosen], rows[chosen]
