"""Where a series of figures shifted: numbers in, places with probabilities out."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.statistics import welch_half_width

__all__ = ["ALPHA", "FEWEST", "Shift", "find_shifts", "likeness_of_neighbours"]

ALPHA = 0.05
FEWEST = 8
"""Of fewer values no order is rarer than `ALPHA`: of seven, three and four that lie apart come first or last in 2 of 35 orders."""
_SMALLEST = 2
"""One value alone is no level: it may be an outlier."""
_SURE = 1.96
_ORDERS = 999
_BATCH = 111
_DRAWS = 500


class Shift(NamedTuple):
    """One change of level.

    Attributes:
        at: The first value of the new level; ``earliest`` and ``latest`` are the 95 % interval of that place.
        value: The level after it minus the level before, each the mean up to the next shift.
        half: Half the 95 % interval of ``value`` (Welch's), from the scatter of the values around their levels.
        p_value: Of the split that found it.
    """

    at: int
    earliest: int
    latest: int
    value: float
    half: float
    p_value: float


def find_shifts(values: NDArray[np.float64], *, seed: int = 0) -> list[Shift]:
    """Finds where the level of a series shifts, in order.

    Binary segmentation (A. J. Scott and M. Knott, 'A cluster analysis method for grouping means in the analysis of variance', Biometrics 30,
    1974) by the largest two-sample t over all splits, which is monotone in the sum of squares between both sides. A split counts where at
    most 5 % of the orders of the same values have one as large: a permutation test, which needs neither a normal distribution nor a
    known noise. So among series without any shift, whose values are independent and equally distributed, at most 5 % show one. Slow drift is not
    such a series and is found as one shift or several. The place of a shift has a percentile interval of a bootstrap of the values around their
    levels (D. V. Hinkley and E. Schechtman, 'Conditional bootstrap methods in the mean-shift model', Biometrika 74, 1987).

    Args:
        values: In the order of time, shape ``(n,)``. With fewer than `FEWEST` nothing can be found.
        seed: Of the orders and draws.

    Returns:
        Shifts with at least two values on each side.

    Example:
        >>> [shift.at for shift in find_shifts(np.array([5.0] * 10 + [6.0] * 10))]
        [10]
    """
    values = np.asarray(values, np.float64)
    found = sorted(_split(values, 0, seed))
    bounds = [0, *(at for at, _ in found), len(values)]
    levels = zip(found, bounds, bounds[1:], bounds[2:], strict=False)
    return [_shift(values[first:at], values[at:last], first, p, seed) for (_, p), first, at, last in levels]


def _split(values: NDArray[np.float64], start: int, seed: int) -> list[tuple[int, float]]:
    """Returns the place and p-value of each split of a stretch that begins at ``start``."""
    if len(values) < FEWEST:
        return []
    centered = values - values.mean()
    spread = _between(centered)
    at, largest = int(spread.argmax()) + _SMALLEST, float(spread.max())
    p_value = 1.0 if np.ptp(values) == 0 else _p_value(centered, largest, seed)
    if p_value > ALPHA:
        return []
    left, right = _split(values[:at], start, seed), _split(values[at:], start + at, seed)
    return [*left, (start + at, p_value), *right]


def _between(centered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the sum of squares between both sides of each split, shape ``(splits, ...)``; the first has `_SMALLEST` values on its left.

    Args:
        centered: Values around their mean, shape ``(n, ...)``: summed across, many series take a fraction of the time of one after the other.
    """
    n = len(centered)
    before = np.arange(_SMALLEST, n - _SMALLEST + 1)
    spread: NDArray[np.float64] = np.cumsum(centered, axis=0)[_SMALLEST - 1 : n - _SMALLEST]
    spread *= spread
    spread *= (n / (before * (n - before))).reshape(-1, *(1,) * (centered.ndim - 1))
    return spread


def _p_value(centered: NDArray[np.float64], largest: float, seed: int) -> float:
    """Returns the share of orders whose largest split is as large, the given one included; 1 as soon as it is sure to be above `ALPHA`."""
    enough = largest * (1 - 1e-9)  # the same values in another order add up to the same but for rounding
    beyond = 1
    for batch in range(_ORDERS // _BATCH):
        spread = _between(centered[_orders(centered.size, seed, batch)])
        beyond += int(np.count_nonzero(spread.max(axis=0) >= enough))
        if beyond > ALPHA * (_ORDERS + 1):
            return 1.0
    return beyond / (_ORDERS + 1)


@functools.lru_cache(maxsize=32)
def _orders(n: int, seed: int, batch: int) -> NDArray[np.intp]:
    """Returns orders of ``n`` values, shape ``(n, _BATCH)``: the same for all series of a length, because drawing takes longer than testing."""
    orders = np.tile(np.arange(n), (_BATCH, 1))
    return np.ascontiguousarray(np.random.default_rng((seed, n, batch)).permuted(orders, axis=1).T)


def _shift(before: NDArray[np.float64], after: NDArray[np.float64], start: int, p_value: float, seed: int) -> Shift:
    parts = [(float(side.var(ddof=1)) / side.size, side.size - 1) for side in (before, after)]
    half = welch_half_width(parts) if all(math.isfinite(part) for part, _ in parts) else math.inf
    drawn = np.concatenate([side[_draws(side.size, seed, which)] for which, side in enumerate((before, after))])
    places = _between(drawn - drawn.mean(axis=0)).argmax(axis=0) + _SMALLEST + start
    earliest, latest = np.quantile(places, (0.025, 0.975), method="nearest")
    at = start + before.size
    return Shift(at, min(int(earliest), at), max(int(latest), at), float(after.mean() - before.mean()), half, p_value)


@functools.lru_cache(maxsize=32)
def _draws(n: int, seed: int, which: int) -> NDArray[np.int64]:
    """Returns draws of ``n`` values with replacement for one side of a shift, shape ``(n, _DRAWS)``."""
    return np.ascontiguousarray(np.random.default_rng((seed, n, which)).integers(0, n, (_DRAWS, n)).T)


def likeness_of_neighbours(values: NDArray[np.float64], shifts: Sequence[int] = ()) -> float | None:
    """Returns how much each value resembles the one before it, as the correlation of neighbours around their levels; None where chance explains it.

    Series of such values show shifts by chance more often than `ALPHA`, because `find_shifts` takes values to be independent. The correlation counts
    beyond the upper 2.5 % of the normal distribution with variance 1/n that it has among independent values (R. L. Anderson, 'Distribution of the
    serial correlation coefficient', Ann. Math. Stat. 13, 1942), whose mean of about -1/n for each level is taken off.

    Args:
        values: In the order of time, shape ``(n,)``.
        shifts: Where levels begin but for the first, as in `Shift.at`.
    """
    levels = np.split(np.asarray(values, np.float64), list(shifts))
    around = [level - level.mean() for level in levels if level.size]
    total = sum(float(level @ level) for level in around)
    n = len(values)
    if n < FEWEST or total == 0:
        return None
    found = sum(float(level[1:] @ level[:-1]) for level in around) / total + len(around) / n
    return found if found > _SURE / math.sqrt(n) else None
