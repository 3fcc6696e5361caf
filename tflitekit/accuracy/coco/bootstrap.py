"""Average precision in bootstrap draws of the pictures, the same draws for each variant of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.coco.curves import Curves
from tflitekit.accuracy.draws import drawn_weights
from tflitekit.accuracy.remembered import Remembered

__all__ = ["AP50", "AP75", "Drawn", "Draws", "mean_of_classes"]

AP50, AP75 = 0, 5
"""Places of these thresholds in `tflitekit.accuracy.coco.matching.IOU_THRESHOLDS`."""


@dataclass(frozen=True)
class Drawn:
    """Average precision in each draw.

    Attributes:
        of_classes: Mean over the IoU thresholds, ``(draws, classes)``; NaN where a draw has no object of the class.
        ap50: Mean over the classes, ``(draws,)``; and so on.
    """

    of_classes: NDArray[np.float64]
    ap50: NDArray[np.float64]
    ap75: NDArray[np.float64]
    recall: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean over thresholds and classes, ``(draws,)``."""
        return mean_of_classes(self.of_classes)


class Draws:
    """Draws of the pictures of one data set."""

    def __init__(self) -> None:
        self.of = Remembered(_drawn, "right")


def _drawn(columns: Mapping[str, NDArray[Any]]) -> Drawn:
    precision, recall = Curves(columns).measure(drawn_weights(len(columns["right"])))
    return Drawn(
        precision.mean(axis=2),
        mean_of_classes(precision[:, :, AP50]),
        mean_of_classes(precision[:, :, AP75]),
        mean_of_classes(recall.mean(axis=2)),
    )


def mean_of_classes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the mean over the last dimension without what is NaN; NaN where all is."""
    there = np.isfinite(values)
    count = there.sum(axis=-1)
    total = np.where(there, values, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))
