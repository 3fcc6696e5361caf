"""Mean absolute and root mean squared error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Meaning, Metric, Scores, metric
from tflitekit.accuracy.metrics.classification import takes_classes
from tflitekit.core.errors import DataError
from tflitekit.core.statistics import mean_interval, paired_mean_increase
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.annotations import task_of
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Drop, Measured, finite
from tflitekit.tasks.interface import Interface

__all__ = ["Regression"]


def _takes_numbers(dataset: Dataset, interface: Interface) -> bool:
    """Whether the labels are numbers."""
    return not takes_classes(dataset, interface) and task_of(next(iter(dataset)).label) in (
        "classification",
        "regression",
    )


@metric("mae", applies=_takes_numbers, task="regression")
def regress(dataset: Dataset, interface: Interface, how: TaskOptions) -> Regression:
    """Compares numbers, where the labels are no classes."""
    del how
    found = Regression(np.shape(next(iter(dataset)).label))
    found.check(interface.output)
    return found


class Regression(Metric):
    """Compares outputs with real-valued targets; errors of a sample are averaged over its values."""

    name = "mae"

    def __init__(self, target_shape: tuple[int, ...]) -> None:
        self._shape = target_shape

    def check(self, output: TensorSpec) -> None:
        given, wanted = output.shape[1:], self._shape
        if -1 in given or math.prod(given) == math.prod(wanted):
            return
        per_value = "one for each class at each place" if given[:-1] == wanted and len(wanted) > 0 else "not as many"
        raise DataError(
            f"The labels are arrays of the shape {list(wanted)} ({math.prod(wanted)} values per sample), and the output "
            f"'{output.name}' of the shape {list(given)} gives {math.prod(given)} values per sample: {per_value}.",
            fix="Compare them with a metric of your own: --metric module:function, with function(output, label) -> float.",
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
        return {
            "absolute": np.abs(error).mean(axis=1),
            "squared": np.square(error).mean(axis=1),
            "finite": np.isfinite(rows).all(axis=1),
        }

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        absolute, squared = scores["absolute"], scores["squared"]
        low, high = mean_interval(absolute)
        squared_low, squared_high = (float(np.sqrt(max(0.0, v))) for v in mean_interval(squared))
        return (
            Measured(
                metric="mae",
                value=float(absolute.mean()),
                low=None if low == -math.inf else max(0.0, low),
                high=finite(high),
                n=int(absolute.size),
                higher_is_better=False,
            ),
            Measured(
                metric="rmse",
                value=float(np.sqrt(squared.mean())),
                low=finite(squared_low),
                high=finite(squared_high),
                n=int(squared.size),
                higher_is_better=False,
            ),
        )

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        found = paired_mean_increase(baseline["absolute"], variant["absolute"], resolution=max_drop or None)
        return Drop.of(found)
