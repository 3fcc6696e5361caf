"""Metrics: how an output and a label become numbers per sample, and those one figure with an interval.

Scores are kept per sample (a few bytes each), because comparisons with the baseline are paired.
A metric is one file in this folder with a class that has the methods of `Metric`; which one data and model call for,
`tflitekit.evaluation` decides.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tflitekit.results import Agreement, ClassRecall, Drop, Measured

__all__ = ["Metric", "Scores"]

Scores = dict[str, NDArray[Any]]
"""Columns with one value per sample; 'finite' says whether the output had no NaN or infinity."""


class Metric(Protocol):
    """What evaluation asks of a metric."""

    name: str

    def check(self, output_shape: tuple[int, ...]) -> None:
        """Raises `DataError` where labels and outputs cannot belong together."""

    def score(self, outputs: NDArray[np.float32], labels: list[Any]) -> Scores:
        """Scores a chunk: outputs ``(k, ...)`` as real values, and their labels."""

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        """Returns the figures; the first one is the variant's accuracy."""

    def per_class(self, scores: Scores) -> tuple[ClassRecall, ...]:
        """Returns the recall of each class that the data hold, or nothing."""

    def agreement(self, baseline: Scores, variant: Scores) -> Agreement | None:
        """Returns how often both give the same answer, where answers are discrete."""

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        """Compares with the baseline on the same samples; positive is worse.

        ``max_drop`` is what the user accepts, in points for classes, else in the metric's unit; None for the default.
        """
