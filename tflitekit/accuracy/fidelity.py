"""How alike the outputs of two files are, part by part: running sums over pairs of values, mergeable in any order.

A part is a column of an output: the coordinate of a box, the score of a class, the channel of a mask. The sums are of the same
size for ten samples and for ten million, so that no output has to be kept.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pairs", "Sums", "add_sums", "as_columns", "column_axis", "joined", "pack", "pairs_of", "unpack"]

_Floats = NDArray[np.float64]

_BLOCK = 1 << 19
"""Values that are taken at a time, so that the copies as float64 stay small beside the outputs themselves."""

_CHANNELS_FIRST = 20
"""An output of two dimensions is a list of a few kinds of values, kind by kind, where the second is so much longer."""


class Pairs(NamedTuple):
    """Sums over pairs of values of a baseline (row 0) and a variant (row 1), for each column.

    Attributes:
        values: Pairs of which both are finite, shape ``(columns,)``; the sums are over these.
        lost: Pairs of which only the baseline's value is finite.
        equal: Pairs of the same value, where not both are floats; else 0.
        error: Sum of squared differences.
        mean: Shape ``(2, columns)``, as all that follow.
        deviation: Sum of squared deviations from the mean.
        low: Smallest value; infinity without a pair.
        high: Largest value; minus infinity without a pair.
    """

    values: _Floats
    lost: _Floats
    equal: _Floats
    error: _Floats
    mean: _Floats
    deviation: _Floats
    low: _Floats
    high: _Floats

    @property
    def explained(self) -> _Floats:
        """Share of the baseline's variance that the variant explains, by column: 1 - error / deviation; NaN without variance.

        The coefficient of determination with the baseline in the place of the truth: 1 is the same, 0 is as good as the
        baseline's mean, and below 0 is worse than that.
        """
        spread = self.deviation[0]
        share: _Floats = np.divide(self.error, spread, out=np.full(spread.shape, np.nan), where=spread > 0)
        return 1 - share


Sums = dict[int, Pairs]
"""Of each output of a variant that the baseline has too, by its number."""


def add_sums(total: Sums, more: Sums) -> None:
    """Adds sums over further samples."""
    for index, pairs in more.items():
        total[index] = joined(total[index], pairs) if index in total else pairs


def pack(pairs: Pairs) -> _Floats:
    """Returns the sums as one array ``(12, columns)``, to be stored."""
    return np.vstack(pairs)


def unpack(rows: _Floats) -> Pairs:
    """Returns what `pack` packed."""
    return Pairs(rows[0], rows[1], rows[2], rows[3], rows[4:6], rows[6:8], rows[8:10], rows[10:12])


def column_axis(shape: tuple[int, ...]) -> int | None:
    """Returns along which axis of an output ``(batch, ...)`` its parts lie; None where it is one part as a whole.

    The last, as Keras has it, or the first where the others are alike and it is not, as in files that were exported from
    PyTorch: ``(batch, 3, 480, 640)`` and ``(batch, 84, 8400)``. Axes of length 1 do not count; -1 is an open one.
    """
    axes = [axis for axis in range(1, len(shape)) if shape[axis] != 1]
    sizes = [shape[axis] for axis in axes]
    if not axes:
        return None
    if len(axes) == 2 and sizes[0] > 1 and sizes[0] * _CHANNELS_FIRST <= sizes[1]:
        return axes[0]
    if len(axes) == 3 and min(sizes) > 1:
        height, middle, width = (math.log(size) for size in sizes)
        if abs(middle - width) < abs(height - middle):
            return axes[0]
    return axes[-1] if sizes[-1] > 0 else None


def as_columns(values: NDArray[Any], axis: int | None) -> NDArray[Any]:
    """Returns values ``(n, ...)`` as ``(rows, columns)``, with the parts along ``axis`` as columns."""
    if axis is None:
        return values.reshape(-1, 1)
    return np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])


def pairs_of(baseline: NDArray[Any], variant: NDArray[Any]) -> Pairs:
    """Sums up pairs of values, both of the shape ``(rows, columns)``."""
    step = max(1, _BLOCK // max(1, baseline.shape[1]))
    found = _pairs(baseline[:step], variant[:step])
    for start in range(step, len(baseline), step):
        found = joined(found, _pairs(baseline[start : start + step], variant[start : start + step]))
    return found


def _pairs(baseline: NDArray[Any], variant: NDArray[Any]) -> Pairs:
    whole = baseline.dtype.kind != "f" or variant.dtype.kind != "f"
    both = np.array([baseline, variant], np.float64 if whole else np.float32)
    if both.shape[1] > both.shape[2]:  # sums along memory are faster by far than across it
        both = np.ascontiguousarray(both.swapaxes(1, 2)).swapaxes(1, 2)
    with np.errstate(invalid="ignore", over="ignore"):
        sums = both.sum(axis=1)
        if not np.isfinite(sums).all():
            return _of_finite(both.astype(np.float64))
        count = np.full(both.shape[2], float(both.shape[1]))
        mean = sums / max(1.0, both.shape[1])
        difference = both[0] - both[1]
        error = np.einsum("nc,nc->c", difference, difference).astype(np.float64)
        both_centred = both - mean[:, None].astype(both.dtype)
        return Pairs(
            values=count,
            lost=np.zeros_like(count),
            equal=count - np.count_nonzero(difference, axis=0) if whole else np.zeros_like(count),
            error=error,
            mean=mean.astype(np.float64),
            deviation=np.einsum("knc,knc->kc", both_centred, both_centred).astype(np.float64),
            low=both.min(axis=1, initial=np.inf).astype(np.float64),
            high=both.max(axis=1, initial=-np.inf).astype(np.float64),
        )


def _of_finite(both: NDArray[np.float64]) -> Pairs:
    """As above, over the pairs of which both values are finite."""
    finite = np.isfinite(both)
    valid = finite.all(axis=0)
    count = valid.sum(axis=0, dtype=np.float64)
    mean = both.sum(axis=1, where=valid) / np.maximum(count, 1)
    difference = both[0] - both[1]
    return Pairs(
        values=count,
        lost=(finite[0] & ~finite[1]).sum(axis=0, dtype=np.float64),
        equal=(difference == 0).sum(axis=0, where=valid, dtype=np.float64),
        error=np.square(difference).sum(axis=0, where=valid),
        mean=mean,
        deviation=np.square(both - mean[:, None]).sum(axis=1, where=valid),
        low=both.min(axis=1, where=valid, initial=np.inf),
        high=both.max(axis=1, where=valid, initial=-np.inf),
    )


def joined(one: Pairs, other: Pairs) -> Pairs:
    """Returns the sums over both; means and deviations by T. F. Chan, G. H. Golub and R. J. LeVeque (1979)."""
    count = one.values + other.values
    share = other.values / np.maximum(count, 1)
    step = other.mean - one.mean
    return Pairs(
        values=count,
        lost=one.lost + other.lost,
        equal=one.equal + other.equal,
        error=one.error + other.error,
        mean=one.mean + step * share,
        deviation=one.deviation + other.deviation + np.square(step) * one.values * share,
        low=np.minimum(one.low, other.low),
        high=np.maximum(one.high, other.high),
    )
