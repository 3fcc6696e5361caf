"""Masks: mean intersection over union, that of each class, pixel accuracy, Dice, and how well borders fit."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Likeness, Scores, metric
from tflitekit.accuracy.metrics.by_class import ByClass, class_rows
from tflitekit.accuracy.metrics.decoded import DecodedMetric, DecodedReference, OpenReader
from tflitekit.accuracy.metrics.figures import MeanFigure, SumFigure, Sums, drawn_sums, known
from tflitekit.accuracy.metrics.overlap import border_f1, pixel_counts
from tflitekit.core.errors import DataError
from tflitekit.data.annotations import Boxes, Mask
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Drop, Measured, OutputFidelity
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import open_reader

__all__ = ["MaskOverlap", "Segmentation"]

_UNKNOWN_CLASSES = 256
"""Classes that are counted where neither names nor outputs tell how many there are: masks in 8 bits have no more."""


def _terms(scores: Scores) -> Mapping[str, NDArray[Any]]:
    return {name: scores[name] for name in ("right", "there", "found")}


def _ious(sums: Sums) -> NDArray[np.float64]:
    """Returns the IoU of each class, ``(draws, classes)``; NaN for a class that is neither there nor found."""
    return _ratio(sums["right"], sums["there"] + sums["found"] - sums["right"])


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _class_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the mean over the classes that have a value; NaN where none has."""
    there = np.isfinite(values)
    return _ratio(np.where(there, values, 0).sum(axis=-1), there.sum(axis=-1).astype(np.float64))


MIOU = SumFigure("miou", _terms, lambda sums: _class_mean(_ious(sums)), higher_is_better=True)
PIXELS = SumFigure(
    "pixel-accuracy",
    _terms,
    lambda sums: _ratio(sums["right"].sum(axis=-1), sums["there"].sum(axis=-1)),
    higher_is_better=True,
)
DICE = SumFigure(
    "dice",
    _terms,
    lambda sums: _class_mean(_ratio(2 * sums["right"], sums["there"] + sums["found"])),
    higher_is_better=True,
)
BORDERS = MeanFigure("boundary-f1", "border", higher_is_better=True)

_LOOKED_AT = 10
"""Masks whose classes are looked at before anything is converted: a border of 255 or missing colors are in nearly every mask of a data set."""
_WHITE = 255
"""The foreground in masks that are black and white; without a foreground that would be no class of a model with two."""


@metric("miou", task="segmentation")
def segment(dataset: Dataset, interface: Interface, how: TaskOptions) -> Segmentation:
    """Compares masks: the intersection over union of each class in all pictures, averaged over classes."""
    if isinstance(next(iter(dataset)).label, Boxes):
        raise DataError(
            f"The labels at {dataset.location} are boxes, and segmentation is judged by masks.",
            fix="COCO's outlines become masks with as=masks behind the path: annotations.json:as=masks.",
        )
    found = Segmentation(_opener(how), _classes(dataset, interface, how), how.ignore_label)
    for sample in itertools.islice(dataset, _LOOKED_AT):
        found.truth_of(sample.label)
    return found


@metric("mask-iou", reference=True, task="segmentation")
def keep_masks(dataset: Dataset, interface: Interface, how: TaskOptions) -> MaskOverlap:
    """Compares masks with the baseline's."""
    return MaskOverlap(_opener(how), _classes(dataset, interface, how))


def _opener(how: TaskOptions) -> OpenReader:
    return lambda interface: open_reader(interface, task="segmentation", wanted=how.reader)


def _classes(dataset: Dataset, interface: Interface, how: TaskOptions) -> tuple[Sequence[str] | None, int]:
    """Returns the names of classes, if there are any, and how many classes there are.

    Raises:
        DataError: The data have other classes than the model.
    """
    described = _opener(how)(interface).describe()
    given = described.get("classes")
    names = interface.classes or dataset.classes
    if names is not None and given is not None and len(names) != given:
        raise DataError(
            f"The data at {dataset.location} have {len(names)} classes, and the model gives {given}.",
            why=f"The data's are {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}.",
            fix="Give the model's classes, one per line in its order, with --labels FILE; those of the data are then matched by name.",
        )
    return names, given or (len(names) if names is not None else _UNKNOWN_CLASSES)


class _Counted:
    """Counts pixels by class."""

    def __init__(self, names: Sequence[str] | None, classes: int) -> None:
        self.classes, self._count = names, classes

    def class_name(self, number: int) -> str:
        """Returns the name of a class, or its number where it has none."""
        return self.classes[number] if self.classes is not None else str(number)

    def counts(self, found: NDArray[Any], truth: NDArray[Any], ignore: int | None) -> NDArray[np.int64]:
        """Returns the counts of one picture."""
        if found.max(initial=0) >= self._count:
            raise DataError(
                f"The model says the class {int(found.max())}, and there are {self._count} classes (0 to {self._count - 1}).",
                fix="Give the names of all classes of the model with --labels FILE.",
            )
        return pixel_counts(found, truth, self._count, ignore)


