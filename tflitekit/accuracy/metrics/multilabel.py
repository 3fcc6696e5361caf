"""Several labels per sample, or none: rows of zeros and ones, and an output with a score for each label."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Meaning, Metric, Scores, metric
from tflitekit.accuracy.metrics.by_class import ByClass, class_rows
from tflitekit.accuracy.metrics.classification import class_name, share, size_of
from tflitekit.accuracy.metrics.figures import Figure, MeanFigure, SumFigure, Sums, known
from tflitekit.accuracy.metrics.ranking import SetFigure, Weighted, average_precision, drawn
from tflitekit.accuracy.metrics.thresholds import at_thresholds
from tflitekit.core.errors import DataError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Agreement, ClassRecall, Drop, Flips, Measured
from tflitekit.tasks.interface import Interface

__all__ = ["MultiLabel", "takes_labels"]

_FIRST = 256
"""Labels that are looked at to tell rows of zeros and ones from targets."""


def takes_labels(dataset: Dataset, interface: Interface) -> bool:
    """Whether each label is a row of zeros and ones, one for each value of the output."""
    size = size_of(interface.output)
    labels = [sample.label for sample in itertools.islice(dataset, _FIRST)]
    return size > 1 and all(
        isinstance(label, np.ndarray) and label.shape == (size,) and bool(np.isin(label, (0, 1)).all())
        for label in labels
    )


@metric("mean-ap", applies=takes_labels, task="multi-label")
def mean_average_precision(dataset: Dataset, interface: Interface, how: TaskOptions) -> MultiLabel:
    """Compares the scores of each label by average precision, where a sample may have several labels or none."""
    spec = interface.output
    if not takes_labels(dataset, interface):
        raise DataError(
            f"The labels at {dataset.location} are no rows of {size_of(spec)} zeros and ones, one for each value of '{spec.name}'.",
            fix="Give such rows for mean-ap; for one class per sample leave out --metric.",
        )
    found = MultiLabel(interface.classes or dataset.classes, how.threshold)
    found.check(spec)
    return found


def _by_label(scores: Scores) -> ByClass:
    n, figure = len(scores["finite"]), _precision_by_label(scores)
    return ByClass(figure(np.ones((1, n)))[0], drawn(figure, n))


def _precision_by_label(scores: Scores) -> Weighted:
    """Average precision of each label, ``(draws, labels)``; NaN for those that no sample has."""
    ranking, labels = scores["ranking"], scores["labels"]
    each = [average_precision(ranking[:, index], labels[:, index]) for index in range(labels.shape[1])]
    return lambda weights: np.stack([figure(weights) for figure in each], axis=1)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the mean over the labels that are known, of each draw."""
    there = np.isfinite(values)
    with np.errstate(all="ignore"):
        return np.asarray(np.where(there, values, 0).sum(axis=1) / there.sum(axis=1))


def _mean_precision(scores: Scores) -> Weighted:
    by_label = _precision_by_label(scores)
    return lambda weights: _mean(by_label(weights))


def _f1_terms(scores: Scores) -> Mapping[str, NDArray[Any]]:
    said, true = scores["said"], scores["labels"]
    return {"right": said & true, "said": said, "true": true}


def _f1(right: NDArray[np.float64], said: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns F1, 0 where nothing is there and nothing said."""
    return np.divide(2 * right, said + true, out=np.zeros_like(right), where=said + true > 0)


def _micro(sums: Sums) -> NDArray[np.float64]:
    return _f1(*(sums[name].sum(axis=-1) for name in ("right", "said", "true")))


def _macro(sums: Sums) -> NDArray[np.float64]:
    return np.asarray(_f1(sums["right"], sums["said"], sums["true"]).mean(axis=-1))


def _most_positive(scores: Scores) -> int:
    """Of a label that one sample has, all draws with it are of that sample."""
    return int(scores["labels"].sum(axis=0).max())


MEAN_AP = SetFigure("mean-ap", _mean_precision, rarest=_most_positive)
_OTHERS: tuple[Figure, ...] = (
    SumFigure("micro-f1", _f1_terms, _micro, higher_is_better=True),
    SumFigure("macro-f1", _f1_terms, _macro, higher_is_better=True),
    MeanFigure("exact-match", "exact", higher_is_better=True),
)


class MultiLabel(Metric):
    """Compares the scores of each label; a label is given where its probability is above 0.5, its logit above 0.

    Args:
        classes: Names of the labels, where they are known.
        thresholds: On scores, for a table of what an app with them would see.
    """

    name = "mean-ap"
    by_class = True

    def __init__(self, classes: Sequence[str] | None, thresholds: Sequence[float] = ()) -> None:
        self.classes, self._thresholds = classes, thresholds

    def check(self, output: TensorSpec) -> None:
        if len([d for d in output.shape[1:] if d != 1]) != 1:
            raise DataError(
                f"The output '{output.name}' has the shape {list(output.shape)}, which is no score a label."
            )

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        rows = outputs.reshape(len(labels), -1)
        odd = next((np.shape(label) for label in labels if np.shape(label) != rows.shape[1:]), None)
        if odd is not None:
            raise DataError(
                f"The model gives {rows.shape[1]} values per sample, and a label has the shape {list(odd)}."
            )
        truth = np.asarray(labels).astype(np.bool_)
        said = rows > (0.5 if meaning == "probabilities" else 0.0)
        found: Scores = {}
        if self._thresholds:
            with np.errstate(over="ignore"):
                found["probability"] = rows if meaning == "probabilities" else 1 / (1 + np.exp(-rows))
        return found | {
            "ranking": rows.astype(np.float32),
            "labels": truth,
            "said": said,
            "exact": (said == truth).all(axis=1),
            "finite": np.asarray(np.isfinite(rows).all(axis=1)),
        }

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        first = MEAN_AP.measured(scores)
        if first is None:
            raise DataError("No sample has any label, so nothing can be said.", fix="Give samples with labels.")
        return (first, *known(_OTHERS, scores))

    def details(self, scores: Scores, baseline: Scores | None, *, max_class_drop: float | None) -> dict[str, Any]:
        other = baseline if baseline is not scores else None
        found: dict[str, Any] = {"per_class": self._per_class(scores, other, max_class_drop)}
        if self._thresholds:
            before = None if other is None else other["probability"]
            found["thresholds"] = at_thresholds(scores["probability"], scores["labels"], self._thresholds, before)
        if baseline is not None:
            agreed = share("agreement", (baseline["said"] == scores["said"]).all(axis=1))
            found["agreement"] = Agreement(**agreed.model_dump(exclude={"metric"}))
        if other is not None:
            found["flips"] = Flips(
                lost=int(np.count_nonzero(other["exact"] & ~scores["exact"])),
                won=int(np.count_nonzero(~other["exact"] & scores["exact"])),
            )
        return found

    def _per_class(
        self, scores: Scores, baseline: Scores | None, max_class_drop: float | None
    ) -> tuple[ClassRecall, ...]:
        """Returns the average precision of each label that a sample has."""
        counts = scores["labels"].sum(axis=0)
        return class_rows(
            _by_label(scores),
            None if baseline is None else _by_label(baseline),
            metric="ap",
            name=lambda number: class_name(self.classes, number),
            counts=counts,
            samples=counts,
            max_class_drop=max_class_drop,
        )

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return MEAN_AP.drawn(scores)

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        return MEAN_AP.drop(baseline, variant, max_drop)
