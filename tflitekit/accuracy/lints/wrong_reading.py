"""A baseline whose masks or keypoints know nothing of the picture: most often its outputs are read wrongly."""

from __future__ import annotations

import numpy as np

from tflitekit.accuracy.metrics import AnyMetric, Scores
from tflitekit.accuracy.metrics.keypoints import PCK, CorrectKeypoints
from tflitekit.accuracy.metrics.segmentation import MIOU, Segmentation
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.results import Finding

__all__ = ["wrong_reading"]

# A point anywhere in a picture that one person fills lies within 0.2 of a side in one of eight cases; networks in use reach 0.5 and more.
_NEXT_TO_NOTHING = 0.1


def wrong_reading(run: ScoringJob, scores: Scores, metric: AnyMetric) -> list[Finding]:
    """Says so, and what may be wrong."""
    if isinstance(metric, Segmentation):
        text = _no_better_than_one_class(scores, metric)
    elif isinstance(metric, CorrectKeypoints):
        text = _next_to_no_point(scores)
    else:
        return []
    if not text:
        return []
    reader = metric.open(run.interface)
    options = "its options are in the report" if reader.describe() else "it is your own"
    return [
        Finding(
            kind="chance",
            message=text,
            advice=f"Either the preprocessing '{run.contract.preprocessing.name}' is not the one that it was trained with (--preprocess), or "
            f"its outputs are to be read otherwise than '{reader.name}' does (--reader; {options}), or the labels are in another order than "
            "the model's (--labels).",
        )
    ]


def _no_better_than_one_class(scores: Scores, metric: Segmentation) -> str:
    """Compares mean IoU with that of the class with which a constant mask would be best."""
    figure = MIOU.measured(scores)
    pixels = scores["there"].sum(axis=0, dtype=np.float64)
    if figure is None or np.count_nonzero(pixels) < 2:
        return ""
    best = int(pixels.argmax())
    constant = float(pixels[best] / pixels.sum() / np.count_nonzero(pixels))
    if figure.value > constant:
        return ""
    return (
        f"The baseline's mean IoU, {figure.value:.1%}, is no better than that of always answering '{metric.class_name(best)}' "
        f"({constant:.1%})."
    )


def _next_to_no_point(scores: Scores) -> str:
    figure = PCK.measured(scores)
    if figure is None or figure.value >= _NEXT_TO_NOTHING:
        return ""
    total = int(scores["there"].sum())
    off = float(np.nanmedian(scores["distance"])) if np.isfinite(scores["distance"]).any() else None
    far = f"; half of the pictures have points {off:.1f} sides of the box away and more" if off is not None else ""
    return f"The baseline finds {figure.value:.1%} of {total:,} keypoints{far}."
