"""Keypoints: the share of correct points, and average precision by object keypoint similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Likeness, Scores, metric
from tflitekit.accuracy.metrics.by_class import ByClass, class_rows
from tflitekit.accuracy.metrics.decoded import DecodedMetric, DecodedReference, OpenReader
from tflitekit.accuracy.metrics.figures import MeanFigure, SumFigure, drawn_sums, known
from tflitekit.core.errors import DataError
from tflitekit.data.annotations import Poses
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Drop, Measured, OutputFidelity
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import open_reader

__all__ = ["PERSON", "CorrectKeypoints", "KeypointAgreement", "matched_distances", "opener"]

TOLERANCE = 0.2
"""How far a point may be off, as a share of the longer side of the person's box."""

PERSON = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow", "right elbow",
    "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip
"""COCO's keypoints of a person, in their order."""


def _terms(scores: Scores) -> Mapping[str, NDArray[Any]]:
    return {name: scores[name] for name in ("right", "there")}


def _share(right: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(right, there, out=np.full_like(there, np.nan), where=there > 0)


def _figure(name: str) -> SumFigure:
    def of(sums: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        return _share(sums["right"].sum(axis=-1), sums["there"].sum(axis=-1))

    return SumFigure(name, _terms, of, higher_is_better=True)


PCK = _figure("pck")
AGREEMENT = _figure("keypoint-agreement")
DISTANCE = MeanFigure("keypoint-distance", "distance", higher_is_better=False)


@metric("pck", task="keypoints")
def correct_keypoints(dataset: Dataset, interface: Interface, how: TaskOptions) -> CorrectKeypoints:
    """Compares keypoints: right are those within 0.2 of the longer side of the person's box (PCK@0.2)."""
    first = next(iter(dataset)).label
    _poses(first)
    return CorrectKeypoints(opener(interface, how), _names(dataset))


@metric("keypoint-agreement", reference=True, task="keypoints")
def keep_keypoints(dataset: Dataset, interface: Interface, how: TaskOptions) -> KeypointAgreement:
    """Compares keypoints with the baseline's: within 0.2 of the longer side of the box around them."""
    del dataset
    return KeypointAgreement(opener(interface, how))


def _names(dataset: Dataset) -> tuple[str, ...]:
    return getattr(dataset, "keypoints", ())


def opener(interface: Interface, how: TaskOptions) -> OpenReader:
    """Returns what opens the reader of keypoints, which fits the model.

    Raises:
        DataError: None fits, or several.
    """

    def opened(one: Interface) -> Any:
        return open_reader(one, task="keypoints", wanted=how.reader)

    opened(interface)
    return opened


def _poses(label: Any) -> Poses:
    """Returns a label as poses: arrays ``(k, 2)`` and ``(k, 3)`` are one, ``(n, k, 3)`` several.

    Raises:
        DataError: It is none of these.
    """
    if isinstance(label, Poses):
        return label
    points = np.asarray(label, np.float32)
    points = points[None] if points.ndim == 2 else points
    if points.ndim != 3 or points.shape[-1] not in (2, 3):
        raise DataError(
            f"A label has the shape {list(np.shape(label))}, and keypoints are arrays of [keypoints, 2] (x and y in pixels) or [keypoints, 3] "
            "(and 0 where a point is not annotated).",
            fix="Give such arrays, or annotations as COCO has them.",
        )
    if points.shape[-1] == 2:
        points = np.concatenate([points, np.full_like(points[..., :1], 2)], axis=-1)
    return Poses(points)


def matched_distances(found: Poses, truth: Poses) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Returns how far each annotated point is off, as a share of the longer side of its box, and which are annotated, each ``(n, k)``.

    Poses are assigned one to one with the least mean distance; points of one that gets none are infinitely far.
    """
    there = np.asarray(truth.points[..., 2] > 0)
    distances = np.full(there.shape, np.inf)
    rows = np.flatnonzero(there.any(axis=1))
    if not len(rows) or not len(found):
        return distances, there
    if found.points.shape[1] != truth.points.shape[1]:
        raise DataError(
            f"The model gives {found.points.shape[1]} keypoints, and the labels have {truth.points.shape[1]}.",
            fix="Give labels with the model's keypoints, in its order.",
        )
    from scipy.optimize import linear_sum_assignment

    apart = truth.points[rows, None, :, :2].astype(np.float64) - found.points[None, :, :, :2]
    each = np.hypot(apart[..., 0], apart[..., 1]) / _lengths(truth, there)[rows, None, None]
    mean = (each * there[rows, None]).sum(axis=-1) / there[rows].sum(axis=-1)[:, None]
    own, other = linear_sum_assignment(mean)
    distances[rows[own]] = each[own, other]
    return distances, there


def _lengths(truth: Poses, there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the longer side of the box of each pose, else of the box around its points; at least one pixel."""
    if truth.boxes is not None:
        sides = truth.boxes.xyxy[:, 2:].astype(np.float64) - truth.boxes.xyxy[:, :2]
    else:
        known_points = np.where(there[..., None], truth.points[..., :2].astype(np.float64), np.nan)
        empty = ~there.any(axis=1)
        known_points[empty] = 0
        sides = np.nanmax(known_points, axis=1) - np.nanmin(known_points, axis=1)
    return np.asarray(np.maximum(sides.max(axis=1), 1.0), np.float64)


def _columns(found: Sequence[Poses], truth: Sequence[Poses]) -> Scores:
    """Returns for each picture how many of each keypoint are right and there, and how far points are off on average."""
    rows = [matched_distances(*pair) for pair in zip(found, truth, strict=True)]
    near = [(apart <= TOLERANCE) & there for apart, there in rows]
    reached = [apart[there & np.isfinite(apart)] for apart, there in rows]
    return {
        "right": np.stack([one.sum(axis=0) for one in near]).astype(np.int32),
        "there": np.stack([there.sum(axis=0) for _, there in rows]).astype(np.int32),
        "distance": np.array([one.mean() if one.size else np.nan for one in reached]),
    }


def _each(scores: Scores) -> NDArray[np.float64]:
    return _share(*(scores[name].sum(axis=1, dtype=np.float64) for name in ("right", "there")))


class CorrectKeypoints(DecodedMetric):
    """Tells the share of annotated keypoints that are right, over all pictures.

    Args:
        open: Returns the reader for a model.
        names: Of the keypoints, in their order, where the data have them.
    """

    name = "pck"
    task = "keypoints"
    by_class = True

    def __init__(self, open: OpenReader, names: Sequence[str] = ()) -> None:
        super().__init__(open)
        self._names = tuple(names)

    def score_decoded(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Scores:
        return _columns(predictions, [_poses(label) for label in labels])

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        first = PCK.measured(scores)
        if first is None:
            raise DataError("No keypoint of the labels is annotated.", fix="Give labels with visible keypoints.")
        return (first, *known((DISTANCE,), scores))

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return PCK.drawn(scores)

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        return PCK.drop(baseline, variant, max_drop)

    def details(self, scores: Scores, baseline: Scores | None, *, max_class_drop: float | None) -> dict[str, Any]:
        """Returns the share of each keypoint that is right, and its drop."""
        own = _of_keypoints(scores)
        other = None if baseline is None or baseline is scores else _of_keypoints(baseline)
        rows = class_rows(
            own,
            other,
            metric="pck",
            name=self._named(len(own.values)).__getitem__,
            counts=scores["there"].sum(axis=0),
            samples=np.count_nonzero(scores["there"], axis=0),
            max_class_drop=max_class_drop,
        )
        return {"per_class": rows}

    def _named(self, count: int) -> Sequence[str]:
        """Returns the names of so many keypoints: the data's, COCO's, or their numbers."""
        fitting = [names for names in (self._names, PERSON) if len(names) == count]
        return fitting[0] if fitting else [f"point {number}" for number in range(count)]

    def losses(self, scores: Scores, baseline: Scores) -> NDArray[np.float64]:
        """Returns how many points fewer are right in each picture alone, as a share."""
        return np.nan_to_num(_each(baseline) - _each(scores))

    def told(self, scores: Scores, row: int) -> str:
        return f"{int(scores['right'][row].sum())} of {int(scores['there'][row].sum())} points right"


def _of_keypoints(scores: Scores) -> ByClass:
    """Returns the share of each keypoint that is right."""
    right, there = (scores[name].sum(axis=0, dtype=np.float64) for name in ("right", "there"))
    sums = drawn_sums(_terms(scores))
    return ByClass(_share(right, there), _share(sums["right"], sums["there"]))


class KeypointAgreement(DecodedReference):
    """Compares keypoints with those that are read from the baseline's outputs."""

    name = "keypoint-agreement"

    def compare_decoded(self, predictions: Sequence[Any], reference: Sequence[Any]) -> Scores:
        # A low score is no missing annotation: each point of the baseline counts.
        truth = [
            Poses(np.concatenate([one.points[..., :2], np.ones_like(one.points[..., :1])], -1)) for one in reference
        ]
        return _columns(predictions, truth)

    def likeness(self, scores: Scores, outputs: Sequence[OutputFidelity]) -> Likeness:
        del outputs
        return Likeness(AGREEMENT.measured(scores), known((DISTANCE,), scores))

    def losses(self, scores: Scores) -> NDArray[np.float64]:
        """Returns how far points are off in each picture alone; a picture in which none was found is off by its whole side."""
        lost = np.isnan(scores["distance"]) & (scores["there"].sum(axis=1) > 0)
        return np.where(lost, 1.0, np.nan_to_num(scores["distance"]))

    def told(self, scores: Scores, row: int) -> str:
        return f"points {np.nan_to_num(scores['distance'][row]):.1%} of the longer side away from the baseline's"
