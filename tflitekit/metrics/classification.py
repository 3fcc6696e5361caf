"""Top-1 and top-5 accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tflitekit.errors import DataError
from tflitekit.metrics import Scores
from tflitekit.results import Agreement, ClassRecall, Drop, Measured
from tflitekit.statistics import paired_accuracy_drop, wilson_interval

__all__ = ["Classification"]

_TOP5_FROM = 11  # top-5 says little with ten classes or fewer


class Classification:
    """Compares the most probable class with the label.

    A single output is a binary classifier: above 0.5 for probabilities, above 0 for logits, is class 1.

    Args:
        classes: Class names in output order, where they are known.
        outputs: Number of classes that the model gives.
        meaning: What the output holds (see `Contract`).
    """

    name = "top1"

    def __init__(
        self, classes: Sequence[str] | None, outputs: int, meaning: Literal["probabilities", "values"]
    ) -> None:
        self.classes, self.outputs = classes, outputs
        self._threshold = 0.5 if meaning == "probabilities" else 0.0

    def check(self, output_shape: tuple[int, ...]) -> None:
        sizes = [d for d in output_shape[1:] if d != 1]
        if len(sizes) > 1:
            raise DataError(
                f"The output has the shape {list(output_shape)}, and the labels are one class per sample.",
                fix="Score another output with --output NAME, or give a metric of your own with --metric module:function.",
            )

    def score(self, outputs: NDArray[np.float32], labels: list[Any]) -> Scores:
        rows = outputs.reshape(len(labels), -1)
        truth = np.asarray(labels, np.int32)
        if truth.size and int(truth.max()) >= max(2, rows.shape[1]):
            raise DataError(
                f"The data have the class {int(truth.max())}, but the model gives {rows.shape[1]} classes (from 0).",
                fix="Check that data and model belong together, or give the model's labels with --labels FILE.",
            )
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        if rows.shape[1] == 1:
            predicted = (rows[:, 0] > self._threshold).astype(np.int32)
            return {
                "label": truth,
                "predicted": predicted,
                "correct": np.asarray((predicted == truth) & finite),
                "finite": finite,
            }
        predicted = rows.argmax(axis=1).astype(np.int32)
        scores: Scores = {
            "label": truth, "predicted": predicted, "correct": (predicted == truth) & finite, "finite": finite,
        }  # fmt: skip
        if rows.shape[1] >= _TOP5_FROM:
            best = np.argpartition(-rows, 4, axis=1)[:, :5]
            scores["top5"] = (best == truth[:, None]).any(axis=1) & finite
        return scores

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        names = {"top1": "correct", "top5": "top5"}
        return tuple(_share(metric, scores[column]) for metric, column in names.items() if column in scores)

    def per_class(self, scores: Scores) -> tuple[ClassRecall, ...]:
        rows = []
        for label in np.unique(scores["label"]):
            found = _share("recall", scores["correct"][scores["label"] == label])
            name = self.classes[label] if self.classes is not None and label < len(self.classes) else str(label)
            rows.append(ClassRecall(label=name, **found.model_dump(exclude={"metric"})))
        return tuple(rows)

    def agreement(self, baseline: Scores, variant: Scores) -> Agreement:
        found = _share("agreement", baseline["predicted"] == variant["predicted"])
        return Agreement(**found.model_dump(exclude={"metric"}))

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        options = {"resolution": max_drop / 100} if max_drop else {}
        return Drop.of(paired_accuracy_drop(baseline["correct"], variant["correct"], **options))


def _share(metric: str, hits: NDArray[np.bool_]) -> Measured:
    n, count = int(hits.size), int(np.count_nonzero(hits))
    low, high = wilson_interval(count, n)
    return Measured(metric=metric, value=count / n if n else 0.0, low=low, high=high, n=n, higher_is_better=True)
