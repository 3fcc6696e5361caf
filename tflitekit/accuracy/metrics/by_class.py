"""Figures of single classes with their intervals, and their drops, from one bootstrap for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.draws import bounds_of_draws
from tflitekit.core.statistics import paired_bootstrap_increase
from tflitekit.results import ClassRecall, Drop, finite

__all__ = ["ByClass", "class_rows"]


class ByClass(NamedTuple):
    """A figure of each class: of all samples, ``(classes,)``, and of each bootstrap draw, ``(draws, classes)``; NaN where there is none."""

    values: NDArray[np.float64]
    drawn: NDArray[np.float64]


def class_rows(
    own: ByClass,
    baseline: ByClass | None,
    *,
    metric: str,
    name: Callable[[int], str],
    counts: NDArray[Any],
    samples: NDArray[Any],
    max_class_drop: float | None,
) -> tuple[ClassRecall, ...]:
    """Returns a row for each class that is there.

    Args:
        baseline: Of the same draws; None for the baseline itself and without one.
        metric: What the figure is called (see `tflitekit.tasks.metric_words`).
        name: Of a class by its number.
        counts: How many of a class there are, ``(classes,)``: samples, objects or points.
        samples: From how many samples the draws of a class are, ``(classes,)``.
        max_class_drop: What the user accepts, in points; None for 1.
    """
    rows = []
    for number in np.flatnonzero(counts).tolist():
        n, drop = int(samples[number]), None
        if baseline is not None:
            lost = float(baseline.values[number] - own.values[number])
            increases = baseline.drawn[:, number] - own.drawn[:, number]
            resolution = (max_class_drop or 1.0) / 100
            drop = Drop.of(paired_bootstrap_increase(lost, increases, n, resolution=resolution, points=True))
        low, high = bounds_of_draws(own.drawn[:, number], n)
        rows.append(
            ClassRecall(
                label=name(number),
                value=float(own.values[number]),
                low=finite(low),
                high=finite(high),
                n=int(counts[number]),
                drop=drop,
                metric=metric,
            )
        )
    return tuple(rows)
