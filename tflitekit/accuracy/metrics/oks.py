"""Average precision of keypoints by object keypoint similarity, as COCO counts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.coco.curves import Curves
from tflitekit.accuracy.coco.matching import IOU_THRESHOLDS, assign
from tflitekit.accuracy.draws import bounds_of_draws, drawn_weights
from tflitekit.accuracy.metrics import Scores, metric
from tflitekit.accuracy.metrics.keypoints import PERSON, CorrectKeypoints, opener
from tflitekit.core.errors import DataError
from tflitekit.core.statistics import paired_bootstrap_increase
from tflitekit.data.annotations import Poses
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Drop, Measured, finite
from tflitekit.tasks.interface import Interface

__all__ = ["SIGMAS", "similarities"]

SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
"""How far annotators are apart, of each of COCO's keypoints (``Params.setKpParams`` of pycocotools)."""

_MOST = 20
_BITS = 1 << np.arange(len(IOU_THRESHOLDS), dtype=np.uint16)


@metric("oks-ap")
def keypoint_precision(dataset: Dataset, interface: Interface, how: TaskOptions) -> KeypointPrecision:
    """Compares COCO's 17 keypoints of people, each with its area: average precision over similarities from 0.5 to 0.95."""
    label = next(iter(dataset)).label
    if not isinstance(label, Poses) or label.boxes is None or label.points.shape[1] != len(PERSON):
        raise DataError(
            f"The labels at {dataset.location} are not people with 17 keypoints and an area, which --metric oks-ap needs.",
            fix="Give annotations as COCO has them (person_keypoints_val2017.json), or take --metric pck.",
        )
    return KeypointPrecision(opener(interface, how))


class KeypointPrecision(CorrectKeypoints):
    """Ranks poses by score and matches them with people by similarity; tells PCK, too."""

    name = "oks-ap"

    def score_decoded(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Scores:
        rows = [_matched(found, truth) for found, truth in zip(predictions, labels, strict=True)]
        matches = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        return super().score_decoded(predictions, labels) | matches

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        further = super().summarize(scores)
        value = _precision(scores, None)
        if not np.isfinite(value).all():
            raise DataError(
                "No person of the labels has an annotated keypoint.", fix="Give labels with visible keypoints."
            )
        low, high = bounds_of_draws(self.drawn(scores), len(scores["finite"]))
        first = Measured(
            metric=self.name,
            value=float(value[0]),
            low=finite(low),
            high=finite(high),
            n=len(scores["finite"]),
            higher_is_better=True,
        )
        return (first, *further)

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return _precision(scores, drawn_weights(len(scores["finite"])))

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        value = _precision(baseline, None)[0] - _precision(variant, None)[0]
        n, resolution = len(variant["finite"]), (max_drop or 1.0) / 100
        increases = self.drawn(baseline) - self.drawn(variant)
        return Drop.of(paired_bootstrap_increase(float(value), increases, n, resolution=resolution, points=True))


def _precision(scores: Scores, weights: NDArray[np.uint8] | None) -> NDArray[np.float64]:
    columns = {name: scores[f"oks_{name}"] for name in ("scores", "classes", "right", "left_out", "objects")}
    return np.asarray(Curves(columns).measure(weights)[0][:, 0].mean(axis=-1))


def _matched(found: Poses, truth: Poses) -> dict[str, NDArray[Any]]:
    """Returns what to keep of a picture, as `tflitekit.accuracy.coco.curves.columns_of` does for boxes of one class and any size."""
    assert truth.boxes is not None
    scores = found.boxes.scores if found.boxes is not None else None
    order = np.argsort(-(np.ones(len(found)) if scores is None else scores), kind="stable")[:_MOST]
    aside = truth.boxes.aside
    counted = ~aside & (truth.points[..., 2] > 0).any(axis=1)
    right, left_out = assign(similarities(found.points[order], truth), counted[None], aside)
    columns: dict[str, NDArray[Any]] = {
        "oks_scores": np.zeros(_MOST, np.float32),
        "oks_classes": np.full(_MOST, -1, np.int16),
        "oks_right": np.zeros((_MOST, 1), np.uint16),
        "oks_left_out": np.zeros((_MOST, 1), np.uint16),
        "oks_objects": np.array([[counted.sum()]], np.uint16),
    }
    kept = len(order)
    columns["oks_scores"][:kept] = 1 if scores is None else scores[order]
    columns["oks_classes"][:kept] = 0
    columns["oks_right"][:kept] = np.einsum("atn,t->na", right, _BITS)
    columns["oks_left_out"][:kept] = np.einsum("atn,t->na", left_out, _BITS)
    return columns


def similarities(points: NDArray[np.float32], truth: Poses) -> NDArray[np.float64]:
    """Returns the object keypoint similarity of each of n poses with each of m people, ``(n, m)``.

    The mean of ``exp(-d² / (2 s² (2 sigma)²))`` over annotated points, where d is how far a point is off and s² the person's area; of a
    person without points, d is how far points lie outside of the doubled box (``COCOeval.computeOks`` of pycocotools).
    """
    assert truth.boxes is not None
    boxes = truth.boxes.xyxy.astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = sides[:, 0] * sides[:, 1] if truth.boxes.areas is None else truth.boxes.areas.astype(np.float64)
    there = np.asarray(truth.points[..., 2] > 0)
    apart = points[:, None, :, :2].astype(np.float64) - truth.points[None, :, :, :2]
    low, high = boxes[:, :2] - sides, boxes[:, 2:] + sides
    own = points[:, None, :, :2].astype(np.float64)
    outside = np.maximum(0, low[None, :, None] - own) + np.maximum(0, own - high[None, :, None])
    some = np.asarray(there.any(axis=1), np.bool_)
    squared = np.square(np.where(some[None, :, None, None], apart, outside)).sum(axis=-1)
    exponent = squared / np.square(2 * SIGMAS) / (areas[None, :, None] + np.spacing(1)) / 2
    counts = np.where(some[:, None], there, True)
    return np.asarray((np.exp(-exponent) * counts[None]).sum(axis=-1) / counts.sum(axis=-1)[None])
