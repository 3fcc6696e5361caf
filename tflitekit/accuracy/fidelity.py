"""How alike the outputs of two files are, part by part: running sums over pairs of values, mergeable in any order.

A part is a column of an output: the coordinate of a box, the score of a class, the channel of a mask. The sums are of the same
size for ten samples and for ten million, so that no output has to be kept.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.statistics import mean_half_width

__all__ = [
    "Pairs",
    "Side",
    "Sums",
    "add_sums",
    "as_columns",
    "divergence",
    "is_whole",
    "joined",
    "pack",
    "pairs_beside",
    "pairs_of",
    "samples_at_once",
    "side_of",
    "unpack",
]

_Floats = NDArray[np.float64]

_BLOCK = 1 << 19
"""Values that are taken at a time, so that the copies as float64 stay small beside the outputs themselves."""

_LEAST = 1 / 512


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
        samples: Samples that the pairs are from, shape ``(columns,)`` again.
        squares: Sum over samples of the square of what each adds to ``error``, or, where not both are floats, of its unequal pairs.
    """

    values: _Floats
    lost: _Floats
    equal: _Floats
    error: _Floats
    mean: _Floats
    deviation: _Floats
    low: _Floats
    high: _Floats
    samples: _Floats
    squares: _Floats

    @property
    def explained(self) -> _Floats:
        """Share of the baseline's variance that the variant explains, by column: 1 - error / deviation; NaN without variance.

        The coefficient of determination with the baseline in the place of the truth: 1 is the same, 0 is as good as the
        baseline's mean, and below 0 is worse than that.
        """
        spread = self.deviation[0]
        share: _Floats = np.divide(self.error, spread, out=np.full(spread.shape, np.nan), where=spread > 0)
        return 1 - share

    @property
    def explained_half(self) -> _Floats:
        """Half the width of the 95 % interval of `explained`, by column; NaN with fewer than two samples or without variance.

        Student's, of the mean squared error of a sample; the baseline's variance on these samples is the unit that it is given in.
        """
        spread = self.deviation[0]
        half: _Floats = np.divide(self._half(self.error), spread, out=np.full(spread.shape, np.nan), where=spread > 0)
        return half

    @property
    def same(self) -> _Floats:
        """Share of pairs of the same value, by column, where not both are floats; NaN without a pair."""
        empty = np.full(self.values.shape, np.nan)
        share: _Floats = np.divide(self.equal, self.values, out=empty, where=self.values > 0)
        return share

    @property
    def same_half(self) -> _Floats:
        """Half the width of the 95 % interval of `same`, by column: Student's over samples."""
        empty = np.full(self.values.shape, np.nan)
        half: _Floats = np.divide(self._half(self.values - self.equal), self.values, out=empty, where=self.values > 0)
        return half

    def _half(self, lost: _Floats) -> _Floats:
        """Half the width of the interval of what all samples lost, from the squares of what each lost."""
        return self.samples * mean_half_width(self.samples, lost, self.squares)


Sums = dict[int, Pairs]
"""Of each output of a variant that the baseline has too, by its number."""


def add_sums(total: Sums, more: Sums) -> None:
    """Adds sums over further samples."""
    for index, pairs in more.items():
        total[index] = joined(total[index], pairs) if index in total else pairs


def pack(pairs: Pairs) -> _Floats:
    """Returns the sums as one array ``(14, columns)``, to be stored."""
    return np.vstack(pairs)


def unpack(rows: _Floats) -> Pairs:
    """Returns what `pack` packed."""
    return Pairs(rows[0], rows[1], rows[2], rows[3], rows[4:6], rows[6:8], rows[8:10], rows[10:12], rows[12], rows[13])


def as_columns(values: NDArray[Any], axis: int | None) -> NDArray[Any]:
    """Returns values ``(n, ...)`` as ``(rows, columns)``, with the parts along ``axis`` as columns."""
    if axis is None:
        return values.reshape(-1, 1)
    return np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])


def divergence(expected: NDArray[Any], found: NDArray[Any]) -> _Floats:
    """Returns the Kullback-Leibler divergence of rows of probabilities ``(n, classes)`` from those expected, in nats.

    Probabilities below 1 / 512, half a step of a quantized softmax, count as that: they cannot be told from zero.
    """
    p, q = (np.maximum(rows.astype(np.float64), _LEAST) for rows in (expected, found))
    p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    return np.asarray((p * np.log(p / q)).sum(axis=1))


class Side(NamedTuple):
    """The values of one of two files ``(rows, columns)``, and what is known of them by column, whatever stands beside them."""

    values: NDArray[Any]
    finite: bool
    mean: NDArray[Any]
    deviation: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]


def side_of(samples: Sequence[NDArray[Any]], *, whole: bool) -> Side:
    """Sums up the values of one file, of which each sample has ``(rows, columns)``; ``whole`` where not both files' are floats."""
    rows, columns = sum(map(len, samples)), samples[0].shape[1]
    order: Any = "F" if rows > columns else "C"  # sums along memory are faster by far than across it
    values = np.empty((rows, columns), np.float64 if whole else np.float32, order)
    with np.errstate(invalid="ignore", over="ignore"):
        np.concatenate(samples, out=values, casting="same_kind")
        sums = values.sum(axis=0)
        mean = sums / max(1.0, rows)
        centred = values - mean.astype(values.dtype)
        return Side(
            values,
            bool(np.isfinite(sums).all()),
            mean,
            np.einsum("nc,nc->c", centred, centred),
            values.min(axis=0, initial=np.inf),
            values.max(axis=0, initial=-np.inf),
        )


