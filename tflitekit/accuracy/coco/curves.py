"""Average precision and recall from the columns of pictures, for the pictures as they are and for draws of them.

A draw says how often each picture counts. Precision can only be highest where a detection is right, so that curves are followed from one right
detection to the next, all draws at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.coco.matching import IOU_THRESHOLDS, SIZES, by_score, match
from tflitekit.data.annotations import Boxes

__all__ = ["RECALL_LEVELS", "Curves", "columns_of", "met_share"]

RECALL_LEVELS = np.linspace(0.0, 1.0, 101)

_BITS = 1 << np.arange(len(IOU_THRESHOLDS), dtype=np.uint16)
_CELLS = 1 << 22
"""Numbers that are worked on at a time: detections times draws."""


def columns_of(found: Sequence[Boxes], truth: Sequence[Boxes], *, classes: int, most: int) -> dict[str, NDArray[Any]]:
    """Returns what to keep of pictures.

    Args:
        classes: Number of classes; detections of others are left out, as no object can be theirs.
        most: Detections of a picture that are kept.

    Returns:
        By name, with a row for each picture (22 bytes for each of ``most`` detections, and 8 for each class):
        'scores' float32 ``(k, most)``, best first; 'classes' int16 ``(k, most)``, -1 behind the last;
        'right' and 'left_out' uint16 ``(k, most, sizes)``, a bit for each IoU threshold, the lowest first (see `Matches`);
        'objects' uint16 ``(k, classes, sizes)``, how many there are to find.
    """
    count, sizes = len(found), len(SIZES)
    columns: dict[str, NDArray[Any]] = {
        "scores": np.zeros((count, most), np.float32),
        "classes": np.full((count, most), -1, np.int16),
        "right": np.zeros((count, most, sizes), np.uint16),
        "left_out": np.zeros((count, most, sizes), np.uint16),
        "objects": np.zeros((count, classes, sizes), np.uint16),
    }
    for row, (own, objects) in enumerate(zip(found, truth, strict=True)):
        assert own.scores is not None
        known = np.flatnonzero((own.classes >= 0) & (own.classes < classes))
        order = known[by_score(own.scores[known], own.classes[known])[:most]]
        kept = Boxes(own.xyxy[order], own.classes[order], own.scores[order])
        matches = match(kept, objects)
        columns["scores"][row, : len(kept)] = kept.scores
        columns["classes"][row, : len(kept)] = kept.classes
        columns["right"][row, : len(kept)] = np.einsum("atn,t->na", matches.right, _BITS)
        columns["left_out"][row, : len(kept)] = np.einsum("atn,t->na", matches.left_out, _BITS)
        for size, counted in enumerate(matches.counted):
            columns["objects"][row, :, size] = np.bincount(objects.classes[counted], minlength=classes)
    return columns


def met_share(bits: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Returns at how many of the IoU thresholds the bits of 'right' or 'left_out' are set, from 0 to 1."""
    return np.asarray(((bits[..., None] & _BITS) != 0).mean(axis=-1), np.float64)


@dataclass(frozen=True)
class _Class:
    """The detections of one class in all pictures, best first, down to the last one that is right."""

    number: int
    picture: NDArray[np.int64]
    right: NDArray[np.uint16]
    left_out: NDArray[np.uint16]


class Curves:
    """Precision over recall of each class, from the columns of `columns_of`.

    Args:
        columns: Of all pictures.
        size: One of `SIZES`.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]], size: str = "all") -> None:
        self._lane = list(SIZES).index(size)
        self._objects: NDArray[np.int64] = columns["objects"][:, :, self._lane].astype(np.int64)
        self._columns = columns

    def measure(self, weights: NDArray[np.uint8] | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns average precision and the largest recall, each ``(draws, classes, thresholds)``; NaN where a class has no objects.

        Args:
            weights: How often each picture counts in each draw, ``(pictures, draws)``; None for the pictures as they are.
        """
        exact = weights is None
        drawn = np.ones((len(self._objects), 1), np.uint8) if weights is None else weights
        objects = self._objects.astype(np.float64).T @ drawn.astype(np.float64)  # (classes, draws)
        shape = (drawn.shape[1], len(objects), len(IOU_THRESHOLDS))
        precision, recall = np.zeros(shape), np.zeros(shape)
        for one in self._classes():
            step = max(1, _CELLS // max(1, len(one.picture)))
            for start in range(0, shape[0], step):
                part = slice(start, start + step)
                found = _measure(one, drawn[:, part], objects[one.number, part], exact)
                precision[part, one.number], recall[part, one.number] = found
        unknown = (objects == 0).T
        precision[unknown] = recall[unknown] = np.nan
        return precision, recall

    def _classes(self) -> Iterator[_Class]:
        """Yields the classes that have a right detection."""
        numbers = self._columns["classes"].reshape(-1)
        there = np.flatnonzero(numbers >= 0)
        order = there[np.lexsort((-self._columns["scores"].reshape(-1)[there], numbers[there]))]
        right = self._columns["right"][..., self._lane].reshape(-1)
        left_out = self._columns["left_out"][..., self._lane].reshape(-1)
        width = self._columns["classes"].shape[1]
        starts = np.searchsorted(numbers[order], np.arange(self._objects.shape[1] + 1))
        for number in range(self._objects.shape[1]):
            rows = order[starts[number] : starts[number + 1]]
            hits = np.flatnonzero(right[rows])
            if hits.size:
                rows = rows[: hits[-1] + 1]
                yield _Class(number, rows // width, right[rows], left_out[rows])


def _measure(
    one: _Class, weights: NDArray[np.uint8], objects: NDArray[np.float64], exact: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns average precision and the largest recall of one class, ``(draws, thresholds)``."""
    own = weights[one.picture]  # (detections, draws)
    shape = (own.shape[1], len(IOU_THRESHOLDS))
    precision, recall = np.zeros(shape), np.zeros(shape)
    share = np.divide(1.0, objects, out=np.zeros_like(objects), where=objects > 0)
    last: bytes | None = None
    seen = np.zeros(0)
    for step, bit in enumerate(_BITS):
        at = np.flatnonzero(one.right & bit)
        if not at.size:
            continue
        counts = (one.left_out & bit) == 0
        if (key := counts.tobytes()) != last:
            last, seen = key, np.cumsum(own * counts[:, None].astype(np.uint8), axis=0, dtype=np.int32)
        right = np.cumsum(own[at], axis=0, dtype=np.int32)
        highest = right / (seen[at] + np.spacing(1))
        np.maximum.accumulate(highest[::-1], axis=0, out=highest[::-1])
        if exact:
            reached = np.searchsorted(RECALL_LEVELS, right / objects, side="right")
        else:  # whole levels, whatever the rounding of their numbers
            reached = (right * (share * (len(RECALL_LEVELS) - 1)) + (1 + 1e-9)).astype(np.int16)
        levels = np.diff(reached, axis=0, prepend=0)
        precision[:, step] = np.einsum("kd,kd->d", highest, levels) / len(RECALL_LEVELS)
        recall[:, step] = right[-1] * share
    return precision, recall
