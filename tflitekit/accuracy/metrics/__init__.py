"""Metrics: how an output and a label become numbers per sample, and those one figure with an interval.

Scores are kept per sample (a few bytes each), because comparisons with the baseline are paired.
A metric is one file in this folder: a class that has the methods of `Metric`, and a function that makes it and says when it applies.
Other packages add theirs by an entry point of the group ``tflitekit.metrics``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.answers import answering
from tflitekit.core.registry import Registry
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.annotations import TaskName
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Drop, Measured, OutputFidelity
from tflitekit.tasks.interface import Interface, Meaning

__all__ = [
    "AnyMetric",
    "Drawable",
    "Kind",
    "Likeness",
    "Meaning",
    "Metric",
    "PerSample",
    "ReferenceMetric",
    "Scores",
    "metric",
    "metrics",
]

Scores = dict[str, NDArray[Any]]
"""Columns with one row per sample, a value or an array of one shape for all; 'finite' says whether the output had no NaN or infinity.

Beside the metric's own columns, `tflitekit.accuracy.scoring` adds 'position' in the data and those of `tflitekit.data.facts`."""


@runtime_checkable
class Metric(Protocol):
    """What evaluation asks of a metric; a class that derives from it has `check` and `details` that do nothing.

    It may say by ``task`` what it is for, where it is not registered as the first choice of a task.
    """

    name: str

    def check(self, output: TensorSpec) -> None:
        """Raises `DataError` where labels and outputs cannot belong together."""
        del output

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        """Scores a chunk: outputs ``(k, ...)`` as real values, and their labels."""

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        """Returns the figures; the first one is the variant's accuracy."""

    def details(self, scores: Scores, baseline: Scores | None, *, max_class_drop: float | None) -> dict[str, Any]:
        """Returns further fields of the variant's row (see `VariantReport`), or nothing.

        ``baseline`` are the baseline's scores of the same samples, None where there are none; ``max_class_drop`` is what
        the user accepts for each class, in points; it is refused unless the class says ``by_class = True``, that it has drops by class.
        """
        del scores, baseline, max_class_drop
        return {}

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        """Compares with the baseline on the same samples; positive is worse.

        ``max_drop`` is what the user accepts, in points for classes, else in the metric's unit; None for the default.
        """


@runtime_checkable
class PerSample(Protocol):
    """A metric whose figure is a mean over samples, so that its parts can be weighted.

    Attributes:
        is_mean: False where this one's is none after all.
    """

    is_mean: bool

    def costs(self, scores: Scores) -> NDArray[np.float64]:
        """Returns what each sample adds to the mean, lower is better: for a share of right answers 0 or 1, where it is wrong."""


@runtime_checkable
class Drawable(Protocol):
    """A metric whose first figure is known in each bootstrap draw, so that it can be weighted though it is no mean over samples."""

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        """Returns the first figure in each draw of the samples (see `tflitekit.accuracy.draws`), ``(draws,)``; NaN where a draw has none."""


@dataclass(frozen=True)
class Likeness:
    """How closely a variant matches the baseline: the figure, None where it cannot be told, further ones, and fields of its row."""

    figure: Measured | None
    others: tuple[Measured, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)


class ReferenceMetric:
    """A metric that takes the baseline's outputs for the truth, because the data have no labels: it tells fidelity, not accuracy."""

    name: str

    def check(self, output: TensorSpec) -> None:
        """Raises `DataError` where it cannot compare such an output."""

    def compare(
        self, outputs: NDArray[np.float32], reference: NDArray[np.float32], *, meaning: Meaning, of_reference: Meaning
    ) -> Scores:
        """Scores a chunk: outputs ``(k, ...)`` as real values beside the baseline's of the same samples."""
        raise NotImplementedError

    def likeness(self, scores: Scores, outputs: Sequence[OutputFidelity]) -> Likeness:
        """Sums up; ``outputs`` are all outputs beside the baseline's."""
        raise NotImplementedError


AnyMetric = Metric | ReferenceMetric

Make = Callable[[Dataset, Interface, TaskOptions], AnyMetric]
"""From the data, the model's inputs and outputs, and how the user wants them read, to the metric."""

Applies = Callable[[Dataset, Interface], bool]


@dataclass(frozen=True)
class Kind:
    """How a metric is made, whether data and output call for it where none is named, and whether it does without labels.

    Attributes:
        task: That it is the first choice for, where the labels are of that task or the user names it.
    """

    make: Make
    applies: Applies
    reference: bool = False
    task: TaskName | None = None


_registry: Registry[Kind] = Registry("metric", __name__, "tflitekit.metrics")


def metric(
    name: str,
    *,
    applies: Applies = lambda dataset, interface: False,
    reference: bool = False,
    task: TaskName | None = None,
) -> Callable[[Make], Make]:
    """Registers a function that makes a metric, or raises `DataError` where labels and output cannot belong together.

    Args:
        name: As users name it.
        applies: Whether it is taken when no metric is named; never when not given.
        reference: Whether it makes a `ReferenceMetric`, for data without labels.
        task: That it is the first choice for.
    """
    kind = ReferenceMetric if reference else Metric

    def register(function: Make) -> Make:
        _registry.add(name, Kind(answering(function, kind), applies, reference, task), function.__module__)
        return function

    return register


def metrics() -> dict[str, Kind]:
    """Returns all metrics by name, the kit's own first."""
    return _registry.all()