class Segmentation(DecodedMetric):
    """Compares masks with those of the labels, pixel by pixel, in the size of the picture.

    Args:
        open: Returns the reader for a model.
        classes: Names of classes, if known, and their number.
        ignore: Value of pixels that count for nothing, unless a mask has its own.
    """

    name = "miou"
    by_class = True

    def __init__(self, open: OpenReader, classes: tuple[Sequence[str] | None, int], ignore: int | None = None) -> None:
        super().__init__(open)
        self._counted, self._ignore = _Counted(*classes), ignore
        self.class_name, self._count = self._counted.class_name, classes[1]

    def score_decoded(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Scores:
        pairs = [(found, *self._truth(label, found)) for found, label in zip(predictions, labels, strict=True)]
        counts = np.stack([self._counted.counts(*pair) for pair in pairs]).astype(np.int32)
        return {
            "right": counts[:, 0],
            "there": counts[:, 1],
            "found": counts[:, 2],
            "border": np.array([border_f1(*pair) for pair in pairs]),
        }

    def _truth(self, label: Any, found: NDArray[Any]) -> tuple[NDArray[Any], int | None]:
        """Returns the classes of a label of this picture, and the value that counts for nothing."""
        mask, truth, ignore = self.truth_of(label)
        if truth.shape != found.shape:
            (height, width), (own_height, own_width) = found.shape, truth.shape
            raise DataError(
                f"The mask {mask.key} has {own_width} x {own_height} pixels, and its picture {width} x {height}.",
                fix="Give each picture a mask of its own size.",
            )
        return truth, ignore

    def truth_of(self, label: Any) -> tuple[Mask, NDArray[Any], int | None]:
        """Returns a label as a mask, the classes of its pixels, and the value that counts for nothing.

        Raises:
            DataError: It cannot be read, or has a class that the model does not have.
        """
        mask = label if isinstance(label, Mask) else Mask(lambda: np.asarray(label), "of a sample")
        ignore = mask.ignore if self._ignore is None else self._ignore
        truth = mask.load()
        if self._count == 2 and ignore is None and (truth == _WHITE).any() and np.isin(truth, (0, _WHITE)).all():
            truth = (truth == _WHITE).astype(truth.dtype)
        wrong = (truth < 0) | (truth >= self._count)
        wrong &= truth != (-1 if ignore is None else ignore)
        if wrong.any():
            number = int(truth[wrong].max())
            raise DataError(
                f"The mask {mask.key} has the class {number}, and the model's classes are 0 to {self._count - 1}.",
                fix=(
                    f"If these pixels are to count for nothing: --ignore-label {number}. Else give"
                    if number >= 0
                    else "Give"
                )
                + " masks that count classes from 0 in the model's order.",
            )
        return mask, truth, ignore

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        first = MIOU.measured(scores)
        if first is None:
            raise DataError(
                "No pixel of the masks counts: all have the label that is ignored.",
                fix="Check --ignore-label, or give other masks.",
            )
        return (first, *known((PIXELS, DICE, BORDERS), scores))

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return MIOU.drawn(scores)

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        return MIOU.drop(baseline, variant, max_drop)

    def details(self, scores: Scores, baseline: Scores | None, *, max_class_drop: float | None) -> dict[str, Any]:
        """Returns the IoU of each class that is there, and its drop."""
        pictures = np.count_nonzero(scores["there"], axis=0)
        other = None if baseline is None or baseline is scores else _by_class(baseline)
        rows = class_rows(
            _by_class(scores),
            other,
            metric="iou",
            name=self.class_name,
            counts=pictures,
            samples=pictures,
            max_class_drop=max_class_drop,
        )
        return {"per_class": rows}

    def losses(self, scores: Scores, baseline: Scores) -> NDArray[np.float64]:
        """Returns how much the mean IoU of each picture alone fell."""
        return np.nan_to_num(_each(baseline) - _each(scores))

    def told(self, scores: Scores, row: int) -> str:
        return f"mean IoU {_each(scores)[row]:.1%}"


def _by_class(scores: Scores) -> ByClass:
    return ByClass(_whole(scores), _ious(drawn_sums(_terms(scores))))


def _each(scores: Scores) -> NDArray[np.float64]:
    return _class_mean(_ious({name: values.astype(np.float64) for name, values in _terms(scores).items()}))


def _whole(scores: Scores) -> NDArray[np.float64]:
    sums = {name: values.sum(axis=0, dtype=np.float64)[None] for name, values in _terms(scores).items()}
    return np.asarray(_ious(sums)[0])


class MaskOverlap(DecodedReference):
    """Compares masks with those that are read from the baseline's outputs."""

    name = "mask-iou"
    _figure = SumFigure("mask-iou", _terms, lambda sums: _class_mean(_ious(sums)), higher_is_better=True)

    def __init__(self, open: OpenReader, classes: tuple[Sequence[str] | None, int]) -> None:
        super().__init__(open)
        self._counted = _Counted(*classes)

    def compare_decoded(self, predictions: Sequence[Any], reference: Sequence[Any]) -> Scores:
        counts = np.stack([self._counted.counts(*pair, None) for pair in zip(predictions, reference, strict=True)])
        counts = counts.astype(np.int32)
        return {"right": counts[:, 0], "there": counts[:, 1], "found": counts[:, 2]}

    def likeness(self, scores: Scores, outputs: Sequence[OutputFidelity]) -> Likeness:
        del outputs
        return Likeness(self._figure.measured(scores), known((PIXELS,), scores))

    def losses(self, scores: Scores) -> NDArray[np.float64]:
        """Returns how much of the mean IoU each picture alone lacks."""
        return 1 - np.nan_to_num(_each(scores), nan=1.0)

    def told(self, scores: Scores, row: int) -> str:
        return f"mean IoU with the baseline's {_each(scores)[row]:.1%}"
