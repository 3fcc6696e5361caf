"""What a reader makes of a golden sample, for the device to make the same: boxes, a mask or poses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tflitekit.bundling.entries import ArrayFile, Entry
from tflitekit.core.errors import BundleError
from tflitekit.data.annotations import Boxes, Poses

__all__ = ["Decoded", "GoldenBoxes", "GoldenMask", "GoldenPoses", "decoded"]

_MOST = 1000
"""Boxes and poses of a sample that are recorded, the best first: as many as a reader keeps at most, so that a device has all to compare."""


class GoldenBoxes(Entry):
    """Objects found, the best first: left, top, right and bottom in pixels of the picture, float32; class; score."""

    kind: Literal["boxes"] = "boxes"
    boxes: tuple[tuple[float, float, float, float], ...]
    classes: tuple[int, ...]
    scores: tuple[float, ...]


class GoldenMask(Entry):
    """The class of each pixel of the picture: an array ``(height, width)`` of uint8, or int32 with more than 256 classes."""

    kind: Literal["mask"] = "mask"
    mask: ArrayFile


class GoldenPoses(Entry):
    """Poses found, the best first: for each of them its keypoints' x, y (in pixels of the picture) and score."""

    kind: Literal["poses"] = "poses"
    points: tuple[tuple[tuple[float, float, float], ...], ...]


Decoded = Annotated[GoldenBoxes | GoldenMask | GoldenPoses, Field(discriminator="kind")]


def decoded(
    found: Any, write: Callable[[NDArray[Any]], ArrayFile], reader: str
) -> GoldenBoxes | GoldenMask | GoldenPoses:
    """Returns what a reader found, as it is recorded.

    Args:
        write: Writes an array and returns what names its file.
        reader: Its name, for messages.

    Raises:
        BundleError: It is of no kind that an app draws.
    """
    if isinstance(found, Boxes):
        scores = np.ones(len(found), np.float32) if found.scores is None else found.scores
        best = np.argsort(-scores, kind="stable")[:_MOST]
        return GoldenBoxes(
            boxes=tuple(_floats(row) for row in found.xyxy[best]),
            classes=tuple(int(one) for one in found.classes[best]),
            scores=_floats(scores[best]),
        )
    if isinstance(found, Poses):
        return GoldenPoses(points=tuple(tuple(_floats(point) for point in pose) for pose in found.points[:_MOST]))
    if isinstance(found, np.ndarray) and found.ndim == 2:
        return GoldenMask(mask=write(found.astype(np.uint8 if found.max(initial=0) < 256 else np.int32)))
    raise BundleError(
        f"The reader '{reader}' returned {type(found).__name__}, which an app cannot draw.",
        fix="Return Boxes, Poses or an integer array (height, width).",
    )


def _floats(values: NDArray[Any]) -> Any:
    return tuple(float(value) for value in np.asarray(values, np.float32))
