"""Figures that only all samples together have, with bootstrap draws as weights: how often each sample was drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.draws import bounds_of_draws, drawn_counts
from tflitekit.accuracy.metrics import Scores
from tflitekit.core.statistics import paired_bootstrap_increase
from tflitekit.results import Drop, Measured, finite
from tflitekit.tasks.metric_words import is_share

__all__ = ["SetFigure", "Weighted", "average_precision", "drawn", "rarer_class", "roc_auc"]

Weighted = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From how often each sample counts in each draw, ``(draws, n)``, to the figure of each draw; NaN where a draw has none."""


@dataclass(frozen=True)
class SetFigure:
    """A figure of all samples, with the middle 95 % of 400 bootstrap draws over samples as its interval.

    Attributes:
        of: Looks at the scores once, and returns the figure by weights.
        rarest: How many samples there are of the kind that is rarest; of one, all draws are alike. None counts all.
    """

    name: str
    of: Callable[[Scores], Weighted]
    higher_is_better: bool = True
    rarest: Callable[[Scores], int] | None = None

    def _rarest(self, scores: Scores) -> int:
        return len(scores["finite"]) if self.rarest is None else self.rarest(scores)

    def measured(self, scores: Scores) -> Measured | None:
        """Returns the figure with its interval; None where these samples have none."""
        n = len(scores["finite"])
        figure = self.of(scores)
        value = float(figure(np.ones((1, n)))[0])
        if not np.isfinite(value):
            return None
        low, high = bounds_of_draws(drawn(figure, n), self._rarest(scores))
        return Measured(
            metric=self.name,
            value=value,
            low=finite(low),
            high=finite(high),
            n=n,
            higher_is_better=self.higher_is_better,
        )

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        """Returns the figure in each draw."""
        return drawn(self.of(scores), len(scores["finite"]))

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        """Compares with the baseline, by draws of the same samples; positive is worse."""
        sign, n, points = (1.0 if self.higher_is_better else -1.0), len(variant["finite"]), is_share(self.name)
        first, second = self.of(baseline), self.of(variant)
        before, after = (float(figure(np.ones((1, n)))[0]) for figure in (first, second))
        resolution = (max_drop or 1.0) / 100 if points else max_drop or 0.05 * abs(before)
        increases = sign * (drawn(first, n) - drawn(second, n))
        found = paired_bootstrap_increase(
            sign * (before - after), increases, self._rarest(variant), resolution=resolution, points=points
        )
        return Drop.of(found)


def drawn(figure: Weighted, n: int) -> NDArray[np.float64]:
    """Returns the figure of each bootstrap draw."""
    return np.concatenate([figure(weights) for weights in drawn_counts(n)])


def rarer_class(scores: Scores) -> int:
    """Returns how many samples the rarer of the classes 0 and 1 has, for curves that need both."""
    return int(np.bincount(scores["label"], minlength=2)[:2].min())


def roc_auc(score: NDArray[Any], truth: NDArray[np.bool_]) -> Weighted:
    """Returns the area under the ROC curve: the probability that a positive sample has the higher score, ties as half.

    J. A. Hanley and B. J. McNeil, 'The meaning and use of the area under a receiver operating characteristic (ROC) curve',
    Radiology 143 (1982).
    """
    order, starts = _groups(score)

    def figure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        positive, negative = (_sums(weights, own, order, starts) for own in (truth, ~truth))
        below = negative.cumsum(axis=1) - negative / 2
        with np.errstate(all="ignore"):
            area = (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))
        return np.asarray(area)

    return figure


def average_precision(score: NDArray[Any], truth: NDArray[np.bool_]) -> Weighted:
    """Returns the area under the curve of precision and recall as average precision: the precision at each score that there is, weighted
    by how much recall grows there, without interpolation."""
    order, starts = _groups(-np.asarray(score, np.float64))

    def figure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        positive, negative = (_sums(weights, own, order, starts) for own in (truth, ~truth))
        found, taken = positive.cumsum(axis=1), (positive + negative).cumsum(axis=1)
        precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
        with np.errstate(all="ignore"):
            return np.asarray((positive * precision).sum(axis=1) / positive.sum(axis=1))

    return figure


def _groups(score: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the order of the scores, ascending, and where equal ones begin in it."""
    order = np.argsort(score, kind="stable")
    values = score[order]
    return order, np.flatnonzero(np.append(True, values[1:] != values[:-1]))


def _sums(
    weights: NDArray[np.float64], counted: NDArray[np.bool_], order: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.float64]:
    return np.add.reduceat((weights * counted)[:, order], starts, axis=1)
