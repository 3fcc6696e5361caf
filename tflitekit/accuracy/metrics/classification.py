"""Top-1 and top-5 accuracy, and what the average hides: classes, flips, confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Meaning, Scores, metric
from tflitekit.accuracy.metrics.class_figures import FIGURES, usual
from tflitekit.accuracy.metrics.confidence import calibration
from tflitekit.accuracy.metrics.figures import known
from tflitekit.accuracy.metrics.thresholds import at_thresholds
from tflitekit.core.errors import DataError
from tflitekit.core.packing import pack_hits
from tflitekit.core.statistics import paired_accuracy_drop, wilson_interval
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.class_folders import no_class
from tflitekit.data.contract import labels_mismatch
from tflitekit.data.dataset import Dataset
from tflitekit.data.samples import some
from tflitekit.data.settings import split_settings
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Agreement, AtThreshold, ClassRecall, Drop, Flips, Measured
from tflitekit.tasks.interface import Interface

__all__ = ["Classification", "answers", "class_name", "probabilities", "share", "size_of", "takes_classes"]

_TOP5_FROM = 11  # top-5 says little with ten classes or fewer
_LARGEST_CONFUSION = 100


def size_of(spec: TensorSpec) -> int:
    """Returns how many values an output has for a sample; open dimensions count as 1."""
    return math.prod(d for d in spec.shape[1:] if d > 0)


def takes_classes(dataset: Dataset, interface: Interface) -> bool:
    """Whether the labels are classes, not targets of a regression.

    Raises:
        DataError: The data are empty.
    """
    first = next(iter(dataset), None)
    if first is None:
        raise DataError(f"The data at {dataset.location} are empty.")
    largest, spec = dataset.largest_label(), interface.output
    single = size_of(spec) == 1 and -1 not in spec.shape[1:]
    counts = single and dataset.classes is None and largest is not None and largest > 1
    return isinstance(first.label, int) and not counts


@metric("top1", applies=takes_classes, task="classification")
def classify(dataset: Dataset, interface: Interface, how: TaskOptions) -> Classification:
    """Compares classes, where the labels are some that the model has."""
    return _of_classes(dataset, interface, how, "top1")


@metric("balanced-accuracy")
def balanced_accuracy(dataset: Dataset, interface: Interface, how: TaskOptions) -> Classification:
    """Compares classes; all count alike, however many samples each has."""
    return _of_classes(dataset, interface, how, "balanced-accuracy")


@metric("macro-f1")
def macro_f1(dataset: Dataset, interface: Interface, how: TaskOptions) -> Classification:
    """Compares classes by F1, averaged over classes."""
    return _of_classes(dataset, interface, how, "macro-f1")


@metric("roc-auc")
def area_under_roc(dataset: Dataset, interface: Interface, how: TaskOptions) -> Classification:
    """Compares two classes by the scores, whatever the threshold."""
    return _of_two_classes(dataset, interface, how, "roc-auc")


@metric("pr-auc")
def area_under_precision(dataset: Dataset, interface: Interface, how: TaskOptions) -> Classification:
    """Compares two classes by the scores, for rare positives."""
    return _of_two_classes(dataset, interface, how, "pr-auc")


@metric("kappa")
def weighted_kappa(dataset: Dataset, interface: Interface, how: TaskOptions) -> Classification:
    """Compares ordered classes; the farther off an answer is, the worse."""
    return _of_classes(dataset, interface, how, "kappa")


@metric("class-distance")
def class_distance(dataset: Dataset, interface: Interface, how: TaskOptions) -> Classification:
    """Compares ordered classes by how many classes answers are off on average."""
    return _of_classes(dataset, interface, how, "class-distance")


def _of_two_classes(dataset: Dataset, interface: Interface, how: TaskOptions, first: str) -> Classification:
    spec = interface.output
    if max(2, size_of(spec)) != 2:
        raise DataError(
            f"The output '{spec.name}' has {size_of(spec)} classes, and {first} is for two.",
            fix="Take --metric balanced-accuracy or --metric macro-f1, which are for any number of classes.",
        )
    return _of_classes(dataset, interface, how, first)


def _of_classes(dataset: Dataset, interface: Interface, how: TaskOptions, first: str) -> Classification:
    sample = next(iter(dataset), None)
    if sample is not None and not isinstance(sample.label, int):
        raise DataError(
            f"The labels at {dataset.location} are no classes, and {first} compares classes.",
            fix="Leave out --metric, or give labels that are whole numbers from 0.",
        )
    spec = interface.output
    found = Classification(dataset.classes, size_of(spec), first, how.threshold)
    found.check(spec)
    if -1 not in spec.shape[1:]:
        _check_classes(dataset, interface.classes, max(2, size_of(spec)))
        found.check_largest(dataset.largest_label() or 0)
    return found


def _check_classes(dataset: Dataset, labels: Sequence[str] | None, outputs: int) -> None:
    if dataset.classes is None or len(dataset.classes) == outputs:
        return
    if labels is not None or dataset.kind in ("npz", "arrays", "factory"):  # whose names are those that were given
        raise labels_mismatch(len(dataset.classes), outputs)
    more = "more" if len(dataset.classes) > outputs else "fewer"
    noun = "class folder" if dataset.kind in ("images", "sounds") else "named class"
    count = f"{len(dataset.classes)} {noun}{'es' if noun.endswith('ss') else 's'}"
    found = f"1 {noun}" if len(dataset.classes) == 1 else count
    alone = len(dataset.classes) == 1 and noun == "class folder"
    single = f" {no_class(Path(split_settings(dataset.location)[0], dataset.classes[0]))}" if alone else ""
    raise DataError(
        f"The data at {dataset.location} have {found}, {more} than the model's {outputs} outputs.",
        why=f"Without a labels file, their names in sorted order are the model's classes, so the counts must agree: {some(dataset.classes)}.",
        fix=f"Give the model's labels, one per line in output order, with --labels FILE; classes are then matched by name.{single}"
        if more == "fewer"
        else "Remove the samples of classes that the model does not know, or check that this is the right model.",
    )


class Classification:
    """Compares the most probable class with the label.

    A single output is a binary classifier: above 0.5 for probabilities, above 0 for logits, is class 1. Logits become
    probabilities by softmax, or by a sigmoid where there is one output.

    Args:
        classes: Class names in output order, where they are known.
        outputs: Number of classes that the model gives.
        first: The figure that decides, 'top1' or one of `FIGURES`.
        thresholds: On scores, for a table of what an app with them would see.
    """

    by_class = True

    def __init__(
        self,
        classes: Sequence[str] | None,
        outputs: int,
        first: str = "top1",
        thresholds: Sequence[float] = (),
    ) -> None:
        self.classes, self.outputs, self.name, self._thresholds = classes, outputs, first, thresholds

    @property
    def is_mean(self) -> bool:
        return self.name == "top1"

    def check(self, output: TensorSpec) -> None:
        sizes = [d for d in output.shape[1:] if d != 1]
        if len(sizes) > 1:
            raise DataError(
                f"The output '{output.name}' has the shape {list(output.shape)}, and the labels are one class per sample.",
                fix="Compare them with a metric of your own: --metric module:function, with function(output, label) -> float.",
            )

    def check_largest(self, label: int) -> None:
        """Raises `DataError` where a class index is none of the model's."""
        if label >= max(2, self.outputs):
            raise DataError(
                f"The data have the class {label}, but the model has {max(2, self.outputs)} classes (from 0).",
                fix="Give labels that count from 0 in the order of the model's output, or class names with --labels FILE.",
            )

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        rows = outputs.reshape(len(labels), -1)
        Classification(None, rows.shape[1]).check_largest(max(labels, default=0))  # outputs may be dynamic
        truth = np.asarray(labels, np.int32)
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        with np.errstate(all="ignore"):  # what is not finite fails the variant
            predicted, confidence = answers(rows, meaning)
        scores: Scores = {
            "label": truth,
            "predicted": predicted,
            "correct": (predicted == truth) & finite,
            "confidence": confidence.astype(np.float32),
            "finite": finite,
        }
        if (
            rows.shape[1] <= 2
        ):  # by which two classes are told apart; differences of logits have no ties that softmax makes
            one = rows.shape[1] == 1 or meaning == "probabilities"
            scores["ranking"] = (rows[:, -1] if one else rows[:, 1] - rows[:, 0]).astype(np.float32)
        if rows.shape[1] >= _TOP5_FROM:
            best = np.argpartition(-rows, 4, axis=1)[:, :5]
            scores["top5"] = (best == truth[:, None]).any(axis=1) & finite
        return scores

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        names = {"top1": "correct", "top5": "top5"}
        shares = [share(metric, scores[column]) for metric, column in names.items() if column in scores]
        scores = _with_distance(scores)
        further = known(usual(self.name, scores), scores)
        if self.is_mean:
            return (*shares, *further)
        first = FIGURES[self.name].measured(scores)
        if first is None:
            raise DataError(
                f"The samples are all of one class, of which {self.name} says nothing.",
                fix="Give samples of all classes, or leave out --metric.",
            )
        return (first, *shares, *further)

    def details(self, scores: Scores, baseline: Scores | None, *, max_class_drop: float | None) -> dict[str, Any]:
        other = baseline if baseline is not scores else None
        found: dict[str, Any] = {
            "per_class": self._per_class(scores, other, max_class_drop),
            "hits": pack_hits(scores["correct"]),
            "confusion": self._confusion(scores),
            "confidence": calibration(scores["confidence"], scores["correct"]),
            "thresholds": self._at_thresholds(scores, other),
        }
        if baseline is not None:
            agreed = share("agreement", baseline["predicted"] == scores["predicted"])
            found["agreement"] = Agreement(**agreed.model_dump(exclude={"metric"}))
        if other is not None:
            found["flips"] = Flips(
                lost=int(np.count_nonzero(other["correct"] & ~scores["correct"])),
                won=int(np.count_nonzero(~other["correct"] & scores["correct"])),
            )
        return found

    def _at_thresholds(self, scores: Scores, baseline: Scores | None) -> tuple[AtThreshold, ...]:
        two = "ranking" in scores
        score = _of_class_1 if two else _of_answer
        truth = scores["label"] == 1 if two else scores["correct"]
        return at_thresholds(score(scores), truth, self._thresholds, None if baseline is None else score(baseline))

    def _per_class(
        self, scores: Scores, baseline: Scores | None, max_class_drop: float | None
    ) -> tuple[ClassRecall, ...]:
        rows = []
        for label in np.unique(scores["label"]):
            of_class = scores["label"] == label
            correct = scores["correct"][of_class]
            drop = _drop(baseline["correct"][of_class], correct, max_class_drop) if baseline is not None else None
            found = share("recall", correct).model_dump(exclude={"metric"})
            rows.append(ClassRecall(label=self.class_name(label), drop=drop, **found))
        return tuple(rows)

    def _confusion(self, scores: Scores) -> tuple[tuple[int, ...], ...] | None:
        classes = max(2, self.outputs, 1 + int(scores["predicted"].max()))  # outputs may be dynamic
        if classes > _LARGEST_CONFUSION:
            return None
        cells = scores["label"].astype(np.int64) * classes + scores["predicted"]
        counts = np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
        return tuple(tuple(row) for row in counts.tolist())

    def class_name(self, label: int) -> str:
        """Returns the name of a class, or its number where it has none."""
        return class_name(self.classes, label)

    def costs(self, scores: Scores) -> NDArray[np.float64]:
        return 1.0 - scores["correct"]

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return FIGURES[self.name].drawn(_with_distance(scores))

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        if not self.is_mean:
            return FIGURES[self.name].drop(_with_distance(baseline), _with_distance(variant), max_drop)
        return _drop(baseline["correct"], variant["correct"], max_drop)


