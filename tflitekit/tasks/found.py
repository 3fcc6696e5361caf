"""Candidates of a detector, with a box and scores each, become the boxes of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import MissingDependencyError, UsageError
from tflitekit.data.annotations import Boxes
from tflitekit.data.frame import Frame

__all__ = [
    "BOX_COLUMNS",
    "BOX_FORMATS",
    "CANDIDATES",
    "Found",
    "best_of_each",
    "box_format",
    "corners",
    "score_columns",
]

BOX_COLUMNS = {
    "cxcywh": ("center x", "center y", "width", "height"),
    "xywh": ("left", "top", "width", "height"),
    "xyxy": ("left", "top", "right", "bottom"),
    "yxyx": ("top", "left", "bottom", "right"),
}
"""What the four numbers of a box are."""
BOX_FORMATS = tuple(BOX_COLUMNS)
CANDIDATES = 1000
"""Those with the highest scores go into non-maximum suppression."""
_PARTS = 16
_NORMALIZED = 2.0
"""Where at most half of the candidates' right and lower edges lie beyond, boxes are shares of the input's size: in pixels all do but odd ones."""

Coordinates = Literal["auto", "pixels", "normalized"]


@dataclass(frozen=True)
class Found:
    """What becomes of candidates.

    Attributes:
        score: Boxes with lower scores are left out.
        iou: Of two boxes that overlap more, the one with the lower score is left out; 1 leaves out none.
        most: Boxes that are kept, those with the highest scores.
        agnostic: Whether boxes of unlike classes suppress each other, too.
        coordinates: Of boxes, in the model's input.
    """

    score: float = 0.001
    iou: float = 0.7
    most: int = 100
    agnostic: bool = False
    coordinates: Coordinates = "auto"

    def __post_init__(self) -> None:
        for name, value in (("score", self.score), ("iou", self.iou)):
            if not 0 <= value <= 1:
                raise UsageError(f"The reader's option {name} is {value:g}.", fix="Give a number from 0 to 1.")
        if not 1 <= self.most <= CANDIDATES:
            raise UsageError(f"The reader's option most is {self.most}.", fix=f"Give a number from 1 to {CANDIDATES}.")
        if self.coordinates not in ("auto", "pixels", "normalized"):
            raise UsageError(
                f"The reader's option coordinates is '{self.coordinates}'.",
                fix="Choose from: auto, pixels, normalized.",
            )

    def boxes(self, xyxy: NDArray[np.float32], scores: NDArray[np.float32], frame: Frame) -> Boxes:
        """Returns the boxes of a picture: each class of a candidate whose score is high enough counts by itself.

        Args:
            xyxy: ``(n, 4)``, left, top, right and bottom in the input.
            scores: ``(n, classes)``.
        """
        flat = np.ascontiguousarray(scores).reshape(-1)
        places = _highest(flat, self.score)
        rows, classes = np.divmod(places, max(1, scores.shape[1]))
        return self.boxes_of(xyxy, rows, classes, flat[places], frame)

    def boxes_of(
        self,
        xyxy: NDArray[np.float32],
        rows: NDArray[np.int64],
        classes: NDArray[np.int64],
        scores: NDArray[np.float32],
        frame: Frame,
    ) -> Boxes:
        """Returns the boxes of a picture from candidates with one class and score each, and the rows of their boxes."""
        order = np.argsort(-scores, kind="stable")[:CANDIDATES]
        classes, scores = classes[order], scores[order]
        inside = self.pixels(xyxy[rows[order]], frame)
        usable = np.flatnonzero(np.isfinite(inside).all(axis=1) & (inside[:, 2:] > inside[:, :2]).all(axis=1))
        kept = usable[self._kept(inside[usable], scores[usable], classes[usable])]
        return Boxes(
            frame.boxes_to_source(inside[kept]),
            classes[kept].astype(np.int32),
            np.minimum(scores[kept], 1).astype(np.float32),
        )

    def pixels(self, xyxy: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
        """Returns candidates' boxes in pixels of the input."""
        normalized = self.coordinates == "normalized"
        if self.coordinates == "auto":
            ends = xyxy[:, 2:][np.isfinite(xyxy[:, 2:])]
            normalized = bool(2 * np.count_nonzero(ends > _NORMALIZED) <= ends.size)
        return np.asarray(xyxy * np.asarray(frame.input * 2, np.float32) if normalized else xyxy, np.float32)

    def describe(self) -> dict[str, Any]:
        """Returns what an app needs to do the same."""
        return {
            "score": self.score,
            "iou": self.iou,
            "most": self.most,
            "agnostic": self.agnostic,
            "candidates": CANDIDATES,
            "coordinates": self.coordinates,
        }

    def _kept(
        self, xyxy: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Returns which boxes, best first, are kept; those behind cannot change what is kept before them, so few are looked at first."""
        if self.iou >= 1:
            return np.arange(min(self.most, len(xyxy)))
        count = 2 * self.most
        while True:
            kept = _suppressed(
                xyxy[:count],
                scores[:count],
                np.zeros_like(classes[:count]) if self.agnostic else classes[:count],
                self.iou,
            )
            if len(kept) >= self.most or count >= len(xyxy):
                return kept[: self.most]
            count *= 2


def _highest(values: NDArray[np.float32], least: float) -> NDArray[np.int64]:
    """Returns the places of values that are at least ``least``, in their order: the `CANDIDATES` highest, of equal ones the first; NaN never is."""
    width = len(values) // _PARTS
    if (
        width > CANDIDATES
    ):  # at least so many values are as high as the highest of each part, so that few others need a second look
        some = values[: _PARTS * width].reshape(_PARTS, width).max(axis=0)
        some[np.isnan(some)] = -np.inf
        least = max(least, float(np.partition(some, -CANDIDATES)[-CANDIDATES]))
    above = np.flatnonzero(values > least)
    if len(above) > CANDIDATES:
        found = values[above]
        least = float(np.partition(found, -CANDIDATES)[-CANDIDATES])
        above = above[found > least]
    level = _first(values == least, CANDIDATES - len(above))
    return np.sort(np.concatenate([above, level]))


def _first(which: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Returns the first places that hold; quantized scores have so many equal ones that the rest need not be seen."""
    end = 4 * count
    while len(places := np.flatnonzero(which[:end])) < count and end < len(which):
        end *= 4
    return places[:count]


def _suppressed(
    xyxy: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int64], iou: float
) -> NDArray[np.int64]:
    """Returns which boxes non-maximum suppression keeps, best first."""
    if not len(xyxy):
        return np.zeros(0, np.int64)
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError(
            "Boxes that overlap are sorted out by OpenCV, which is not installed.",
            why=str(error),
            fix="Install it with: pip install 'tflitekit[tasks]'",
        ) from error
    # From zero on: OpenCV keeps classes apart by moving each one's boxes beyond those of the last.
    corner = (xyxy[:, :2] - xyxy[:, :2].min(axis=0)).astype(np.float64)
    boxes = np.concatenate([corner, (xyxy[:, 2:] - xyxy[:, :2]).astype(np.float64)], axis=1)
    suppress: Any = cv2.dnn.NMSBoxesBatched  # takes arrays, whatever its types say
    return np.asarray(suppress(boxes, scores, classes.astype(np.int32), 0.0, iou), np.int64).reshape(-1)


