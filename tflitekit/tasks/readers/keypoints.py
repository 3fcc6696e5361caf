"""Keypoints: a heat map for each, or their coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import UsageError
from tflitekit.data.annotations import Boxes, Poses
from tflitekit.data.frame import Frame
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import reader
from tflitekit.tasks.readers.masks import map_layouts

__all__ = ["Coordinates", "HeatMaps"]

_MOVENET = (1, 17, 3)
_SEVERAL = (6, 56)
"""MoveNet's MultiPose: for each of six people 17 times y, x and score, then a box and its score."""


@reader("heatmaps", task="keypoints")
def open_heatmaps(interface: Interface) -> HeatMaps | None:
    """Takes a map over the input for each keypoint, [h, w, keypoints] or [keypoints, h, w]: the point is the middle of its highest cell."""
    spec = interface.output
    layouts = map_layouts(spec, interface) if len(spec.shape) == 4 else []
    if not layouts or tuple(spec.shape[1:]) == _MOVENET:
        return None
    return HeatMaps((spec.name,), layouts[0])


@dataclass
class HeatMaps:
    """Reads heat maps; see `open_heatmaps`."""

    outputs: tuple[str, ...]
    layout: str
    name: str = "heatmaps"
    task: str = "keypoints"

    def read(self, outputs: Sequence[NDArray[np.float32]], frame: Frame) -> Poses:
        (values,) = outputs
        maps = np.moveaxis(values, -1, 0) if self.layout == "channels_last" else values
        _, height, width = maps.shape
        flat = maps.reshape(len(maps), -1)
        best = flat.argmax(axis=1)
        cells = np.stack([best % width + 0.5, best // width + 0.5], axis=1)
        places = cells * (frame.input[0] / width, frame.input[1] / height)
        return one_pose(frame.to_source(places.astype(np.float32)), flat.max(axis=1))

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "outputs": list(self.outputs), "layout": self.layout}


@reader("keypoints", task="keypoints")
def open_keypoints(
    interface: Interface, *, order: str = "auto", unit: str = "input", score: float = 0.1
) -> Coordinates | None:
    """Takes coordinates [keypoints, 2] or [keypoints, 3] with a score, as shares of the input or in its pixels; MoveNet's are y before x.

    Of several people, as MoveNet's MultiPose finds them, those below the score are left out.
    """
    for option, given, known in (("order", order, ("auto", "xy", "yx")), ("unit", unit, ("input", "pixels"))):
        if given not in known:
            raise UsageError(
                f"'{given}' is not a value of the option {option} of the reader 'keypoints'.",
                fix=f"Choose from: {', '.join(known)}.",
            )
    spec = interface.output
    shape = tuple(spec.shape[1:])
    inner = tuple(shape[next((i for i, side in enumerate(shape) if side != 1), 0) :])
    if shape != _SEVERAL and (len(inner) != 2 or inner[1] not in (2, 3) or inner[0] < 2):
        return None
    if order == "auto":
        order = "yx" if shape in (_MOVENET, _SEVERAL) else "xy"
    return Coordinates((spec.name,), order, unit, shape == _SEVERAL, score)


@dataclass
class Coordinates:
    """Reads coordinates; see `open_keypoints`."""

    outputs: tuple[str, ...]
    order: str
    unit: str
    several: bool
    score: float
    name: str = "keypoints"
    task: str = "keypoints"

    def read(self, outputs: Sequence[NDArray[np.float32]], frame: Frame) -> Poses:
        (values,) = outputs
        if not self.several:
            rows = values.reshape(-1, values.shape[-1])
            scores = rows[:, 2] if rows.shape[1] == 3 else np.ones(len(rows), np.float32)
            return one_pose(self._places(rows[:, :2], frame), scores)
        kept = values[values[:, 55] >= self.score]
        people = kept[:, :51].reshape(len(kept), 17, 3)
        points = np.concatenate([self._places(people[..., :2], frame), people[..., 2:]], axis=-1)
        corners = self._places(kept[:, 51:55].reshape(-1, 2, 2), frame).reshape(-1, 4)
        boxes = Boxes(corners, np.zeros(len(kept), np.int32), kept[:, 55].astype(np.float32))
        return Poses(points.astype(np.float32), boxes)

    def _places(self, given: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
        places = given[..., ::-1] if self.order == "yx" else given
        scale = np.asarray(frame.input if self.unit == "input" else (1, 1), np.float32)
        return frame.to_source(places * scale)

    def describe(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": self.name,
            "outputs": list(self.outputs),
            "order": self.order,
            "unit": self.unit,
        }
        return found | ({"several": True, "score": self.score} if self.several else {"several": False})


def one_pose(places: NDArray[np.float32], scores: NDArray[np.float32]) -> Poses:
    """Returns the pose of one person, whose score is the mean of its points' scores."""
    points = np.concatenate([places, scores[:, None]], axis=1).astype(np.float32)[None]
    box = np.concatenate([places.min(axis=0), places.max(axis=0)])[None].astype(np.float32)
    return Poses(points, Boxes(box, np.zeros(1, np.int32), np.asarray([scores.mean()], np.float32)))
