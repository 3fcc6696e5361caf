"""A user's own metric: one number per sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.draws import bounds_of_mean
from tflitekit.accuracy.metrics import Meaning, Metric, Scores
from tflitekit.core.errors import DataError
from tflitekit.core.statistics import paired_mean_increase
from tflitekit.core.user_code import place
from tflitekit.results import Drop, Measured, finite

__all__ = ["CustomMetric"]


class CustomMetric(Metric):
    """Averages ``function(output, label) -> float`` over the samples.

    Higher is better, unless the function has the attribute ``higher_is_better = False``. ``output`` is the float32
    output of one sample without batch; ``label`` an int or an array.
    """

    is_mean = True

    def __init__(self, name: str, function: Callable[[Any, Any], float]) -> None:
        self.name = name
        self._function = function
        self._sign = -1.0 if getattr(function, "higher_is_better", True) else 1.0

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        del meaning
        try:
            values = [float(self._function(output, label)) for output, label in zip(outputs, labels, strict=True)]
        except Exception as error:
            raise DataError(
                f"The metric '{self.name}' failed: {type(error).__name__}: {error}.",
                why=(f"At {where}. " if (where := place(error)) else "")
                + f"It was called with an output of the shape {list(outputs.shape[1:])} and a label.",
                fix="It must be function(output, label) -> float, for one sample.",
            ) from error
        found = np.asarray(values, np.float64)
        whole = np.asarray(np.isfinite(outputs.reshape(len(labels), -1)).all(axis=1))
        if (odd := whole & ~np.isfinite(found)).any():  # of an output with NaN, nothing can be said
            raise DataError(
                f"The metric '{self.name}' returned {found[odd][0]} for an output that is finite.",
                fix="It must return a finite number for each sample: 1e-7 instead of a zero in a logarithm, say.",
            )
        return {"value": found, "finite": whole}

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        low, high = bounds_of_mean(scores["value"])
        value = float(scores["value"].mean())
        return (
            Measured(
                metric=self.name,
                value=value,
                low=finite(low),
                high=finite(high),
                n=int(scores["value"].size),
                higher_is_better=self._sign < 0,
            ),
        )

    def costs(self, scores: Scores) -> NDArray[np.float64]:
        return self._sign * np.asarray(scores["value"], np.float64)

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        found = paired_mean_increase(
            self._sign * baseline["value"], self._sign * variant["value"], resolution=max_drop or None
        )
        return Drop.of(found)
