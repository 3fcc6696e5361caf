"""Where a picture lies in a model's input, so that what a model says of places can be said of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frame"]


@dataclass(frozen=True)
class Frame:
    """A picture in a model's input: ``input = source * scale + offset``, for x and for y.

    Attributes:
        source: Width and height of the picture in pixels.
        input: Width and height of the input in pixels.
    """

    source: tuple[int, int]
    input: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def whole(cls, width: int, height: int) -> Frame:
        """Returns the frame of an array that goes into the model as it is."""
        return cls((width, height), (width, height))

    def to_source(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turns points ``(..., 2)`` in pixels of the input into pixels of the picture; they may lie outside of it."""
        offset, scale = np.asarray(self.offset, np.float32), np.asarray(self.scale, np.float32)
        return np.asarray((points - offset) / scale, np.float32)

    def boxes_to_source(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turns boxes ``(n, 4)`` in pixels of the input into pixels of the picture, cut off at its edges."""
        corners = self.to_source(xyxy.reshape(-1, 2, 2))
        return np.clip(corners, 0, np.asarray(self.source, np.float32)).reshape(-1, 4)
