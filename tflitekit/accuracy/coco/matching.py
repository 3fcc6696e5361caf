"""What was found in a picture, matched with what is annotated there, by the rules of COCO's evaluation.

The rules, and the order in which ties are broken, are those of pycocotools (``COCOeval.evaluateImg``), which the tests compare with. It knows no
difficult objects: these are as in Pascal VOC's development kit (``VOCevaldet.m``), where a detection that overlaps one most, by plain IoU, counts neither
way, however many there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tflitekit.data.annotations import Boxes

__all__ = [
    "IOU_THRESHOLDS",
    "MOST_OF_A_CLASS",
    "SIZES",
    "Matches",
    "assign",
    "box_areas",
    "box_overlaps",
    "by_score",
    "match",
]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Areas in pixels of the picture, both ends included."""
MOST_OF_A_CLASS = 100
"""Detections of one class in one picture that count: COCO's largest ``maxDets``."""

_SMALLEST = np.asarray([low for low, _ in SIZES.values()])[:, None]
_LARGEST = np.asarray([high for _, high in SIZES.values()])[:, None]


@dataclass(frozen=True)
class Matches:
    """Which detections of a picture are right, at each size ``a`` of `SIZES` and each threshold ``t`` of `IOU_THRESHOLDS`.

    Attributes:
        right: bool ``(a, t, n)``: matched with an object that counts.
        left_out: bool ``(a, t, n)``: neither right nor wrong, because it is matched with an object that does not count (a crowd,
            a difficult one, or of another size), or with none and is of another size itself.
        counted: bool ``(a, m)``: which of the objects count.
    """

    right: NDArray[np.bool_]
    left_out: NDArray[np.bool_]
    counted: NDArray[np.bool_]


def by_score(scores: NDArray[np.float32], classes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Returns which detections count, best first: `MOST_OF_A_CLASS` of each class; ties stay in their order."""
    order = np.argsort(-scores, kind="stable")
    if len(order) > MOST_OF_A_CLASS:
        own = classes[order]
        grouped = np.argsort(own, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[grouped] = np.arange(len(order)) - np.searchsorted(own[grouped], own[grouped])
        order = order[rank < MOST_OF_A_CLASS]
    return order


def match(found: Boxes, truth: Boxes) -> Matches:
    """Matches detections, best first, with the objects of a picture that are of the same class."""
    aside = truth.aside
    overlaps = box_overlaps(found.xyxy, truth.xyxy, truth.crowd)
    overlaps[found.classes[:, None] != truth.classes[None, :]] = -1
    areas = box_areas(truth.xyxy) if truth.areas is None else truth.areas.astype(np.float64)
    counted = _of_size(areas) & ~aside
    right, left_out = assign(overlaps, counted, aside)
    outside = ~_of_size(box_areas(found.xyxy))
    left_out |= ~right & outside[:, None, :]
    return Matches(right, left_out, counted)


def box_areas(xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the areas of boxes ``(n, 4)``."""
    sides = xyxy[:, 2:].astype(np.float64) - xyxy[:, :2]
    return np.asarray(sides[:, 0] * sides[:, 1], np.float64)


def box_overlaps(
    found: NDArray[np.float32], truth: NDArray[np.float32], crowd: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Returns the IoU of each of n boxes with each of m, ``(n, m)``; with a crowd, the share of the found box that lies in it."""
    one, other = found.astype(np.float64)[:, None], truth.astype(np.float64)[None, :]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.where((sides > 0).all(axis=-1), sides[..., 0] * sides[..., 1], 0.0)
    own = box_areas(found)[:, None]
    whole = own + box_areas(truth)[None, :] - shared
    if crowd is not None:
        whole = np.where(crowd[None, :], own, whole)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)


def _of_size(areas: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((areas >= _SMALLEST) & (areas <= _LARGEST))


def assign(
    overlaps: NDArray[np.float64], counted: NDArray[np.bool_], aside: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Gives each detection, best first, the free object that it overlaps most; one that counts before any that does not.

    Args:
        overlaps: ``(n, m)``.
        counted: ``(a, m)``, the objects that count at each size.
        aside: ``(m,)``, crowds and difficult objects; they are never taken, so that any number of detections may match them.

    Returns:
        Which are matched with an object that counts, and which with one that does not, each ``(a, t, n)``.
    """
    sizes, steps, n = len(counted), len(IOU_THRESHOLDS), len(overlaps)
    right, left_out = np.zeros((2, sizes, steps, n), np.bool_)
    taken = np.zeros((sizes, steps, len(aside)), np.bool_)
    reaching = overlaps >= IOU_THRESHOLDS[0]
    for index in np.flatnonzero(reaching.any(axis=1)):
        near = np.flatnonzero(reaching[index])
        if len(near) == 1:  # by far the most frequent, so without a choice
            free = (overlaps[index, near] >= IOU_THRESHOLDS) & (aside[near] | ~taken[:, :, near[0]])
            taken[:, :, near[0]] |= free
            right[:, :, index], left_out[:, :, index] = free & counted[:, near], free & ~counted[:, near]
            continue
        matched, best = _choice(overlaps[index, near], counted[:, near], aside[near] | ~taken[:, :, near])
        counts = np.take_along_axis(counted[:, near], best, axis=1) & matched
        right[:, :, index], left_out[:, :, index] = counts, matched & ~counts
        size, step = np.nonzero(matched)
        taken[size, step, near[best[size, step]]] = True
    return right, left_out


def _choice(
    overlaps: NDArray[np.float64], counted: NDArray[np.bool_], free: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Returns whether one of m objects is taken, and which one, each ``(a, t)``; of equal overlaps, the last object wins."""
    rank = np.empty(len(overlaps), np.int64)
    rank[np.argsort(overlaps, kind="stable")] = np.arange(1, len(overlaps) + 1)
    reached = free & (overlaps >= IOU_THRESHOLDS[:, None])
    worth = np.where(reached, rank + len(overlaps) * counted[:, None], 0)
    return worth.max(axis=2) > 0, worth.argmax(axis=2)