def box_format(form: str) -> str:
    """Returns it, or raises `UsageError` where it is none of `BOX_FORMATS`."""
    if form not in BOX_FORMATS:
        raise UsageError(f"The reader's option box is '{form}'.", fix=f"Choose from: {', '.join(BOX_FORMATS)}.")
    return form


def corners(boxes: NDArray[np.float32], form: str) -> NDArray[np.float32]:
    """Returns boxes ``(n, 4)`` of one of `BOX_FORMATS` as left, top, right and bottom."""
    if form == "xyxy":
        return boxes
    if form == "yxyx":
        return np.asarray(boxes[:, [1, 0, 3, 2]])
    size = boxes[:, 2:]
    corner = boxes[:, :2] - size / np.float32(2) if form == "cxcywh" else boxes[:, :2]
    return np.concatenate([corner, corner + size], axis=1, dtype=np.float32)


def best_of_each(scores: NDArray[np.float32], least: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the rows of scores ``(n, classes)`` whose best one is high enough, and the class of each."""
    classes = scores.argmax(axis=1)
    rows = np.flatnonzero(np.take_along_axis(scores, classes[:, None], axis=1)[:, 0] >= least)
    return rows, classes[rows]


def score_columns(count: int, classes: Sequence[str] | None) -> tuple[str, ...]:
    """Returns what the scores of so many classes are called."""
    if classes is not None and len(classes) == count:
        return tuple(f"score of '{name}'" for name in classes)
    return tuple(f"score of class {number}" for number in range(count))
