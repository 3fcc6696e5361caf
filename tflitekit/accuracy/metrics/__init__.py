"""Metrics: how an output and a label become numbers per sample, and those one figure with an interval.

Scores are kept per sample (a few bytes each), because comparisons with the baseline are paired.
A metric is one file in this folder with a class that has the methods of `Metric`; which one data and model call for,
`tflitekit.accuracy.metric_choice` decides.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.tensor import TensorSpec
from tflitekit.results import Drop, Measured

__all__ = ["Meaning", "Metric", "Scores"]

Meaning = Literal["probabilities", "values"]
"""What an output holds (see `tflitekit.data.contract.Contract`)."""

Scores = dict[str, NDArray[Any]]
"""Columns with one value per sample; 'finite' says whether the output had no NaN or infinity.

Beside the metric's own columns, `tflitekit.accuracy.scoring` adds 'position' in the data and those of `tflitekit.data.facts`."""


class Metric(Protocol):
    """What evaluation asks of a metric."""

    name: str

    def check(self, output: TensorSpec) -> None:
        """Raises `DataError` where labels and outputs cannot belong together."""

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        """Scores a chunk: outputs ``(k, ...)`` as real values, and their labels."""

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        """Returns the figures; the first one is the variant's accuracy."""

    def details(self, scores: Scores, baseline: Scores | None, *, max_class_drop: float | None) -> dict[str, Any]:
        """Returns further fields of the variant's row (see `VariantReport`), or nothing.

        ``baseline`` are the baseline's scores of the same samples, None where there are none; ``max_class_drop`` is what
        the user accepts for each class, in points.
        """

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        """Compares with the baseline on the same samples; positive is worse.

        ``max_drop`` is what the user accepts, in points for classes, else in the metric's unit; None for the default.
        """
