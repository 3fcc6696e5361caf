"""Without labels: how much of what the baseline's outputs tell a variant keeps, by output and column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Likeness, Meaning, ReferenceMetric, Scores, metric
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Measured, OutputFidelity
from tflitekit.tasks.interface import Interface

__all__ = ["Explained"]


@metric("fidelity", reference=True)
def keep(dataset: Dataset, interface: Interface, how: TaskOptions) -> Explained:
    """Compares the values of all outputs with the baseline's."""
    del dataset, interface, how
    return Explained()


class Explained(ReferenceMetric):
    """Tells the share of the baseline's variance that a variant explains; of several outputs that of the one kept least.

    The sums over values are made for every metric (see `tflitekit.accuracy.fidelity`), so nothing is kept of a sample.
    """

    name = "fidelity"

    def compare(
        self, outputs: NDArray[np.float32], reference: NDArray[np.float32], *, meaning: Meaning, of_reference: Meaning
    ) -> Scores:
        del reference, meaning, of_reference
        return {"finite": np.asarray(np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1))}

    def likeness(self, scores: Scores, outputs: Sequence[OutputFidelity]) -> Likeness:
        known = [(output.mean, output) for output in outputs if output.mean is not None]
        if not known:
            return Likeness(None)
        value, least = min(known, key=lambda pair: pair[0])
        found = Measured(
            metric="fidelity",
            value=value,
            low=least.low,
            high=least.high,
            n=len(scores["finite"]),
            higher_is_better=True,
        )
        return Likeness(found)
