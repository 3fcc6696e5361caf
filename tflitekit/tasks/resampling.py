"""Maps of values, as segmentation networks give them, in the size of the picture."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tflitekit.data.frame import Frame

__all__ = ["Resampler"]


class _Axis(NamedTuple):
    """For each pixel of the picture along one axis: the cells on both sides of its middle, and how near the second one is."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    share: NDArray[np.float32]


class Resampler:
    """Reads a map at the middle of each pixel of the picture, bilinearly between the middles of the map's cells.

    Where the picture's border lies outside of the input, as after a crop, the map's outermost cells go on.

    Args:
        frame: Where the picture lies in the input.
        size: Height and width of the map, which spans the whole input.
    """

    def __init__(self, frame: Frame, size: tuple[int, int]) -> None:
        height, width = size
        self._rows = _axis(frame.source[1], frame.scale[1], frame.offset[1], height / frame.input[1], height)
        self._columns = _axis(frame.source[0], frame.scale[0], frame.offset[0], width / frame.input[0], width)
        exact = (axis.share.any() or (axis.first != np.arange(len(axis.first))).any() for axis in self._both)
        self.changes = any(exact) or size != (frame.source[1], frame.source[0])

    @property
    def _both(self) -> tuple[_Axis, _Axis]:
        return self._rows, self._columns

    def values(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns a map of numbers ``(height, width)`` in the size of the picture, ``a + (b - a) * share`` first down, then across."""
        if not self.changes:
            return plane
        rows, columns = self._both
        above = plane[rows.first]
        down = above + (plane[rows.second] - above) * rows.share[:, None]
        left = down[:, columns.first]
        return np.asarray(left + (down[:, columns.second] - left) * columns.share, np.float32)

    def nearest(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Returns a map of classes in the size of the picture, each pixel as the nearest cell; of two, the one before."""
        if not self.changes:
            return plane
        rows, columns = (np.where(axis.share <= 0.5, axis.first, axis.second) for axis in self._both)
        return plane[rows[:, None], columns]

    def best(self, planes: NDArray[np.float32]) -> NDArray[np.int32]:
        """Returns the number of the plane with the largest value at each pixel, of ``(planes, height, width)``; of equal ones the first."""
        highest = self.values(planes[0]).copy()
        found = np.zeros(highest.shape, np.int32)
        for number in range(1, len(planes)):
            values = self.values(planes[number])
            found[values > highest] = number
            np.maximum(highest, values, out=highest)
        return found


def _axis(pixels: int, scale: float, offset: float, cells_per_pixel: float, cells: int) -> _Axis:
    middles = ((np.arange(pixels) + 0.5) * scale + offset) * cells_per_pixel - 0.5
    middles = np.clip(middles, 0, cells - 1)
    first = np.floor(middles).astype(np.int64)
    second = np.minimum(first + 1, cells - 1)
    return _Axis(first, second, (middles - first).astype(np.float32))
