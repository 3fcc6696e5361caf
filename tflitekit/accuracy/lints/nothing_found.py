"""A baseline that finds next to none of the annotated boxes: most often its outputs are read wrongly."""

from __future__ import annotations

import numpy as np

from tflitekit.accuracy.metrics import AnyMetric, Scores
from tflitekit.accuracy.metrics.detection import Detection
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.results import Finding

__all__ = ["nothing_found"]

# Detectors that were trained at all are far above: the weakest ones in use reach ten times as much on COCO.
_NEXT_TO_NOTHING = 0.01


def nothing_found(run: ScoringJob, scores: Scores, metric: AnyMetric) -> list[Finding]:
    """Says so, and how the outputs were read."""
    if not isinstance(metric, Detection):
        return []
    figure = metric.value(scores)
    if figure >= _NEXT_TO_NOTHING:
        return []
    reader = metric.open(run.interface)
    boxes = np.count_nonzero(scores["classes"] >= 0, axis=1)
    text = (
        f"The baseline's mAP is {figure:.1%}: of {int(scores['objects'][..., 0].sum()):,} objects it finds next to none, with "
        f"{boxes.mean():.0f} boxes in a picture, read by '{reader.name}'."
    )
    found, there = (_most_frequent(metric, counts) for counts in _counts(scores))
    classes = f" It finds {found} most often, and the data have {there}." if found and there and found != there else ""
    return [
        Finding(
            kind="chance",
            message=text + classes,
            advice="Either its outputs are to be read otherwise (--reader, with options such as coordinates and box), or the preprocessing "
            f"'{run.contract.preprocessing.name}' is not the one that it was trained with (--preprocess), or classes are in another order "
            "than the model's (--labels).",
        )
    ]


def _counts(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Returns how often each class is found, by score, and how often it is there."""
    known = scores["classes"] >= 0
    weight = scores["scores"][known].astype(np.float64)
    there = scores["objects"][..., 0].sum(axis=0)
    return np.bincount(scores["classes"][known], weight, minlength=len(there)), there


def _most_frequent(metric: Detection, counts: np.ndarray) -> str:
    return f"'{metric.class_name(int(counts.argmax()))}'" if counts.any() else ""
