"""The embedded handwritten digits, and which of them are held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["LABELS", "held_out", "load_digits", "write_digits"]

LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEST_EVERY = 3


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns images ``(1797, 8, 8)`` from 0 to 255 and labels ``(1797,)``."""
    with np.load(Path(__file__).parent / "digits.npz", allow_pickle=False) as archive:
        return archive["x"], archive["y"]


def held_out(count: int) -> NDArray[np.bool_]:
    """Returns which of ``count`` digits are for tests: every third."""
    chosen: NDArray[Any] = np.arange(count) % _TEST_EVERY == 0
    return chosen


def write_digits(folder: Path) -> None:
    """Writes the digits as PNG files, one folder per class below ``train`` and ``test``."""
    images, labels = load_digits()
    tests = held_out(len(labels))
    for index, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        target = folder / ("test" if tests[index] else "train") / LABELS[label]
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target / f"{index:04d}.png")
