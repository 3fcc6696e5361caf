"""Without labels: how often a variant gives the class that the baseline gives, and how close its probabilities are to those."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.fidelity import divergence
from tflitekit.accuracy.metrics import Likeness, Meaning, ReferenceMetric, Scores, metric
from tflitekit.accuracy.metrics.classification import answers, class_name, probabilities, share, size_of
from tflitekit.core.errors import DataError
from tflitekit.core.statistics import mean_interval
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.contract import labels_mismatch
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Agreement, Measured, OutputFidelity, finite
from tflitekit.tasks.interface import Interface

__all__ = ["ClassAgreement"]


@metric("agreement", reference=True, task="classification")
def agree(dataset: Dataset, interface: Interface, how: TaskOptions) -> ClassAgreement:
    """Compares the most probable class with the baseline's."""
    del dataset, how
    spec, labels = interface.output, interface.classes
    found = ClassAgreement(labels, size_of(spec))
    found.check(spec)
    if labels is not None and -1 not in spec.shape[1:] and len(labels) != max(2, size_of(spec)):
        raise labels_mismatch(len(labels), max(2, size_of(spec)))
    return found


class ClassAgreement(ReferenceMetric):
    """Compares the most probable class of a sample with the baseline's; a single output is a binary classifier.

    Args:
        classes: Class names in output order, where they are known.
        outputs: Number of classes that the model gives.
    """

    name = "agreement"

    def __init__(self, classes: Sequence[str] | None, outputs: int) -> None:
        self.classes, self.outputs = classes, outputs

    def class_name(self, number: int) -> str:
        """Returns the name of a class, or its number where it has none."""
        return class_name(self.classes, number)

    def check(self, output: TensorSpec) -> None:
        if len([d for d in output.shape[1:] if d != 1]) > 1:
            raise DataError(
                f"The output '{output.name}' has the shape {list(output.shape)}, which is more than one class per sample.",
                fix="Compare its values instead: --metric fidelity.",
            )

    def compare(
        self, outputs: NDArray[np.float32], reference: NDArray[np.float32], *, meaning: Meaning, of_reference: Meaning
    ) -> Scores:
        own, other = (values.reshape(len(values), -1) for values in (outputs, reference))
        if own.shape != other.shape:
            raise DataError(
                f"A file gives {own.shape[1]} values per sample, and the baseline {other.shape[1]}.",
                why="Without labels each file is compared with the baseline, so all must be variants of one model.",
                fix="Leave out the file of another model, or name the output with --output.",
            )
        finite_rows = np.asarray(np.isfinite(own).all(axis=1))
        with np.errstate(all="ignore"):  # what is not finite fails the variant
            predicted, confidence = answers(own, meaning)
            expected, _ = answers(other, of_reference)
            apart = divergence(probabilities(other, of_reference), probabilities(own, meaning))
        return {
            "predicted": predicted,
            "agrees": (predicted == expected) & finite_rows,
            "confidence": confidence.astype(np.float32),
            "divergence": apart.astype(np.float32),
            "finite": finite_rows,
        }

    def likeness(self, scores: Scores, outputs: Sequence[OutputFidelity]) -> Likeness:
        del outputs
        agreed = share("agreement", scores["agrees"])
        low, high = mean_interval(scores["divergence"])
        apart = Measured(
            metric="divergence",
            value=float(scores["divergence"].mean(dtype=np.float64)),
            low=None if low == -math.inf else max(0.0, low),
            high=finite(high),
            n=len(scores["divergence"]),
            higher_is_better=False,
        )
        agreement = Agreement(**agreed.model_dump(exclude={"metric", "higher_is_better"}))
        return Likeness(agreed, (apart,), {"agreement": agreement})
