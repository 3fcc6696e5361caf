"""Metrics that only all samples together have, such as F1 or the area under a curve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.draws import bounds_of_draws, drawn_rows
from tflitekit.accuracy.metrics import Meaning, Metric, Scores
from tflitekit.core.answers import answering, expect
from tflitekit.core.statistics import paired_bootstrap_increase
from tflitekit.results import Drop, Measured, finite

__all__ = ["Columns", "PooledMetric"]

Columns = Mapping[str, NDArray[Any]]
"""Columns with a row for each sample."""


class PooledMetric(Metric):
    """A metric whose figure is no mean over samples.

    A subclass sets `name` and writes two methods: `columns` says what to keep of each sample, and `figure` makes the figure from
    the columns of all samples. Intervals and comparisons with the baseline come from a bootstrap over samples, which calls
    `figure` 400 times; where it returns NaN for a draw (no sample of a class, say), the draw is left out.

    Example:
        >>> class Precision(PooledMetric):
        ...     name = "precision"
        ...
        ...     def columns(self, outputs, labels, meaning):
        ...         return {"said": outputs.reshape(len(labels), -1)[:, 0] > 0.5, "true": np.asarray(labels) == 1}
        ...
        ...     def figure(self, columns):
        ...         said = columns["said"]
        ...         return columns["true"][said].mean() if said.any() else float("nan")
    """

    name: str
    higher_is_better = True

    def columns(self, outputs: NDArray[np.float32], labels: list[Any], meaning: Meaning) -> Scores:
        """Returns what to keep of a chunk of samples: arrays with a row, a few bytes, for each.

        Args:
            outputs: Of the file, as real values, shape ``(k, ...)``.
            labels: Of the same k samples.
            meaning: What the outputs hold: 'probabilities' or 'values'.
        """
        raise NotImplementedError

    def figure(self, columns: Columns) -> float:
        """Returns the figure of all samples, from the columns."""
        raise NotImplementedError

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        finite_outputs = np.isfinite(outputs.reshape(len(labels), -1)).all(axis=1)
        return answering(self.columns, dict)(outputs, labels, meaning) | {"finite": np.asarray(finite_outputs)}

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        low, high = bounds_of_draws(self.drawn(scores), len(scores["finite"]))
        return (
            Measured(
                metric=self.name,
                value=self._figure(scores),
                low=finite(low),
                high=finite(high),
                n=len(scores["finite"]),
                higher_is_better=self.higher_is_better,
            ),
        )

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        sign = 1.0 if self.higher_is_better else -1.0
        before, after = self._figure(baseline), self._figure(variant)
        increases = sign * (self.drawn(baseline) - self.drawn(variant))  # of the same samples
        resolution = max_drop or 0.05 * abs(before)
        found = paired_bootstrap_increase(
            sign * (before - after), increases, len(variant["finite"]), resolution=resolution
        )
        return Drop.of(found)

    def _figure(self, columns: Columns) -> float:
        return float(expect(self.figure(columns), float, int, np.number, by=self.figure))

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        """Returns the figure of each bootstrap draw, the same samples for each variant."""
        return np.asarray([self._figure(_Drawn(scores, rows)) for rows in drawn_rows(len(scores["finite"]))])


class _Drawn(Mapping[str, NDArray[Any]]):
    """The columns of some samples, picked when they are read."""

    def __init__(self, scores: Scores, rows: NDArray[np.int64]) -> None:
        self._scores, self._rows = scores, rows

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._scores[name][self._rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scores)

    def __len__(self) -> int:
        return len(self._scores)
