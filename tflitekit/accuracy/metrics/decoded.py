"""Metrics of what a reader makes of outputs: boxes, masks, keypoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Meaning, Metric, ReferenceMetric, Scores
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import Reader

__all__ = ["DecodedMetric", "DecodedReference"]

OpenReader = Callable[[Interface], Reader]


class DecodedMetric(Metric):
    """A metric that compares what a reader found with the labels; a subclass writes `score_decoded`, `summarize` and `drop`.

    Args:
        open: Returns the reader for a model; files of one model may name their outputs otherwise.
    """

    def __init__(self, open: OpenReader) -> None:
        self.open = open

    def score_decoded(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Scores:
        """Scores a chunk of samples: columns with a row for each, without 'finite', which scoring adds."""
        raise NotImplementedError

    def losses(self, scores: Scores, baseline: Scores) -> NDArray[np.float64] | None:
        """Returns how much worse each sample alone is than in the baseline; by it examples are chosen, none where it is None."""
        del scores, baseline
        return None

    def told(self, scores: Scores, row: int) -> str:
        """Says in a few words how good one sample alone is, for examples."""
        del scores, row
        return ""

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        raise NotImplementedError(f"{self.name} reads all outputs of a sample: see score_decoded")


class DecodedReference(ReferenceMetric):
    """A metric for data without labels that compares what a reader found with what it found in the baseline's outputs."""

    def __init__(self, open: OpenReader) -> None:
        self.open = open

    def compare_decoded(self, predictions: Sequence[Any], reference: Sequence[Any]) -> Scores:
        """Scores a chunk of samples: columns with a row for each, without 'finite', which scoring adds."""
        raise NotImplementedError

    def losses(self, scores: Scores) -> NDArray[np.float64] | None:
        """Returns how far each sample alone is from the baseline; by it examples are chosen, none where it is None."""
        del scores
        return None

    def told(self, scores: Scores, row: int) -> str:
        """Says in a few words how near one sample alone is, for examples."""
        del scores, row
        return ""
