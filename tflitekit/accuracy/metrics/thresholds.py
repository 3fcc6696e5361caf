"""What an app that sets thresholds on scores would see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tflitekit.results import AtThreshold

__all__ = ["at_thresholds"]


def at_thresholds(
    probability: NDArray[np.float32],
    truth: NDArray[np.bool_],
    thresholds: Sequence[float],
    baseline: NDArray[np.float32] | None,
) -> tuple[AtThreshold, ...]:
    """Counts what reaches each threshold.

    Args:
        probability: Any shape: of each sample, or of each label of each sample.
        truth: Whether it is positive, of the same shape.
        baseline: The baseline's probabilities of the same samples.
    """
    return tuple(_at(threshold, probability, truth, baseline) for threshold in thresholds)


def _at(
    threshold: float, probability: NDArray[np.float32], truth: NDArray[np.bool_], baseline: NDArray[np.float32] | None
) -> AtThreshold:
    above = probability >= np.float32(threshold)
    right, count, positive = (int(np.count_nonzero(part)) for part in (above & truth, above, truth))
    before = above if baseline is None else baseline >= np.float32(threshold)
    return AtThreshold(
        threshold=threshold,
        precision=right / count if count else None,
        recall=right / positive if positive else None,
        above=count / above.size,
        rose=None if baseline is None else int(np.count_nonzero(above & ~before)),
        fell=None if baseline is None else int(np.count_nonzero(~above & before)),
        n=int(above.size),
    )
