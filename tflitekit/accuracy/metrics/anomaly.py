"""Anomalies by an autoencoder: how well the error of the reconstruction tells normal samples from others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Meaning, Metric, Scores, metric
from tflitekit.accuracy.metrics.ranking import SetFigure, Weighted, rarer_class, roc_auc
from tflitekit.core.errors import DataError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Drop, Measured
from tflitekit.tasks.interface import Interface

__all__ = ["AnomalyScore", "Reconstructed"]


@dataclass(frozen=True, eq=False)
class Reconstructed:
    """The label of a sample, and its first input as the model got it."""

    label: Any
    input: NDArray[Any]


def _of_errors(scores: Scores) -> Weighted:
    return roc_auc(scores["error"], scores["label"] == 1)


_AUC = SetFigure("anomaly-auc", _of_errors, rarest=rarer_class)


@metric("anomaly-auc")
def anomaly_auc(dataset: Dataset, interface: Interface, how: TaskOptions) -> AnomalyScore:
    """Tells how often an anomaly (label 1) is reconstructed with a larger mean squared error than a normal sample (label 0)."""
    del how
    largest = dataset.largest_label()
    if not isinstance(next(iter(dataset)).label, int) or (largest is not None and largest > 1):
        raise DataError(
            f"The labels at {dataset.location} are not 0 (normal) and 1 (anomaly), which --metric anomaly-auc needs.",
            fix="Give such labels: two folders of images, or 'y' of an .npz. For folders, --labels says which one is 0: a file with 'normal' "
            "first.",
        )
    found = AnomalyScore(interface.inputs)
    found.check(interface.output)
    return found


class AnomalyScore(Metric):
    """Compares what a model gives back with what it got; scoring hands it `Reconstructed` as labels.

    Args:
        inputs: The model's.
    """

    name = "anomaly-auc"

    def __init__(self, inputs: Sequence[TensorSpec]) -> None:
        self._inputs = tuple(inputs)

    def check(self, output: TensorSpec) -> None:
        wanted = self._inputs[0].shape[1:] if self._inputs else ()
        if -1 in (*wanted, *output.shape[1:]) or math.prod(wanted) == math.prod(output.shape[1:]):
            return
        raise DataError(
            f"The output '{output.name}' has the shape {list(output.shape[1:])} and the input '{self._inputs[0].name}' {list(wanted)} (for one "
            "sample): it is no reconstruction.",
            fix="Name the output that is one with --output. If the model gives a score itself, take --metric roc-auc.",
        )

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        del meaning
        rows = outputs.reshape(len(labels), -1).astype(np.float64)
        given = np.stack([one.input.reshape(-1) for one in labels]).astype(np.float64)
        return {
            "error": np.square(rows - given).mean(axis=1),
            "label": np.asarray([one.label for one in labels], np.int32),
            "finite": np.isfinite(rows).all(axis=1),
        }

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        found = _AUC.measured(scores)
        if found is None:
            raise DataError(
                "All samples have one label, so anomalies cannot be told from normal samples.",
                fix="Give samples of both: normal ones with the label 0, anomalies with 1.",
            )
        return (found,)

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return _AUC.drawn(scores)

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        return _AUC.drop(baseline, variant, max_drop)
