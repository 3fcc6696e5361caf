"""Detectors with boxes in one output and the scores of classes in another: SSD with anchors, DETR, and boxes as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.annotations import Boxes
from tflitekit.data.frame import Frame
from tflitekit.tasks.anchors import RULES, generated_anchors, read_anchors
from tflitekit.tasks.found import BOX_COLUMNS, Found, best_of_each, box_format, corners, score_columns
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import Columns, reader

__all__ = ["Anchored", "BoxesAndScores"]

_MOST_QUERIES = 1000
_ACTIVATIONS = ("none", "sigmoid", "softmax")
_BACKGROUNDS = ("none", "first", "last")


class _Pair(NamedTuple):
    """Outputs ``(n, 4)`` and ``(n, k)``, and which of the k scores belong to classes."""

    boxes: TensorSpec
    scores: TensorSpec
    background: str

    @property
    def candidates(self) -> int:
        return self.boxes.shape[1]


def _pair(interface: Interface, background: str) -> _Pair | None:
    """Returns the two outputs; without a number of classes to tell a background, 'auto' is taken for none."""
    shapes = [spec.shape[1:] for spec in interface.outputs]
    if len(shapes) != 2 or any(len(shape) != 2 for shape in shapes) or shapes[0][0] != shapes[1][0]:
        return None
    fours = [index for index in (0, 1) if shapes[index][1] == 4]
    if not fours:
        return None
    named = [index for index in fours if "box" in interface.outputs[index].name.lower()]
    place = named[0] if len(named) == 1 else fours[0]
    boxes, scores = interface.outputs[place], interface.outputs[1 - place]
    known = None if interface.classes is None else len(interface.classes)
    extra = None if known is None else scores.shape[2] - known
    if extra not in (None, 0, 1) or (background in _BACKGROUNDS[1:] and extra == 0):
        return None
    return _Pair(boxes, scores, background if background != "auto" else "some" if extra else "none")


def _activation(interface: Interface, scores: TensorSpec, background: str, given: str) -> str:
    """Returns what turns an output into scores: nothing where the file ends in it, else softmax where there is a background."""
    if given != "auto":
        return _choice("activation", given, _ACTIVATIONS)
    if interface.meanings.get(scores.name) == "probabilities":
        return "none"
    return "sigmoid" if background == "none" else "softmax"


def _choice(option: str, value: str, among: Sequence[str]) -> str:
    if value not in among:
        raise UsageError(f"The reader's option {option} is '{value}'.", fix=f"Choose from: {', '.join(among)}.")
    return value


@reader("boxes", task="detection")
def open_boxes(
    interface: Interface,
    *,
    box: str = "",
    background: str = "auto",
    activation: str = "auto",
    score: float = 0.001,
    iou: float = 0.6,
    most: int = 100,
    agnostic: bool = False,
    coordinates: str = "auto",
) -> BoxesAndScores | None:
    """Reads boxes as they are, n x 4, and scores, n x classes; only when its option box says how they are written: xyxy, yxyx, xywh, cxcywh."""
    pair = _pair(interface, background)
    if pair is None or not box:
        return None
    found = Found(score, iou, most, agnostic, coordinates)  # type: ignore[arg-type]
    return _opened("boxes", interface, pair, activation, box_format(box), found)


@reader("detr", task="detection")
def open_detr(
    interface: Interface,
    *,
    background: str = "auto",
    activation: str = "auto",
    score: float = 0.001,
    iou: float = 1.0,
    most: int = 100,
) -> BoxesAndScores | None:
    """Reads DETR, RT-DETR and the like: boxes of at most 1000 queries x 4, center and size as shares of the picture, and their logits."""
    pair = _pair(interface, "last" if background == "auto" and interface.classes is None else background)
    if pair is None or pair.candidates > _MOST_QUERIES:
        return None
    found = Found(score, iou, most, False, "normalized")
    return _opened("detr", interface, pair, activation, "cxcywh", found)


@reader("ssd", task="detection")
def open_ssd(
    interface: Interface,
    *,
    anchors: str = "ssd",
    anchor: str = "cxcywh",
    code: str = "yxhw",
    variances: str = "0.1/0.2",
    background: str = "auto",
    activation: str = "auto",
    score: float = 0.001,
    iou: float = 0.6,
    most: int = 100,
    agnostic: bool = False,
) -> Anchored | None:
    """Reads SSD, RetinaNet and EfficientDet: offsets from anchors, n x 4, and scores, n x classes; anchors from a file, or by the rules ssd or retina."""
    pair = _pair(interface, background)
    if pair is None:
        return None
    size = interface.picture_size()
    if anchors in RULES:
        made = generated_anchors(anchors, size) if size is not None else np.zeros((0, 4), np.float32)
        if len(made) != pair.candidates:
            return None
    else:
        made = read_anchors(Path(anchors), _choice("anchor", anchor, ("cxcywh", "yxhw", "xyxy", "yxyx")))
        if len(made) != pair.candidates:
            raise DataError(
                f"The file {anchors} has {len(made)} anchors, and the output '{pair.boxes.name}' {pair.candidates} boxes."
            )
        if made.max(initial=0) > 2 and size is not None:  # in pixels of the input
            made /= np.asarray([*size, *size], np.float32)
    pair = pair._replace(background="first" if pair.background == "some" else pair.background)
    found = Found(score, iou, most, agnostic, "normalized")
    inner = _opened("ssd", interface, pair, activation, "xyxy", found)
    return Anchored(inner, made, _variances(variances), _choice("code", code, ("yxhw", "xywh")))


def _variances(text: str) -> tuple[float, float]:
    try:
        place, size = (float(part) for part in text.split("/"))
    except ValueError:
        raise UsageError(
            f"The reader's option variances is '{text}'.", fix="Give two numbers, of place and size, as in 0.1/0.2."
        ) from None
    return place, size


def _opened(name: str, interface: Interface, pair: _Pair, activation: str, box: str, found: Found) -> BoxesAndScores:
    background = "last" if pair.background == "some" else _choice("background", pair.background, _BACKGROUNDS)
    act = _activation(interface, pair.scores, background, activation)
    classes = pair.scores.shape[2] - (background != "none")
    return BoxesAndScores(name, (pair.boxes.name, pair.scores.name), classes, box, background, act, found)


@dataclass(frozen=True)
class BoxesAndScores:
    """A detector with boxes in one output and scores in another.

    Attributes:
        outputs: Names of boxes and scores.
        classes: How many there are.
        box: One of `tflitekit.tasks.found.BOX_FORMATS`.
        background: Whether the 'first' or 'last' score says that there is no object; 'none'.
        activation: What turns the output into scores: 'none', 'sigmoid', or 'softmax', with which only a candidate's best class counts.
    """

    name: str
    outputs: tuple[str, ...]
    classes: int
    box: str
    background: str
    activation: str
    found: Found

    task = "detection"

    def columns(self, classes: Sequence[str] | None) -> dict[str, Columns]:
        """Returns what the numbers of a candidate are in each output."""
        scores = score_columns(self.classes, classes)
        none = ("score of no object",)
        names = {"none": scores, "first": none + scores, "last": scores + none}[self.background]
        return dict(zip(self.outputs, (Columns(2, BOX_COLUMNS[self.box]), Columns(2, names)), strict=True))

    def read(self, outputs: Sequence[NDArray[np.float32]], frame: Frame) -> Boxes:
        """Reads two arrays."""
        return self.boxes(corners(outputs[0], self.box), outputs[1], frame)

    def boxes(self, xyxy: NDArray[np.float32], values: NDArray[np.float32], frame: Frame) -> Boxes:
        """Returns the boxes of a picture from edges and what the other output holds."""
        scores = _SCORES[self.activation](values)
        scores = scores[:, {"none": slice(None), "first": slice(1, None), "last": slice(-1)}[self.background]]
        if self.activation != "softmax":
            return self.found.boxes(xyxy, scores, frame)
        rows, classes = best_of_each(scores, self.found.score)
        return self.found.boxes_of(xyxy, rows, classes, scores[rows, classes], frame)

    def describe(self) -> dict[str, Any]:
        """Returns what an app needs to do the same."""
        return {
            "name": self.name,
            "task": self.task,
            "outputs": list(self.outputs),
            "classes": self.classes,
            "box": self.box,
            "background": self.background,
            "activation": self.activation,
        } | self.found.describe()


def _softmax(values: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))), np.float32)


_SCORES: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "none": lambda values: values,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}


@dataclass(frozen=True)
class Anchored:
    """Offsets from anchors: of the center in sizes of the anchor, and of the logarithm of the size, each times its variance.

    Attributes:
        inner: What becomes of boxes and scores.
        anchors: ``(n, 4)``, center, width and height as shares of the input's size.
        variances: Of place and size.
        code: The order of a box's offsets: 'yxhw' as TensorFlow has it, or 'xywh'.
    """

    inner: BoxesAndScores
    anchors: NDArray[np.float32]
    variances: tuple[float, float]
    code: str

    name = "ssd"
    task = "detection"

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.inner.outputs

    def columns(self, classes: Sequence[str] | None) -> dict[str, Columns]:
        """Returns what the numbers of a candidate are in each output."""
        offsets = tuple(
            f"offset of {name}"
            for name in {"yxhw": ("y", "x", "height", "width")}.get(self.code, ("x", "y", "width", "height"))
        )
        return self.inner.columns(classes) | {self.outputs[0]: Columns(2, offsets)}

    def read(self, outputs: Sequence[NDArray[np.float32]], frame: Frame) -> Boxes:
        """Reads two arrays."""
        offsets = outputs[0][:, [1, 0, 3, 2]] if self.code == "yxhw" else outputs[0]
        place, size = self.anchors[:, :2], self.anchors[:, 2:]
        center = place + offsets[:, :2] * np.float32(self.variances[0]) * size
        half = size * np.exp(np.minimum(offsets[:, 2:] * np.float32(self.variances[1]), 20)) / 2
        return self.inner.boxes(
            np.concatenate([center - half, center + half], axis=1, dtype=np.float32), outputs[1], frame
        )

    def describe(self) -> dict[str, Any]:
        """Returns what an app needs to do the same."""
        return self.inner.describe() | {
            "box": "anchored",
            "code": self.code,
            "variances": list(self.variances),
            "anchors": self.anchors.tolist(),
        }
