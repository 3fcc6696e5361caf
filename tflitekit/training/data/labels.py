"""Labels as training stores them: one array with a row for each sample; places in pixels of the model's input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import DataError
from tflitekit.data.annotations import Boxes, Mask, Poses
from tflitekit.data.dataset import Dataset, class_labels
from tflitekit.data.frame import Frame

__all__ = ["IGNORED", "PLACES", "LabelKind", "count_classes", "labels_of", "stack_labels", "stored_label"]

LabelKind = Literal["class", "values", "mask", "boxes", "poses"]
"""What labels are: class numbers; targets; the class of each pixel; boxes or keypoints, whose number differs from sample to sample."""

PLACES: tuple[LabelKind, ...] = ("boxes", "poses")
"""Labels of which only the model's author knows which cell of the output is to find which."""

_KINDS: dict[type, LabelKind] = {Mask: "mask", Boxes: "boxes", Poses: "poses"}

IGNORED = -1
"""In a mask, pixels that count for nothing; in boxes and poses, what is beyond the last."""


def stored_label(label: Any, find_frame: Callable[[], Frame], ignore: int | None = None) -> Any:
    """Returns what is kept of one label, or of those of several outputs.

    Args:
        find_frame: Returns where the picture lies in the model's input.
        ignore: Value of pixels that count for nothing, in masks and in arrays of whole numbers that may be some; None for what a mask says.

    Returns:
        Boxes without those around crowds and difficult objects as float32 ``(n, 5)``: left, top, right, bottom and class. Poses as float32
        ``(n, k, 3)``: x, y and visibility. A mask as int16 of the input's height and width. Anything else as it is.

    Raises:
        DataError: A mask is of another size than its picture.
    """
    if isinstance(label, dict):
        return {output: stored_label(one, find_frame, ignore) for output, one in label.items()}
    if not isinstance(label, Boxes | Mask | Poses):
        return label if ignore is None else _without(label, ignore)
    frame = find_frame()
    scale, offset = np.asarray(frame.scale, np.float32), np.asarray(frame.offset, np.float32)
    if isinstance(label, Boxes):
        single = ~label.aside
        corners = (label.xyxy.reshape(-1, 2, 2) * scale + offset).reshape(-1, 4)[single]
        return np.column_stack([corners, label.classes[single]]).astype(np.float32)
    if isinstance(label, Poses):
        points = label.points[..., :2] * scale + offset
        return np.concatenate([points, label.points[..., 2:]], axis=-1).astype(np.float32)
    return _mask_in_input(label, frame, label.ignore if ignore is None else ignore)


def labels_of(label: Any, outputs: Sequence[str], location: str) -> Any:
    """Returns a label, or of labels by output a dict of those that are trained.

    Args:
        label: Of a sample: one, or one for each of several outputs.
        outputs: Those that are named; none for all that have labels.

    Raises:
        DataError: An output that is named has none.
    """
    if not isinstance(label, Mapping):
        if len(outputs) > 1:
            raise DataError(
                f"The training data at {location} have one label a sample, and --output names {len(outputs)} outputs.",
                fix="Give labels by output: arrays y.OUTPUT in an .npz, or a dict from output to label from a factory; or name one output.",
            )
        return label
    lacking = next((name for name in outputs if name not in label), None)
    if lacking is not None:
        names = " and ".join(map(str, label))
        raise DataError(f"The training data at {location} have labels for {names}, and none for '{lacking}'.")
    return {name: label[name] for name in outputs or label}


def _without(label: Any, ignore: int) -> Any:
    """Returns an array of whole numbers for the pixels of a picture without those that are ignored; anything else as it is."""
    values = np.asarray(label)
    if values.dtype.kind not in "iu" or values.ndim < 2:
        return label
    return np.where(values == ignore, np.int64(IGNORED), values.astype(np.int64))


def _mask_in_input(label: Mask, frame: Frame, ignore: int | None) -> NDArray[np.int16]:
    """Returns the class that lies under the middle of each pixel of the input; beyond the picture none."""
    mask = np.asarray(label.load()).astype(np.int16)
    if mask.shape != frame.source[::-1]:
        raise DataError(
            f"The mask {label.key} has {mask.shape[1]} x {mask.shape[0]} pixels, and its picture {frame.source[0]} x {frame.source[1]}.",
            fix="Give masks of their pictures' size.",
        )
    if ignore is not None:
        mask[mask == ignore] = IGNORED
    columns, rows = (
        np.floor((np.arange(frame.input[axis]) + 0.5 - frame.offset[axis]) / frame.scale[axis]).astype(np.int64)
        for axis in (0, 1)
    )
    inside = np.logical_and.outer((rows >= 0) & (rows < mask.shape[0]), (columns >= 0) & (columns < mask.shape[1]))
    found = mask[np.ix_(rows.clip(0, mask.shape[0] - 1), columns.clip(0, mask.shape[1] - 1))]
    return np.where(inside, found, np.int16(IGNORED))


def stack_labels(labels: Sequence[Any], first: Any, dataset: Dataset) -> tuple[NDArray[Any], LabelKind]:
    """Returns labels as one array.

    Args:
        labels: As `stored_label` returns them; None for a picture that cannot be read.
        first: One of them as the data have it.

    Returns:
        Class numbers as int64; targets as float32, or int64 where they are integers; masks as int16; boxes and poses as float32
        with rows of -1 beyond the last of a sample. Integers without class names, of which one is as large as there are
        samples, are targets: prices, not classes.

    Raises:
        DataError: There are none, or they have different shapes.
    """
    if isinstance(first, Boxes | Mask | Poses):
        return _filled(labels), _KINDS[type(first)]
    if any(label is None for label in labels):
        raise DataError(
            f"The training data at {dataset.location} have no labels.",
            why="Training needs to know each sample's class or target.",
            fix="Give one subfolder per class, the array 'y', or a factory of (inputs, label); of an autoencoder 'y' is the input itself.",
        )
    shapes = {np.shape(label) for label in labels}
    if len(shapes) > 1:
        shown = " and ".join(str(list(shape)) for shape in sorted(shapes)[:2])
        raise DataError(f"The labels in {dataset.location} have different shapes, {shown}.")
    array = np.asarray(class_labels(dataset.location, np.asarray(labels), dataset.classes))
    counts = array.dtype.kind in "iu" and array.ndim == 1
    if counts and (dataset.classes is not None or int(array.max()) < len(array)):
        return array.astype(np.int64), "class"
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float32), "values"


def _filled(labels: Sequence[NDArray[Any] | None]) -> NDArray[Any]:
    """Returns rows of one length, filled up with what is ignored."""
    known = [label for label in labels if label is not None]
    most = max([1, *(len(label) for label in known)])
    found = np.full((len(labels), most, *known[0].shape[1:]), IGNORED, known[0].dtype)
    for row, label in zip(found, labels, strict=True):
        if label is not None:
            row[: len(label)] = label
    return found


def count_classes(targets: NDArray[Any], dataset: Dataset, kind: LabelKind) -> int | None:
    """Returns how many classes there are: names, or the largest number and one; None where labels are not classes.

    Raises:
        DataError: There is a number beyond the names.
    """
    if kind != "class":
        return None
    found = int(targets.max()) + 1
    if dataset.classes and found > len(dataset.classes):
        raise DataError(
            f"The data at {dataset.location} have the label {found - 1}, but there are {len(dataset.classes)} class names.",
            why="Labels count from 0.",
            fix="Give a name for each class with --labels.",
        )
    return len(dataset.classes or ()) or found
