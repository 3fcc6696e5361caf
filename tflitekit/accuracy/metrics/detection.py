"""Boxes: average precision as COCO counts it, that of each class and size, and the largest recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.coco.bootstrap import AP50, AP75, Draws, mean_of_classes
from tflitekit.accuracy.coco.curves import Curves, columns_of, met_share
from tflitekit.accuracy.coco.matching import SIZES
from tflitekit.accuracy.draws import bounds_of_draws
from tflitekit.accuracy.metrics import Scores, metric
from tflitekit.accuracy.metrics.by_class import ByClass, class_rows
from tflitekit.accuracy.metrics.classification import class_name
from tflitekit.accuracy.metrics.decoded import DecodedMetric, OpenReader
from tflitekit.core.errors import DataError
from tflitekit.core.statistics import paired_bootstrap_increase
from tflitekit.data.annotations import Boxes
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Drop, Measured, finite
from tflitekit.tasks.drawing import SHOWN_SCORE
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import Reader, open_reader, readers

__all__ = ["Detection", "boxes_opener", "checked_boxes"]

_MOST = 100
"""Detections of a picture that count where the reader does not say how many it gives."""
_RESOLUTION = 0.01


@metric("map", task="detection")
def detect(dataset: Dataset, interface: Interface, how: TaskOptions) -> Detection:
    """Compares boxes: average precision at IoU 0.5 to 0.95, averaged over classes, as COCO counts it."""
    opener = boxes_opener(dataset, how)
    described = opener(interface).describe()
    names, given = interface.classes or dataset.classes, described.get("classes")
    largest = dataset.largest_label()
    if given is not None and largest is not None and largest >= given:
        raise _too_many(dataset, largest + 1, given)
    count = len(names) if names is not None else given or (largest or 0) + 1
    if largest is not None and largest >= count:
        raise _too_many(dataset, largest + 1, count)
    return Detection(opener, names, count, described.get("most", _MOST))


def boxes_opener(dataset: Dataset, how: TaskOptions) -> OpenReader:
    """Returns what opens a model's reader of boxes, which knows the classes of the data where the contract has none."""

    def opened(interface: Interface) -> Reader:
        names = interface.classes or dataset.classes
        try:
            return open_reader(replace(interface, classes=names), task="detection", wanted=how.reader)
        except DataError:
            given = _class_counts(replace(interface, classes=None), how.reader)
            if names is None or not given or len(names) in given.values():
                raise
            told = " or ".join(f"{count} as {name} reads them" for name, count in given.items())
            raise _too_many(dataset, len(names), told) from None

    return opened


def _class_counts(interface: Interface, wanted: str | None) -> dict[str, int]:
    """Returns how many classes each reader would find in a model's outputs."""
    found: dict[str, int] = {}
    for name, kind in readers("detection").items():
        one = kind.opened(interface, {}) if wanted is None or wanted.partition(":")[0] == name else None
        classes = None if one is None else one.describe().get("classes")
        if classes is not None:
            found[name] = classes
    return found


def _too_many(dataset: Dataset, classes: int, given: int | str) -> DataError:
    others = " or ".join(f"--data {flag}" for flag in dataset.numberings)
    return DataError(
        f"The data at {dataset.location} have {classes} classes, and the model has scores for {given}.",
        fix=(f"If the model numbers them by their ids: {others}. Else give" if others else "Give")
        + " the model's classes, one per line in its order, with --labels FILE; those of the data are then matched by name.",
    )


def checked_boxes(found: Sequence[Any]) -> list[Boxes]:
    """Returns what a reader found, which may be a user's own; boxes whose score is no number are left out.

    Raises:
        DataError: It is not boxes with scores.
    """
    for one in found:
        if not isinstance(one, Boxes) or one.scores is None or not len(one.xyxy) == len(one.classes) == len(one.scores):
            raise DataError(
                f"The reader returned {type(one).__name__} for a picture, not boxes with a class and a score each.",
                fix="It must return tflitekit.data.annotations.Boxes(xyxy, classes, scores).",
            )
    return [one if np.isfinite(one.scores).all() else _numbers(one) for one in found]


def _numbers(found: Boxes) -> Boxes:
    assert found.scores is not None
    rows = np.isfinite(found.scores)
    return Boxes(found.xyxy[rows], found.classes[rows], found.scores[rows])


