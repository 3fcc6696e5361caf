"""A baseline that is no better than chance: most often the preprocessing is not the one of the training."""

from __future__ import annotations

import numpy as np

from tflitekit.dataset import Dataset, SkippedSamples, Subset
from tflitekit.errors import TflitekitError
from tflitekit.metrics import Metric, Scores
from tflitekit.metrics.classification import Classification
from tflitekit.preprocessing import PRESETS
from tflitekit.progress import Progress
from tflitekit.results import Finding
from tflitekit.scoring import Scored, score

__all__ = ["chance"]

_PROBE_SAMPLES = 200


def chance(
    run: Scored, scores: Scores, dataset: Dataset, metric: Metric, jobs: int | None, *, stream: bool = False
) -> list[Finding]:
    """Where the baseline is no better than chance, or than the most frequent class, says so, and tries which preset would fit the model."""
    if not isinstance(metric, Classification) or not scores["finite"].all():
        return []
    _, counts = np.unique(scores["label"], return_counts=True)
    classes, largest = len(counts), float(counts.max() / counts.sum())
    figure = metric.summarize(scores)[0]
    by_guessing = (figure.low or 0.0) <= 1 / classes
    if classes < 2 or not (by_guessing or figure.value <= largest):
        return []
    assert run.variant.contract is not None
    current = run.variant.contract.preprocessing
    text = f"The baseline's accuracy, {figure.value:.1%}, is no better than chance ({1 / classes:.1%})."
    if not by_guessing:
        text = (
            f"The baseline's accuracy, {figure.value:.1%}, is no better than always answering the most frequent class "
            f"({largest:.1%})."
        )
    if dataset.kind != "images":
        advice = "Check that the data are scaled as in training, and that labels and outputs are in the same order."
        return [Finding(kind="chance", message=text, advice=advice)]
    best: tuple[float, str] | None = None
    few = dataset if stream else Subset(dataset, limit=_PROBE_SAMPLES)
    for preset in PRESETS.values():
        if preset != current:
            contract = run.variant.contract.model_copy(update={"preprocessing": preset})
            trial = Scored(run.variant.model_copy(update={"contract": contract}), run.graph, run.output)
            skipped = SkippedSamples(few.size)
            try:
                found = score([trial], few, metric, jobs=jobs, progress=Progress(), skipped=skipped, stream=stream)
            except TflitekitError:  # a preset that does not fit this input
                continue
            value = float(found[run.variant.name]["correct"].mean())
            if best is None or value > best[0]:
                best = (value, preset.name)
    if best is not None and best[0] > 2 / classes and best[0] > figure.value + 0.1:
        advice = (
            f"The preprocessing '{current.name}' is probably not the one that the model was trained with: "
            f"with --preprocess {best[1]} it reaches {best[0]:.0%} on {few.size} samples."
        )
    else:
        advice = (
            f"Either the preprocessing '{current.name}' is not the one that it was trained with, or the labels are in "
            "another order than its outputs (give them with --labels)."
        )
    return [Finding(kind="chance", message=text, advice=advice)]