def _of_answer(scores: Scores) -> NDArray[np.float32]:
    return np.asarray(scores["confidence"], np.float32)


def _of_class_1(scores: Scores) -> NDArray[np.float32]:
    return np.where(scores["predicted"] == 1, scores["confidence"], 1 - scores["confidence"]).astype(np.float32)


def _with_distance(scores: Scores) -> Scores:
    """Adds how many classes an answer is off."""
    return scores | {"distance": np.abs(scores["label"] - scores["predicted"]).astype(np.float64)}


def class_name(classes: Sequence[str] | None, number: int) -> str:
    """Returns the name of a class, or its number where it has none."""
    return classes[number] if classes is not None and number < len(classes) else str(number)


def _drop(baseline: NDArray[np.bool_], variant: NDArray[np.bool_], points: float | None) -> Drop:
    options = {"resolution": points / 100} if points else {}
    return Drop.of(paired_accuracy_drop(baseline, variant, **options))


def answers(rows: NDArray[np.float32], meaning: Meaning) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Returns the class of each row and the probability that the model gives it."""
    if rows.shape[1] == 1:
        score = rows[:, 0] if meaning == "probabilities" else 1 / (1 + np.exp(-rows[:, 0]))
        above = rows[:, 0] > (0.5 if meaning == "probabilities" else 0.0)
        return above.astype(np.int32), np.where(above, score, 1 - score)
    predicted = rows.argmax(axis=1).astype(np.int32)
    highest = rows.max(axis=1)
    if meaning == "values":
        highest = 1 / np.exp(rows - highest[:, None]).sum(axis=1)  # softmax at its largest entry
    return predicted, highest


def probabilities(rows: NDArray[np.float32], meaning: Meaning) -> NDArray[np.float64]:
    """Returns the probability of each class for each row of outputs; a single output gives those of two."""
    values = rows.astype(np.float64)
    if rows.shape[1] == 1:
        positive = values if meaning == "probabilities" else 1 / (1 + np.exp(-values))
        return np.hstack([1 - positive, positive])
    if meaning == "probabilities":
        return values
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def share(metric: str, hits: NDArray[np.bool_]) -> Measured:
    """Returns a share of samples with its interval."""
    n, count = int(hits.size), int(np.count_nonzero(hits))
    low, high = wilson_interval(count, n)
    return Measured(metric=metric, value=count / n if n else 0.0, low=low, high=high, n=n, higher_is_better=True)
