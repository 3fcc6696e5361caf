"""Boxes, masks and keypoints drawn onto a picture, small enough for a page and still legible: colors by class, without text."""

from __future__ import annotations

import base64
import colorsys
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tflitekit.data.annotations import Boxes, Mask, Poses

__all__ = ["SHOWN_SCORE", "SIDE", "as_jpeg", "color_of", "drawn"]

SIDE = 160
"""Longest side of a drawing in pixels."""

SHOWN_SCORE = 0.25
"""From which score on an app would show a box or a keypoint."""

_QUALITY = 80
_MOST_BOXES = 50
_DARK = (0, 0, 0)
_FIRST = ((230, 60, 50), (40, 120, 230), (50, 180, 70), (250, 180, 30), (160, 70, 210), (20, 190, 190), (240, 110, 190))
_GOLDEN = 0.618034
_TINT = 0.55
_IGNORED = (128, 128, 128)

# The bones of COCO's 17 keypoints of a person, https://cocodataset.org/#format-data ('skeleton' of the category).
_BONES = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
    (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
_PERSON = 17


def color_of(number: int) -> tuple[int, int, int]:
    """Returns the color of a class or keypoint: neighbours in number are far apart in hue."""
    if number < len(_FIRST):
        return _FIRST[number]
    hue = number * _GOLDEN % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 0.6 + 0.3 * (number % 2))
    return round(red * 255), round(green * 255), round(blue * 255)


def drawn(picture: Image.Image, found: Any, *, side: int = SIDE) -> Image.Image:
    """Returns a copy of a picture, its longest side as given, with what is in it, as annotated or as a model says.

    Args:
        found: `Boxes`, of which those with a score below 0.25 are left out; `Mask` or an integer array ``(height, width)``, whose class 0
            stays as it is; or `Poses`.
    """
    factor = side / max(picture.size)
    small = picture.convert("RGB").resize(
        (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    )
    scale = np.array([small.width / picture.width, small.height / picture.height], np.float32)
    if isinstance(found, Boxes):
        _draw_boxes(small, found, scale)
    elif isinstance(found, Poses):
        _draw_poses(small, found, scale)
    elif isinstance(found, Mask):
        small = _tinted(small, found.load(), found.ignore)
    else:
        small = _tinted(small, np.asarray(found), None)
    return small


def as_jpeg(picture: Image.Image) -> str:
    """Returns a picture as a JPEG in base64."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY)
    return base64.b64encode(stream.getvalue()).decode()


def _draw_boxes(small: Image.Image, boxes: Boxes, scale: NDArray[np.float32]) -> None:
    """Draws frames, the most certain on top; those around crowds and difficult objects are thin."""
    draw = ImageDraw.Draw(small)
    scores = np.ones(len(boxes)) if boxes.scores is None else boxes.scores
    order = [int(i) for i in np.argsort(scores, kind="stable") if scores[i] >= SHOWN_SCORE][-_MOST_BOXES:]
    edges = boxes.xyxy.reshape(-1, 2, 2) * scale
    last, aside = np.array([small.width - 1, small.height - 1]), boxes.aside
    for index in order:
        (left, top), (right, bottom) = np.clip(np.rint(edges[index]), 0, last).tolist()
        color, width = color_of(int(boxes.classes[index])), 1 if aside[index] else 2
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=_DARK)
        draw.rectangle((left, top, right, bottom), outline=color, width=width)


def _tinted(small: Image.Image, classes: NDArray[Any], ignore: int | None) -> Image.Image:
    """Returns a picture tinted by class, with full color where classes meet."""
    height, width = classes.shape
    rows = (np.arange(small.height) * height // small.height)[:, None]
    columns = np.arange(small.width) * width // small.width
    few = classes[rows, columns]
    pixels = np.asarray(small, np.float32)
    tint, there = np.zeros_like(pixels), few != 0
    for number in np.unique(few):
        tint[few == number] = _IGNORED if number == ignore else color_of(int(number) - 1 if number else 0)
    edge = np.zeros(few.shape, np.bool_)
    edge[:, 1:] |= few[:, 1:] != few[:, :-1]
    edge[1:] |= few[1:] != few[:-1]
    share = np.where(edge & there, 1.0, np.where(there, _TINT, 0.0))[..., None]
    return Image.fromarray(np.rint(pixels * (1 - share) + tint * share).astype(np.uint8))


def _draw_poses(small: Image.Image, poses: Poses, scale: NDArray[np.float32]) -> None:
    """Draws points, and between those of a person bones; points that are not annotated, or have a low score, are left out."""
    draw = ImageDraw.Draw(small)
    radius = max(2, round(max(small.size) / 64))
    for points in poses.points:
        shown = points[:, 2] >= SHOWN_SCORE
        places = [tuple(place) for place in (points[:, :2] * scale).tolist()]
        for one, other in _BONES if len(points) == _PERSON else ():
            if shown[one] and shown[other]:
                draw.line((places[one], places[other]), fill=_DARK, width=3)
                draw.line((places[one], places[other]), fill=color_of(one), width=1)
        for number, (x, y) in enumerate(places):
            if shown[number]:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color_of(number), outline=_DARK)