class Detection(DecodedMetric):
    """Compares boxes with annotated ones.

    Args:
        open: Returns the reader for a model.
        classes: Names of classes, where they are known.
        count: Number of classes.
        most: Detections of a picture that count, those with the highest scores.
    """

    name = "map"
    by_class = True

    def __init__(self, open: OpenReader, classes: Sequence[str] | None, count: int, most: int) -> None:
        super().__init__(open)
        self.classes, self._count, self._most = classes, count, most
        self._draws = Draws()

    def class_name(self, number: int) -> str:
        """Returns the name of a class, or its number where it has none."""
        return class_name(self.classes, number)

    def score_decoded(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Scores:
        """Returns the columns of `tflitekit.accuracy.coco.curves.columns_of`."""
        for label in labels:
            if not isinstance(label, Boxes):
                raise DataError(
                    f"A label is {type(label).__name__}, and the first one is boxes.", fix="Give each sample boxes."
                )
            if len(label) and int(label.classes.max()) >= self._count:
                raise DataError(
                    f"A label has the class {int(label.classes.max())}, and only {self._count} {'is' if self._count == 1 else 'are'} known.",
                    fix="Name the model's classes in their order with --labels FILE, or correct the labels, which count from 0.",
                )
        return columns_of(checked_boxes(predictions), labels, classes=self._count, most=self._most)

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        precision, recall = (values[0] for values in Curves(scores).measure())
        if np.isnan(precision).all():
            raise DataError(
                "There is no object to find: all boxes are crowds or difficult, or the pictures have none.",
                fix="Evaluate on pictures with objects.",
            )
        drawn = self._draws.of(scores)
        found = [
            self._figure("map", mean_of_classes(precision.mean(axis=1)), scores, drawn.mean),
            self._figure("ap50", mean_of_classes(precision[:, AP50]), scores, drawn.ap50),
            self._figure("ap75", mean_of_classes(precision[:, AP75]), scores, drawn.ap75),
        ]
        for size in list(SIZES)[1:]:
            value = mean_of_classes(Curves(scores, size).measure()[0][0].mean(axis=1))
            if np.isfinite(value):
                found.append(self._figure(f"ap-{size}", value, scores, None))
        found.append(self._figure("ar100", mean_of_classes(recall.mean(axis=1)), scores, drawn.recall))
        return tuple(found)

    def _figure(
        self, name: str, value: NDArray[np.float64], scores: Scores, drawn: NDArray[np.float64] | None
    ) -> Measured:
        low, high = (None, None) if drawn is None else map(finite, bounds_of_draws(drawn, len(scores["finite"])))
        return Measured(
            metric=name, value=float(value), low=low, high=high, n=len(scores["finite"]), higher_is_better=True
        )

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return self._draws.of(scores).mean

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        before, after = (self.value(scores) for scores in (baseline, variant))
        return _drop(
            before - after,
            self.drawn(baseline) - self.drawn(variant),
            len(variant["finite"]),
            max_drop,
        )

    def value(self, scores: Scores) -> float:
        """Returns the average precision of all classes."""
        return float(mean_of_classes(self._of_classes(scores)))

    def details(self, scores: Scores, baseline: Scores | None, *, max_class_drop: float | None) -> dict[str, Any]:
        """Returns the average precision of each class that has objects, and its drop."""
        objects = scores["objects"][:, :, 0]
        other = None if baseline is None or baseline is scores else self._by_class(baseline)
        rows = class_rows(
            self._by_class(scores),
            other,
            metric="ap",
            name=self.class_name,
            counts=objects.sum(axis=0, dtype=np.int64),
            samples=np.count_nonzero(objects, axis=0),
            max_class_drop=max_class_drop,
        )
        return {"per_class": rows}

    def _by_class(self, scores: Scores) -> ByClass:
        return ByClass(self._of_classes(scores), self._draws.of(scores).of_classes)

    def losses(self, scores: Scores, baseline: Scores) -> NDArray[np.float64]:
        """Returns how much worse each picture alone became: scores of right boxes less those of wrong ones, by object."""
        return _worth(baseline) - _worth(scores)

    def told(self, scores: Scores, row: int) -> str:
        """Counts the boxes that an app would show, at an IoU of 0.5."""
        shown = (scores["classes"][row] >= 0) & (scores["scores"][row] >= SHOWN_SCORE)
        right, left_out = (scores[name][row, :, 0] & 1 > 0 for name in ("right", "left_out"))
        found, wrong = np.count_nonzero(shown & right), np.count_nonzero(shown & ~right & ~left_out)
        objects = int(scores["objects"][row, :, 0].sum())
        return f"{found} of {objects} objects found, {wrong} wrong box{'' if wrong == 1 else 'es'}"

    def _of_classes(self, scores: Scores) -> NDArray[np.float64]:
        return np.asarray(Curves(scores).measure()[0][0].mean(axis=1))


def _worth(scores: Scores) -> NDArray[np.float64]:
    right, left_out = (met_share(scores[name][..., 0]) for name in ("right", "left_out"))
    wrong = np.where(scores["classes"] >= 0, 1 - right - left_out, 0)
    objects = np.maximum(1, scores["objects"][:, :, 0].sum(axis=1))
    return np.asarray(((right - wrong) * scores["scores"]).sum(axis=1) / objects)


def _drop(value: float, drawn: NDArray[np.float64], n: int, max_drop: float | None) -> Drop:
    resolution = _RESOLUTION if not max_drop else max_drop / 100
    return Drop.of(paired_bootstrap_increase(float(value), drawn, n, resolution=resolution, points=True))
