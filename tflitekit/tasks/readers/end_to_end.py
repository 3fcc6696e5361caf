"""Detectors that sort out overlapping boxes themselves: TensorFlow Lite's four outputs, and one output of boxes, scores and classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.annotations import Boxes
from tflitekit.data.frame import Frame
from tflitekit.tasks.found import BOX_COLUMNS, Found, box_format, corners
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import Columns, reader

__all__ = ["EndToEnd", "FourOutputs"]


@reader("tflite-detection", task="detection")
def open_four_outputs(
    interface: Interface,
    *,
    score: float = 0.001,
    most: int = 100,
    coordinates: str = "normalized",
    order: str = "auto",
) -> FourOutputs | None:
    """Reads TensorFlow Lite's detection post-processing: boxes, classes, scores and their number, in four outputs of any order."""
    roles = _roles(interface.outputs) if order == "auto" else _given_roles(interface.outputs, order)
    if roles is None:
        return None
    found = Found(score, 1.0, most, False, coordinates)  # type: ignore[arg-type]
    return FourOutputs(tuple(roles[role].name for role in _ROLES), found)


_ROLES = ("boxes", "classes", "scores", "number")


def _roles(outputs: Sequence[TensorSpec]) -> dict[str, TensorSpec] | None:
    """Returns which of four outputs is which: by shape, and classes and scores by name or by their order.

    TensorFlow Lite's operator has boxes, classes, scores, number; models of TensorFlow 2 often have scores, boxes, number, classes.
    """
    shapes = {spec.name: spec.shape[1:] for spec in outputs}
    boxes = [spec for spec in outputs if len(shapes[spec.name]) == 2 and shapes[spec.name][1] == 4]
    if len(outputs) != 4 or len(boxes) != 1:
        return None
    count = shapes[boxes[0].name][0]
    number = [
        spec
        for spec in outputs
        if spec is not boxes[0] and math.prod(shapes[spec.name]) == 1 and len(shapes[spec.name]) < 2
    ]
    lists = [spec for spec in outputs if shapes[spec.name] == (count,) and spec not in number[:1]]
    if not number or len(lists) != 2:
        return None
    scores = [spec for spec in lists if "score" in spec.name.lower()]
    if len(scores) != 1:
        scores = lists[:1] if outputs[0] in lists else lists[1:]
    classes = next(spec for spec in lists if spec is not scores[0])
    return {"boxes": boxes[0], "classes": classes, "scores": scores[0], "number": number[0]}


def _given_roles(outputs: Sequence[TensorSpec], order: str) -> dict[str, TensorSpec] | None:
    if sorted(order) != sorted("bcsn"):
        raise UsageError(
            f"The reader's option order is '{order}'.",
            fix="Give four letters in the order of the outputs: b for boxes, c for classes, s for scores, n for their number, as in sbnc.",
        )
    by_letter = {role[0]: role for role in _ROLES}
    return {by_letter[letter]: spec for letter, spec in zip(order, outputs, strict=True)} if len(outputs) == 4 else None


@dataclass(frozen=True)
class FourOutputs:
    """TensorFlow Lite's detection post-processing.

    Attributes:
        outputs: Names of boxes, classes, scores and number.
    """

    outputs: tuple[str, ...]
    found: Found
    name: str = field(default="tflite-detection", init=False)
    task: str = field(default="detection", init=False)

    def read(self, outputs: Sequence[NDArray[np.float32]], frame: Frame) -> Boxes:
        """Reads four arrays."""
        boxes, classes, scores, number = outputs
        count = int(np.clip(np.nan_to_num(number.reshape(-1)[0]), 0, len(boxes)))
        rows = np.flatnonzero(scores.reshape(-1)[:count] >= self.found.score)
        numbers = np.rint(np.nan_to_num(classes.reshape(-1)[rows], nan=-1)).astype(np.int64)
        return self.found.boxes_of(
            corners(boxes.reshape(-1, 4), "yxyx"), rows, numbers, scores.reshape(-1)[rows], frame
        )

    def describe(self) -> dict[str, Any]:
        """Returns what an app needs to do the same."""
        return {
            "name": self.name,
            "task": self.task,
            "outputs": list(self.outputs),
            "box": "yxyx",
        } | self.found.describe()


@reader("end-to-end", task="detection")
def open_end_to_end(
    interface: Interface,
    *,
    score: float = 0.001,
    iou: float = 1.0,
    most: int = 100,
    coordinates: str = "auto",
    box: str = "xyxy",
) -> EndToEnd | None:
    """Reads YOLOv10 and the like: one output of at most 1000 boxes x 6 numbers, box, score and class."""
    shape = interface.output.shape[1:]
    if len(interface.outputs) != 1 or len(shape) != 2 or shape[1] != 6 or not 1 <= shape[0] <= _MOST_ROWS:
        return None
    found = Found(score, iou, most, False, coordinates)  # type: ignore[arg-type]
    return EndToEnd(interface.output.name, found, box_format(box))


_MOST_ROWS = 1000


@dataclass(frozen=True)
class EndToEnd:
    """One output with a box, a score and a class in each row."""

    output: str
    found: Found
    box: str
    name: str = field(default="end-to-end", init=False)
    task: str = field(default="detection", init=False)

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.output,)

    def columns(self, classes: Sequence[str] | None) -> dict[str, Columns]:
        """Returns what each number of a row is."""
        del classes
        return {self.output: Columns(2, (*BOX_COLUMNS[self.box], "score", "class"))}

    def read(self, outputs: Sequence[NDArray[np.float32]], frame: Frame) -> Boxes:
        """Reads one array."""
        rows = np.flatnonzero(outputs[0][:, 4] >= self.found.score)
        numbers = np.rint(np.nan_to_num(outputs[0][rows, 5], nan=-1)).astype(np.int64)
        return self.found.boxes_of(corners(outputs[0][:, :4], self.box), rows, numbers, outputs[0][rows, 4], frame)

    def describe(self) -> dict[str, Any]:
        """Returns what an app needs to do the same."""
        return {"name": self.name, "task": self.task, "outputs": [self.output], "box": self.box} | self.found.describe()
