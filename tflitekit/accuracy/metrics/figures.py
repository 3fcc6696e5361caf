"""Figures of many samples, each with its interval and its paired comparison: means over samples, and functions of sums over samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.draws import DRAWS, bounds_of_draws, bounds_of_mean, drawn_counts
from tflitekit.accuracy.metrics import Scores
from tflitekit.core.statistics import (
    paired_bootstrap_increase,
    paired_mean_increase,
)
from tflitekit.results import Drop, Measured, finite
from tflitekit.tasks.metric_words import is_share

__all__ = ["Figure", "MeanFigure", "SumFigure", "Sums", "drawn_means", "drawn_sums", "known"]

Sums = Mapping[str, NDArray[np.float64]]
"""Sums over samples by name, shape ``(draws, ...)``: of all samples in the one row, or of the samples of each bootstrap draw."""


class Figure(Protocol):
    """A figure of many samples."""

    @property
    def name(self) -> str:
        """As reports name it."""

    def measured(self, scores: Scores) -> Measured | None:
        """Returns the figure with its interval; None where these samples have none."""

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        """Returns the figure in each bootstrap draw, ``(draws,)``; NaN where a draw has none."""

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        """Compares with the baseline on the same samples; positive is worse."""


@dataclass(frozen=True)
class MeanFigure:
    """The mean of a column over samples, with Student's interval and test; NaN stands for samples that have no value."""

    name: str
    column: str
    higher_is_better: bool

    def measured(self, scores: Scores) -> Measured | None:
        values = scores[self.column]
        known = values[np.isfinite(values)]
        if not known.size:
            return None
        low, high = bounds_of_mean(known, share=is_share(self.name))
        return _measured(self, float(known.mean()), (low, high), known.size)

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return drawn_means(scores[self.column])

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        sign = -1.0 if self.higher_is_better else 1.0
        before, after = sign * baseline[self.column], sign * variant[self.column]
        both = np.isfinite(before) & np.isfinite(after)
        resolution = _resolution(self.name, max_drop)
        found = paired_mean_increase(before[both], after[both], resolution=resolution, points=is_share(self.name))
        return Drop.of(found)


@dataclass(frozen=True)
class SumFigure:
    """A function of sums over samples, with an interval and a test from a bootstrap over samples.

    Attributes:
        terms: From the columns to what is summed up of each sample, arrays ``(n, ...)``.
        of: From the sums to the figure of each draw, NaN where a draw has none.
    """

    name: str
    terms: Callable[[Scores], Mapping[str, NDArray[Any]]]
    of: Callable[[Sums], NDArray[np.float64]]
    higher_is_better: bool

    def measured(self, scores: Scores) -> Measured | None:
        terms = self.terms(scores)
        value = self._value(terms)
        if not np.isfinite(value):
            return None
        bounds = bounds_of_draws(self.drawn(scores), len(scores["finite"]))
        return _measured(self, value, bounds, len(scores["finite"]))

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return self.of(drawn_sums(self.terms(scores)))

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        sign = 1.0 if self.higher_is_better else -1.0
        value, after = self._value(self.terms(baseline)), self._value(self.terms(variant))
        increases = sign * (self.drawn(baseline) - self.drawn(variant))  # of the same samples
        resolution = _resolution(self.name, max_drop) or 0.05 * abs(value)
        found = paired_bootstrap_increase(
            sign * (value - after),
            increases,
            len(variant["finite"]),
            resolution=resolution,
            points=is_share(self.name),
        )
        return Drop.of(found)

    def _value(self, terms: Mapping[str, NDArray[Any]]) -> float:
        return float(self.of({name: np.asarray(t.sum(axis=0, dtype=np.float64))[None] for name, t in terms.items()})[0])


def _resolution(name: str, max_drop: float | None) -> float | None:
    """Returns the drop that the reader cares about; None where that depends on the figure."""
    if not is_share(name):
        return max_drop or None
    return (max_drop or 1.0) / 100


def _measured(figure: MeanFigure | SumFigure, value: float, bounds: tuple[float, float], n: int) -> Measured:
    """Returns a figure as reports have it."""
    low, high = np.clip(bounds, 0.0, 1.0).tolist() if is_share(figure.name) and np.isfinite(bounds).all() else bounds
    return Measured(
        metric=figure.name,
        value=value,
        low=finite(low),
        high=finite(high),
        n=n,
        higher_is_better=figure.higher_is_better,
    )


def drawn_sums(terms: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """Returns the sums of terms ``(n, ...)`` over the samples of each bootstrap draw, the same draws for each variant."""
    n = len(next(iter(terms.values())))
    flat = {name: np.asarray(values, np.float64).reshape(n, -1) for name, values in terms.items()}
    parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in terms}
    for counts in drawn_counts(n):
        for name, values in flat.items():
            parts[name].append(counts @ values)
    return {name: np.concatenate(parts[name]).reshape(DRAWS, *values.shape[1:]) for name, values in terms.items()}


def drawn_means(values: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the mean of values ``(n,)`` in each bootstrap draw; NaN stands for samples that have no value."""
    there = np.isfinite(values)
    sums = drawn_sums({"values": np.where(there, values, 0.0), "samples": there})
    with np.errstate(all="ignore"):
        return np.asarray(sums["values"] / sums["samples"])


def known(figures: Sequence[Figure], scores: Scores) -> tuple[Measured, ...]:
    """Returns those of several figures that these samples have."""
    found = (figure.measured(scores) for figure in figures)
    return tuple(one for one in found if one is not None)
