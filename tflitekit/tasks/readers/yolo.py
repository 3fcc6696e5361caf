"""Heads of YOLO: one output with a box and scores for each of many candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import UsageError
from tflitekit.data.annotations import Boxes
from tflitekit.data.frame import Frame
from tflitekit.tasks.found import Found, box_format, corners
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import reader

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
    features: str = "auto",
) -> Yolo | None:
    """Reads YOLOv8, YOLO11 and the like: one output of (4 + classes) x candidates, or the other way round."""
    features_last = _features_last(interface, 4, features, usually_last=False)
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
    features: str = "auto",
) -> Yolo | None:
    """Reads YOLOv5, v6, v7 and YOLOX: one output of candidates x (5 + classes), whose fifth number says whether there is an object."""
    features_last = _features_last(interface, 5, features, usually_last=True)
    if features_last is None:
        return None
    found = Found(score, iou, most, agnostic, coordinates)  # type: ignore[arg-type]
    classes = interface.output.shape[1 + features_last] - 5
    return Yolo("yolov5", interface.output.name, found, classes, features_last, objectness=True, box=box_format(box))


def _features_last(interface: Interface, before: int, features: str, *, usually_last: bool) -> bool | None:
    """Returns whether the last dimension holds a candidate's numbers: by the number of classes, else the shorter one, where it usually is.

    Args:
        before: How many numbers come before the scores of the classes.
        features: 'first' or 'last', where the user says so.
    """
    if features not in ("auto", "first", "last"):
        raise UsageError(f"The reader's option features is '{features}'.", fix="Choose from: auto, first, last.")
    shape = interface.output.shape[1:]
    if len(interface.outputs) != 1 or len(shape) != 2 or min(shape) < 1:
        return None
    places = [place for place in (1, 0) if features in ("auto", ("first", "last")[place]) and shape[place] > before]
    if interface.classes is not None:
        fitting = [place for place in places if shape[place] == before + len(interface.classes)]
        return None if not fitting else fitting[0] == 1
    if features != "auto":
        return features == "last" if places else None
    last = shape[1] < shape[0]
    return last if last == usually_last and min(shape) > before else None


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
