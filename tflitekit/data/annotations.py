"""What a label may be beside a class or an array: boxes, a mask, poses, or one label for each of several outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Boxes", "Mask", "Poses", "TaskName", "task_of"]

TaskName = str
"""'classification', 'regression', 'detection', 'segmentation', 'keypoints', or that of another package."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """The objects of a picture: annotated, or found by a model.

    Attributes:
        xyxy: float32 ``(n, 4)``: left, top, right and bottom in pixels of the picture; a pixel's left edge is its number.
        classes: int32 ``(n,)``.
        scores: float32 ``(n,)`` from 0 to 1, of what a model found; else None.
        crowd: bool ``(n,)``, whether a box is around a group of objects that nobody counted (COCO's ``iscrowd``); None for none.
        areas: float32 ``(n,)``, of the objects themselves, which may be smaller than their boxes, in pixels; None for those of the boxes.
        difficult: bool ``(n,)``, whether an object is too hard to see to be asked for (Pascal VOC's ``difficult``); None for none.
    """

    xyxy: NDArray[np.float32]
    classes: NDArray[np.int32]
    scores: NDArray[np.float32] | None = None
    crowd: NDArray[np.bool_] | None = None
    areas: NDArray[np.float32] | None = None
    difficult: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.xyxy)

    @property
    def aside(self) -> NDArray[np.bool_]:
        """Which boxes need not be found, and are not wrong to find: crowds and difficult objects, bool ``(n,)``."""
        found = np.zeros(len(self), np.bool_)
        for flags in (self.crowd, self.difficult):
            found = found if flags is None else found | flags
        return found


@dataclass(frozen=True, eq=False)
class Mask:
    """The class of each pixel of a picture, read when it is needed.

    Attributes:
        load: Returns an integer array ``(height, width)``.
        key: Where it comes from, for messages.
        ignore: The value of pixels that count for nothing; None for none.
    """

    load: Callable[[], NDArray[Any]]
    key: str
    ignore: int | None = None


@dataclass(frozen=True, eq=False)
class Poses:
    """The keypoints of people or things in a picture: annotated, or found by a model.

    Attributes:
        points: float32 ``(n, k, 3)``: x and y in pixels of the picture; and as labels 0 where a point is not annotated, 1 where it is
            hidden, 2 where it is seen; as predictions its score.
        boxes: Around each of the n, with its score as a prediction; None where there are none.
    """

    points: NDArray[np.float32]
    boxes: Boxes | None = None

    def __len__(self) -> int:
        return len(self.points)


def task_of(label: Any) -> TaskName | None:
    """Returns what a model is for whose samples have such labels; None without a label, and where there are several."""
    if label is None or isinstance(label, Mapping):
        return None
    kinds: dict[type, TaskName] = {Boxes: "detection", Mask: "segmentation", Poses: "keypoints", int: "classification"}
    return kinds.get(type(label), "regression")