def samples_at_once(each: int, columns: int) -> int:
    """Returns how many samples of ``each`` rows are summed up at a time; 0 where not one is."""
    return _BLOCK // max(1, columns) // each


def pairs_of(baseline: NDArray[Any], variant: NDArray[Any], *, each: int = 1) -> Pairs:
    """Sums up pairs of values, both of the shape ``(rows, columns)``.

    Args:
        each: Rows of each sample.
    """
    step = samples_at_once(each, baseline.shape[1]) * each
    if not step:
        parts = [_of_sample(baseline[i : i + each], variant[i : i + each]) for i in range(0, len(baseline), each)]
    else:
        parts = [
            _pairs(baseline[i : i + step], variant[i : i + step], each) for i in range(0, max(1, len(baseline)), step)
        ]
    return functools.reduce(joined, parts)


def _of_sample(baseline: NDArray[Any], variant: NDArray[Any]) -> Pairs:
    """Sums up one sample that is too large to be taken at once."""
    step = max(1, samples_at_once(1, baseline.shape[1]))
    parts = [_pairs(baseline[i : i + step], variant[i : i + step], 1) for i in range(0, len(baseline), step)]
    found = functools.reduce(joined, parts)
    lost = found.values - found.equal if is_whole(baseline, variant) else found.error
    return found._replace(samples=np.ones_like(lost), squares=np.square(lost))


def is_whole(baseline: NDArray[Any], variant: NDArray[Any]) -> bool:
    """Whether not both files' values are floats, so that equal pairs are counted."""
    return baseline.dtype.kind != "f" or variant.dtype.kind != "f"


def _pairs(baseline: NDArray[Any], variant: NDArray[Any], each: int) -> Pairs:
    whole = is_whole(baseline, variant)
    return pairs_beside(side_of([baseline], whole=whole), side_of([variant], whole=whole), each, whole=whole)


def pairs_beside(one: Side, other: Side, each: int, *, whole: bool) -> Pairs:
    """Sums up pairs of values of a baseline and a variant, as `pairs_of` does."""
    rows, columns = one.values.shape
    if not (one.finite and other.finite):
        both = np.stack([one.values.T, other.values.T]).astype(np.float64)
        return _of_finite(both.swapaxes(1, 2), each, whole=whole)
    count = np.full(columns, float(rows))
    with np.errstate(over="ignore"):
        difference = one.values - other.values
        lost = _by_sample(difference != 0 if whole else np.square(difference), each)
        return Pairs(
            values=count,
            lost=np.zeros_like(count),
            equal=count - np.count_nonzero(difference, axis=0) if whole else np.zeros_like(count),
            error=np.einsum("nc,nc->c", difference, difference).astype(np.float64) if whole else lost.sum(axis=1),
            mean=_both(one.mean, other.mean),
            deviation=_both(one.deviation, other.deviation),
            low=_both(one.low, other.low),
            high=_both(one.high, other.high),
            samples=count / each,
            squares=np.square(lost).sum(axis=1),
        )


def _both(one: NDArray[Any], other: NDArray[Any]) -> _Floats:
    return np.array([one, other], np.float64)


def _of_finite(both: NDArray[np.float64], each: int, *, whole: bool) -> Pairs:
    """As above, over the pairs of which both values are finite."""
    finite = np.isfinite(both)
    valid = finite.all(axis=0)
    count = valid.sum(axis=0, dtype=np.float64)
    mean = both.sum(axis=1, where=valid) / np.maximum(count, 1)
    difference = np.where(valid, both[0] - both[1], 0)
    lost = _by_sample((difference != 0) & valid if whole else np.square(difference), each)
    return Pairs(
        values=count,
        lost=(finite[0] & ~finite[1]).sum(axis=0, dtype=np.float64),
        equal=(difference == 0).sum(axis=0, where=valid, dtype=np.float64),
        error=np.square(difference).sum(axis=0),
        mean=mean,
        deviation=np.square(both - mean[:, None]).sum(axis=1, where=valid),
        low=both.min(axis=1, where=valid, initial=np.inf),
        high=both.max(axis=1, where=valid, initial=-np.inf),
        samples=np.full_like(count, both.shape[1] / each),
        squares=np.square(lost).sum(axis=1),
    )


def _by_sample(lost: NDArray[Any], each: int) -> _Floats:
    """Returns what each sample lost in each column, shape ``(columns, samples)``, from what each row ``(rows, columns)`` lost."""
    columns = lost.T.reshape(lost.shape[1], -1, each)
    return (columns[:, :, 0] if each == 1 else columns.sum(axis=2)).astype(np.float64)


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
        samples=one.samples + other.samples,
        squares=one.squares + other.squares,
    )
