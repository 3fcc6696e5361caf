"""Heads of YOLO: one output with a box and scores for each of many candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.data.annotations import Boxes
from tflitekit.data.frame import Frame
from tflitekit.tasks.found import BOX_COLUMNS, Found, box_format, corners, score_columns
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import Columns, reader

__all__ = ["Yolo"]


@reader("yolov8", task="detection")
def open_yolov8(
    interface: Interface,
    *,
    score: float = 0.001,
    iou: float = 0.7,
    most: int = 100,
    agnostic: bool = False,
    coordinates: str = "auto",
    box: str = "cxcywh",
) -> Yolo | None:
    """Reads YOLOv8, YOLO11 and the like: one output of (4 + classes) x candidates, or the other way round."""
    features_last = _features_last(interface, 4)
    if features_last is None:
        return None
    found = Found(score, iou, most, agnostic, coordinates)  # type: ignore[arg-type]
    classes = interface.output.shape[1 + features_last] - 4
    return Yolo("yolov8", interface.output.name, found, classes, features_last, objectness=False, box=box_format(box))


@reader("yolov5", task="detection")
def open_yolov5(
    interface: Interface,
    *,
    score: float = 0.001,
    iou: float = 0.6,
    most: int = 100,
    agnostic: bool = False,
    coordinates: str = "auto",
    box: str = "cxcywh",
) -> Yolo | None:
    """Reads YOLOv5, v6, v7 and YOLOX: one output of candidates x (5 + classes), whose fifth number says whether there is an object."""
    features_last = _features_last(interface, 5)
    if features_last is None:
        return None
    found = Found(score, iou, most, agnostic, coordinates)  # type: ignore[arg-type]
    classes = interface.output.shape[1 + features_last] - 5
    return Yolo("yolov5", interface.output.name, found, classes, features_last, objectness=True, box=box_format(box))


def _features_last(interface: Interface, before: int) -> bool | None:
    """Returns whether the last dimension holds a candidate's numbers: by the number of classes, else the shorter one.

    None where the output is of another kind; YOLOv5 is known to have them last.

    Args:
        before: How many numbers come before the scores of the classes.
    """
    shape = interface.output.shape[1:]
    if len(interface.outputs) != 1 or len(shape) != 2 or min(shape) < 1:
        return None
    if interface.classes is not None:
        fitting = [place for place in (1, 0) if shape[place] == before + len(interface.classes)]
        return None if not fitting else fitting[0] == 1
    last = shape[1] < shape[0]
    return None if min(shape) <= before or (before == _BEFORE_V5 and not last) else last


_BEFORE_V5 = 5


@dataclass(frozen=True)
class Yolo:
    """A head of YOLO.

    Attributes:
        classes: How many there are.
        features_last: Whether the output is ``(candidates, numbers)``, not ``(numbers, candidates)``.
        objectness: Whether a candidate's fifth number is that of an object, by which the scores of classes are multiplied.
        box: Of a candidate, one of `tflitekit.tasks.found.BOX_FORMATS`.
    """

    name: str
    output: str
    found: Found
    classes: int
    features_last: bool
    objectness: bool
    box: str

    task = "detection"

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.output,)

    def columns(self, classes: Sequence[str] | None) -> dict[str, Columns]:
        """Returns what each number of a candidate is."""
        names = BOX_COLUMNS[self.box] + ("score of an object",) * self.objectness
        return {self.output: Columns(1 + self.features_last, names + score_columns(self.classes, classes))}

    def read(self, outputs: Sequence[NDArray[np.float32]], frame: Frame) -> Boxes:
        """Reads one array."""
        rows = outputs[0] if self.features_last else outputs[0].T
        scores = rows[:, 5:] * rows[:, 4:5] if self.objectness else rows[:, 4:]
        return self.found.boxes(corners(rows[:, :4], self.box), scores, frame)

    def describe(self) -> dict[str, Any]:
        """Returns what an app needs to do the same."""
        return {
            "name": self.name,
            "task": self.task,
            "outputs": list(self.outputs),
            "classes": self.classes,
            "features_last": self.features_last,
            "objectness": self.objectness,
            "box": self.box,
        } | self.found.describe()
