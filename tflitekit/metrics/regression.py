"""Mean absolute and root mean squared error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.errors import DataError
from tflitekit.metrics import Meaning, Scores
from tflitekit.results import Drop, Measured, finite
from tflitekit.statistics import mean_interval, paired_mean_increase

__all__ = ["Regression"]


class Regression:
    """Compares outputs with real-valued targets; errors of a sample are averaged over its values."""

    name = "mae"

    def __init__(self, target_size: int) -> None:
        self._target_size = target_size

    def check(self, output_shape: tuple[int, ...]) -> None:
        size = int(np.prod([d for d in output_shape[1:] if d > 0]))
        if -1 not in output_shape[1:] and size != self._target_size:
            raise DataError(
                f"The model gives {size} values per sample (shape {list(output_shape)}), the data's 'y' {self._target_size}.",
                fix="Check that data and model belong together, or score another output with --output NAME.",
            )

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        del meaning
        rows = outputs.reshape(len(labels), -1).astype(np.float64)
        targets = np.asarray(labels, np.float64).reshape(len(labels), -1)
        if rows.shape != targets.shape:
            raise DataError(f"The model gives {rows.shape[1]} values per sample, the data's labels {targets.shape[1]}.")
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

    def details(self, scores: Scores, baseline: Scores | None, *, max_class_drop: float | None) -> dict[str, Any]:
        del scores, baseline, max_class_drop
        return {}

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        found = paired_mean_increase(baseline["absolute"], variant["absolute"], resolution=max_drop or None)
        return Drop.of(found)
