"""Numbers as targets: mean absolute error, root mean squared error, and the share of variance explained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Meaning, Metric, Scores, metric
from tflitekit.accuracy.metrics.classification import takes_classes
from tflitekit.accuracy.metrics.figures import Figure, MeanFigure, SumFigure, Sums, known
from tflitekit.accuracy.metrics.multilabel import takes_labels
from tflitekit.core.errors import DataError
from tflitekit.core.tensor import TensorSpec
from tflitekit.core.units import counted
from tflitekit.data.annotations import task_of
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Drop, Measured
from tflitekit.tasks.interface import Interface

__all__ = ["MAE", "R2", "RMSE", "Regression"]

_FEW_VALUES = 64
"""R² is averaged over the values of an output, as far as it has no more than this: for pictures it says nothing."""


def _variance_explained(sums: Sums) -> NDArray[np.float64]:
    """Returns R² of each draw, the mean over the values of an output; values whose target never changes do not count."""
    total = sums["squares"] - np.square(sums["targets"]) / sums["samples"]
    varies = total > 1e-12 * sums["squares"]
    with np.errstate(all="ignore"):
        each = np.where(varies, 1 - sums["errors"] / total, 0.0)
        return np.asarray(each.sum(axis=-1) / varies.sum(axis=-1))


def _variance_terms(scores: Scores) -> Mapping[str, NDArray[Any]]:
    targets = scores["target"]
    terms = {"errors": scores["squared_each"], "targets": targets, "squares": np.square(targets)}
    return terms | {"samples": np.ones((len(targets), 1))}


MAE = MeanFigure("mae", "absolute", higher_is_better=False)
RMSE = SumFigure(
    "rmse",
    lambda scores: {"errors": scores["squared"], "samples": np.ones(len(scores["squared"]))},
    lambda sums: np.asarray(np.sqrt(sums["errors"] / sums["samples"])),
    higher_is_better=False,
)
R2 = SumFigure("r2", _variance_terms, _variance_explained, higher_is_better=True)


def _takes_numbers(dataset: Dataset, interface: Interface) -> bool:
    """Whether the labels are numbers."""
    if takes_classes(dataset, interface) or takes_labels(dataset, interface):
        return False
    return task_of(next(iter(dataset)).label) in ("classification", "regression")


@metric("mae", applies=_takes_numbers, task="regression")
def mae(dataset: Dataset, interface: Interface, how: TaskOptions) -> Regression:
    """Compares numbers, where the labels are no classes."""
    del how
    return _of_numbers(dataset, interface.output, MAE)


@metric("rmse")
def rmse(dataset: Dataset, interface: Interface, how: TaskOptions) -> Regression:
    """Compares numbers; large errors weigh more."""
    del how
    return _of_numbers(dataset, interface.output, RMSE)


@metric("r2")
def r2(dataset: Dataset, interface: Interface, how: TaskOptions) -> Regression:
    """Compares numbers by the share of the targets' variance that is explained."""
    del how
    return _of_numbers(dataset, interface.output, R2)


def _of_numbers(dataset: Dataset, spec: TensorSpec, first: Figure) -> Regression:
    label = next(iter(dataset)).label
    few = np.size(label) <= _FEW_VALUES and not spec.is_open
    if first is R2 and not few:
        raise DataError(
            f"The labels have {np.size(label):,} values per sample, and r2 is for a fixed number of at most {_FEW_VALUES}.",
            fix="Take another metric: mae, rmse, or for pictures psnr.",
        )
    found = Regression(np.shape(label), (first, *_others(first, few)), origin=label if few else None)
    found.check(spec)
    return found


def _others(first: Figure, few: bool) -> tuple[Figure, ...]:
    usual: tuple[Figure, ...] = (MAE, RMSE, R2) if few else (MAE, RMSE)
    return tuple(figure for figure in usual if figure is not first)


class Regression(Metric):
    """Compares outputs with real-valued targets; errors of a sample are averaged over its values.

    Args:
        target_shape: Of one label.
        figures: What is told of the errors; the first is the variant's accuracy.
        origin: A target near the others, for R²: subtracted from them before squares are summed up, so that no digits are lost.
    """

    task = "regression"

    def __init__(
        self, target_shape: tuple[int, ...], figures: Sequence[Figure] = (MAE, RMSE), *, origin: Any = None
    ) -> None:
        self.name = figures[0].name
        self._shape, self._figures = target_shape, tuple(figures)
        self._origin = None if origin is None else np.asarray(origin, np.float64).reshape(-1)

    def check(self, output: TensorSpec) -> None:
        given, wanted = output.shape[1:], self._shape
        if -1 in given or math.prod(given) == math.prod(wanted):
            return
        masks = given[:-1] == wanted and len(wanted) > 0
        per_value = "one for each class at each place" if masks else "not as many"
        advice = (
            f"If the labels are masks, of the class of each pixel: --task segmentation, or --metric {output.name}=miou for one of several "
            "outputs with labels. Else compare"
            if len(wanted) == 2 and masks
            else "Compare"
        )
        labels = (
            f"arrays of the shape {list(wanted)} ({counted(math.prod(wanted), 'value')} per sample)"
            if wanted
            else "single numbers"
        )
        raise DataError(
            f"The labels are {labels}, and the output '{output.name}' of the shape {list(given)} gives "
            f"{counted(math.prod(given), 'value')} per sample: {per_value}.",
            fix=f"{advice} them with a metric of your own: --metric module:function, with function(output, label) -> float.",
        )

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        del meaning
        rows = outputs.reshape(len(labels), -1).astype(np.float64)
        odd = next((np.shape(label) for label in labels if np.size(label) != rows.shape[1]), None)
        if odd is not None:
            raise DataError(
                f"The model gives {rows.shape[1]} values per sample, and a label has the shape {list(odd)}.",
                fix="Give one target for each value of the output, or a metric of your own with --metric module:function.",
            )
        targets = np.asarray([np.ravel(label) for label in labels], np.float64)
        error = rows - targets
        squared = np.square(error)
        found = {
            "absolute": np.abs(error).mean(axis=1),
            "squared": squared.mean(axis=1),
            "finite": np.isfinite(rows).all(axis=1),
        }
        if self._origin is not None:
            found |= {"squared_each": squared, "target": targets - self._origin}
        return found

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        first, *others = self._figures
        accuracy = first.measured(scores)
        if accuracy is None:
            raise DataError(f"The targets never change, so {self.name} says nothing.", fix="Take another metric: mae.")
        return (accuracy, *known(others, scores))

    @property
    def is_mean(self) -> bool:
        return self._figures[0] is MAE

    def costs(self, scores: Scores) -> NDArray[np.float64]:
        return np.asarray(scores["absolute"], np.float64)

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return self._figures[0].drawn(scores)

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        return self._figures[0].drop(baseline, variant, max_drop)
