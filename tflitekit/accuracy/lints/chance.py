"""A baseline that is no better than chance: most often the preprocessing is not the one of the training."""

from __future__ import annotations

import math

import numpy as np

from tflitekit.accuracy.lints.presets import best_preset
from tflitekit.accuracy.metrics import AnyMetric, Scores
from tflitekit.accuracy.metrics.classification import Classification, share
from tflitekit.accuracy.metrics.regression import Regression
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.data.dataset import Dataset
from tflitekit.results import Finding

__all__ = ["chance"]

_PROBE_SAMPLES = 200
# The mean of fewer targets may lie near them by chance.
_ENOUGH = 20


def chance(
    run: ScoringJob, scores: Scores, dataset: Dataset, metric: AnyMetric, jobs: int | None, *, stream: bool = False
) -> list[Finding]:
    """Where the baseline is no better than an answer that knows nothing of the sample, says so.

    For classes it also tries which preset would fit the model.
    """
    if isinstance(metric, Regression):
        return _no_better_than_the_mean(scores, dataset)
    if not isinstance(metric, Classification):
        return []
    labels, counts = np.unique(scores["label"], return_counts=True)
    classes, largest = len(labels), float(counts.max() / counts.sum())
    figure = share("top1", scores["correct"])
    recalls = np.array([scores["correct"][scores["label"] == label].mean() for label in labels])
    # Always the same answer has a mean recall of one in so many classes, however lopsided the data are.
    error = float(np.sqrt((recalls * (1 - recalls) / counts).sum())) / classes
    if classes < 2 or recalls.mean() - 1.96 * error > 1 / classes:
        return []
    if (figure.low or 0.0) <= 1 / classes:
        text = f"The baseline's accuracy, {figure.value:.1%}, is no better than chance ({1 / classes:.1%})."
    elif figure.value <= largest:
        text = (
            f"The baseline's accuracy, {figure.value:.1%}, is no better than always answering the most frequent class "
            f"({largest:.1%})."
        )
    else:
        text = f"The baseline's mean recall of {classes} classes, {recalls.mean():.1%}, is no better than chance ({1 / classes:.1%})."
    current = run.contract.preprocessing
    if not dataset.pictures:
        advice = "Check that the data are scaled as in training, and that labels and outputs are in the same order."
        return [Finding(kind="chance", message=text, advice=advice)]
    best = best_preset(
        run,
        dataset,
        metric,
        lambda found: float(found["correct"].mean()),
        samples=_PROBE_SAMPLES,
        jobs=jobs,
        stream=stream,
    )
    if best is not None and best.value > 2 / classes and best.value > figure.value + 0.1:
        advice = (
            f"The preprocessing '{current.name}' is probably not the one that the model was trained with: "
            f"with --preprocess {best.name} it reaches {best.value:.0%} on {best.samples} samples."
        )
    else:
        advice = (
            f"Either the preprocessing '{current.name}' is not the one that it was trained with, or the labels are in "
            "another order than its outputs (give them with --labels)."
        )
    return [Finding(kind="chance", message=text, advice=advice)]


def _no_better_than_the_mean(scores: Scores, dataset: Dataset) -> list[Finding]:
    """Compares errors with those of always answering the mean of the targets; factories are not read a second time."""
    if not dataset.random_access or len(scores["finite"]) < _ENOUGH:
        return []
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for sample in dataset:
        value = np.asarray(sample.label, np.float64).reshape(-1)
        if count and value.shape != mean.shape:  # samples of unlike sizes have no mean
            return []
        count += 1
        step = value - mean
        mean = mean + step / count
        squares = squares + step * (value - mean)
    constant, found = float(np.mean(squares / count)), float(scores["squared"].mean())
    if constant == 0 or found < constant:
        return []
    return [
        Finding(
            kind="chance",
            message=f"The baseline's RMSE, {math.sqrt(found):.4g}, is no better than that of always answering the mean of the "
            f"targets ({math.sqrt(constant):.4g}).",
            advice="Check the preprocessing and that inputs and targets are scaled and ordered as in training.",
        )
    ]
