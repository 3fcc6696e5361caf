"""Scenes composed of the embedded digits: several in a picture, scaled and turned a little, on a cluttered background."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tflitekit.optimization.quickstart.digits import held_out, load_digits

__all__ = ["COUNTS", "Scene", "scenes"]

COUNTS = {"train": 1500, "calibration": 200, "test": 300}
"""How many scenes the quickstart has for training, for calibration and for tests."""

_PARTS = tuple(COUNTS)
_SEED = 11
_MOST_DIGITS = 5
_SIDES = 0.2, 0.5  # of a digit, as shares of the picture's
_TURN_DEGREES = 15.0
_OVERLAP = 0.1  # share of a digit's box that others may cover
_VISIBLE = 0.5  # of a digit's strongest stroke: what belongs to its mask
_TRIES = 8


@dataclass(frozen=True)
class Scene:
    """One picture.

    Attributes:
        image: uint8 ``(side, side, 3)``.
        boxes: float32 ``(n, 4)``: left, top, right and bottom in pixels, the right and lower edges outside.
        digits: int ``(n,)``, 0 to 9.
        mask: uint8 ``(side, side)``: 0 for the background, and the digit plus 1.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    digits: NDArray[np.int64]
    mask: NDArray[np.uint8]


def scenes(part: str, count: int, side: int) -> Iterator[Scene]:
    """Yields the first scenes of a part; each depends on its number alone.

    Args:
        part: One of those of `COUNTS`; 'test' shows digits that the others never do.
        side: Of each picture, in pixels.
    """
    images, labels = load_digits()
    chosen = np.flatnonzero(held_out(len(labels)) == (part == "test"))
    for number in range(count):
        generator = np.random.default_rng([_SEED, _PARTS.index(part), number])
        yield _scene(generator, images[chosen], labels[chosen], side)


def _scene(generator: np.random.Generator, images: NDArray[Any], labels: NDArray[Any], side: int) -> Scene:
    picture = _background(generator, side)
    mask = np.zeros((side, side), np.uint8)
    boxes: list[tuple[int, int, int, int]] = []
    digits: list[int] = []
    for index in generator.integers(0, len(images), generator.integers(1, _MOST_DIGITS + 1)):
        for _ in range(_TRIES):
            ink, left, top = _place(generator, images[index], side)
            height, width = ink.shape
            box = left, top, left + width, top + height
            if all(_covered(box, other) <= _OVERLAP and _covered(other, box) <= _OVERLAP for other in boxes):
                region = slice(top, top + height), slice(left, left + width)
                color = generator.uniform(170, 255, 3)
                picture[region] += ink[..., None] * (color - picture[region])
                mask[region][ink > _VISIBLE] = labels[index] + 1
                boxes.append(box)
                digits.append(int(labels[index]))
                break
    noise = generator.normal(0, 6, picture.shape)
    pixels = np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
    return Scene(pixels, np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(digits, np.int64), mask)


def _place(generator: np.random.Generator, digit: NDArray[Any], side: int) -> tuple[NDArray[np.float32], int, int]:
    """Returns a scaled and turned digit, cut to what is visible of it, from 0 to 1; and where it stands."""
    size = round(side * generator.uniform(*_SIDES))
    turn = generator.uniform(-_TURN_DEGREES, _TURN_DEGREES)
    drawn = Image.fromarray(np.pad(digit, 2)).resize((size, size), Image.Resampling.BICUBIC)
    ink = np.asarray(drawn.rotate(turn, Image.Resampling.BILINEAR), np.float32)
    ink /= ink.max()
    rows, columns = (np.flatnonzero((ink > _VISIBLE).any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    top, left = (int(generator.integers(0, side - length + 1)) for length in ink.shape)
    return ink, left, top


def _background(generator: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Returns a slope between two dark colors with lines and ellipses on it that are no digits."""
    first, second = generator.uniform(20, 110, (2, 3))
    angle = generator.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    share = np.clip(0.5 + np.cos(angle) * columns + np.sin(angle) * rows, 0, 1)[..., None]
    image = Image.fromarray(np.rint(first + share * (second - first)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(generator.integers(2, 7)):
        corners = generator.integers(0, side, 4).tolist()
        color = tuple(generator.integers(20, 130, 3).tolist())
        if generator.random() < 0.5:
            draw.line(corners, fill=color, width=int(generator.integers(1, 4)))
        else:
            draw.ellipse([*np.minimum(corners[:2], corners[2:]), *np.maximum(corners[:2], corners[2:])], outline=color)
    return np.asarray(image, np.float64)


def _covered(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Returns the share of a box that another covers."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(0, width) * max(0, height) / ((box[2] - box[0]) * (box[3] - box[1]))
