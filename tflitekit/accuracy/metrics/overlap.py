"""How two pictures of classes overlap: pixels by class, and the borders of classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BORDER_TOLERANCE", "border_f1", "pixel_counts"]

BORDER_TOLERANCE = 0.0075
"""How far apart borders may be, as a share of the picture's diagonal; never less than a pixel."""


def pixel_counts(found: NDArray[Any], truth: NDArray[Any], classes: int, ignore: int | None) -> NDArray[np.int64]:
    """Counts the pixels of each class that are right, are in the truth, and are found, ``(3, classes)``.

    All that intersection over union, Dice and pixel accuracy need; pixels that the truth ignores count nowhere.

    Args:
        found: Classes ``(height, width)``.
        truth: The same, from 0 to ``classes - 1``, or ``ignore``.
    """
    if ignore is not None:
        counted = truth != ignore
        found, truth = found[counted], truth[counted]
    parts = (found[found == truth], truth, found)
    return np.stack([np.bincount(part.reshape(-1), minlength=classes) for part in parts])


def border_f1(found: NDArray[Any], truth: NDArray[Any], ignore: int | None) -> float:
    """Returns the boundary F1 of one picture, the mean over the classes that have a border in it; NaN where none has.

    A pixel of a class is on its border where one of its four neighbours is of another class. Precision is the share of the border that is
    found no farther than `BORDER_TOLERANCE` from the border in the truth, recall the reverse (G. Csurka, D. Larlus and F. Perronnin, 'What is
    a good evaluation measure for semantic segmentation?', BMVC 2013). Pixels that the truth ignores have no border and are no neighbours.
    """
    counted = np.ones(truth.shape, np.bool_) if ignore is None else truth != ignore
    own, other = (np.where(_border(part, counted), part.astype(np.int32), -1) for part in (found, truth))
    reach = max(1.0, BORDER_TOLERANCE * math.hypot(*truth.shape))
    classes = int(max(own.max(), other.max())) + 1
    precision, recall = _near(own, other, reach, classes), _near(other, own, reach, classes)
    there = ~(np.isnan(precision) & np.isnan(recall))
    if not there.any():
        return math.nan
    precision, recall = np.nan_to_num(precision[there]), np.nan_to_num(recall[there])
    scores = np.divide(2 * precision * recall, precision + recall, out=np.zeros_like(recall), where=recall > 0)
    return float(scores.mean())


def _border(classes: NDArray[Any], counted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns which pixels have a neighbour of another class."""
    border = np.zeros(classes.shape, np.bool_)
    for one, other in (
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[1:], np.s_[:-1]),
    ):
        apart = (classes[one] != classes[other]) & counted[one] & counted[other]
        border[one] |= apart
        border[other] |= apart
    return border


def _near(own: NDArray[Any], other: NDArray[Any], reach: float, classes: int) -> NDArray[np.float64]:
    """Returns of each class the share of its border that lies near the border of the same class in the other picture.

    Args:
        own: The class of each pixel that is on a border, else -1.
    """
    margin = math.floor(reach)
    padded = np.pad(other, margin, constant_values=-1)
    rows, columns = np.nonzero(own >= 0)
    of_class = own[rows, columns]
    places = (rows + margin) * padded.shape[1] + columns + margin
    total, left = np.bincount(of_class, minlength=classes), of_class
    for shift in _shifts(margin, reach, padded.shape[1]):  # nearest first: few are left soon
        alone = padded.reshape(-1)[places + shift] != left
        places, left = places[alone], left[alone]
        if not left.size:
            break
    with np.errstate(invalid="ignore"):
        return np.asarray(1 - np.bincount(left, minlength=classes) / total)


def _shifts(margin: int, reach: float, width: int) -> NDArray[np.int64]:
    """Returns how far the pixels within reach are from one, in a picture that is stored row by row."""
    down, right = np.mgrid[-margin : margin + 1, -margin : margin + 1]
    squared = np.square(down) + np.square(right)
    order = np.argsort(squared, axis=None, kind="stable")
    order = order[squared.reshape(-1)[order] <= reach * reach]
    return np.asarray((down * width + right).reshape(-1)[order], np.int64)
