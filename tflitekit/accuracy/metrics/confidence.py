"""How far a classifier's scores can be trusted as probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tflitekit.options.general import SEED
from tflitekit.results import Confidence, ConfidenceBin

__all__ = ["calibration"]

_BINS = 15  # the usual number: C. Guo et al., 'On calibration of modern neural networks', ICML 2017
_CELLS = 4  # per bin, for the bootstrap
_REPLICATES = 400


def calibration(confidence: NDArray[np.float32], correct: NDArray[np.bool_]) -> Confidence:
    """Returns the expected calibration error with its interval, and the bins of the reliability diagram.

    The interval is the basic bootstrap over samples (A. C. Davison and D. V. Hinkley, 'Bootstrap methods and their
    application', 1997, section 5.2): the error is biased upwards, because noise never cancels in a mean of absolute
    values, and the percentiles of the replicates would be biased twice. It is widened to hold the figure itself.

    Samples that agree in right or wrong and whose confidence agrees to 1/60 are drawn together, from a multinomial
    distribution. So the time does not grow with the number of samples, and the figure moves by less than a tenth of
    the noise.

    Args:
        confidence: Score of each answer, 0 to 1, shape ``(n,)``, n > 0.
        correct: Whether it was right, shape ``(n,)``.
    """
    scores = confidence.astype(np.float64).clip(0.0, 1.0)
    cell = np.minimum((scores * _BINS * _CELLS).astype(np.int64), _BINS * _CELLS - 1)
    key = cell * 2 + correct
    size = _BINS * _CELLS * 2
    counts = np.bincount(key, minlength=size)
    sums = np.bincount(key, scores, minlength=size)
    right = np.arange(size) % 2
    n = scores.size
    # Surplus of right answers over what the scores promise, per sample of a cell.
    surplus = right - np.divide(sums, counts, out=np.zeros(size), where=counts > 0)

    def error(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        by_bin = (drawn * surplus).reshape(*drawn.shape[:-1], _BINS, -1).sum(axis=-1)
        found: NDArray[np.float64] = np.abs(by_bin).sum(axis=-1) / n
        return found

    ece = float(error(counts))
    draws = np.random.default_rng(SEED).multinomial(n, counts / n, size=_REPLICATES)
    first, last = np.quantile(error(draws), (0.025, 0.975))
    return Confidence(
        ece=ece,
        low=max(0.0, min(ece, 2 * ece - float(last))),
        high=min(1.0, max(ece, 2 * ece - float(first))),
        mean_confidence=float(scores.mean()),
        bins=_bins(*(values.reshape(_BINS, -1).sum(axis=1) for values in (counts, sums, counts * right))),
    )


def _bins(counts: NDArray[np.int64], sums: NDArray[np.float64], right: NDArray[np.int64]) -> tuple[ConfidenceBin, ...]:
    """Returns the bins that hold samples."""
    return tuple(
        ConfidenceBin(
            low=index / _BINS,
            high=(index + 1) / _BINS,
            confidence=float(sums[index] / counts[index]),
            accuracy=float(right[index] / counts[index]),
            n=int(counts[index]),
        )
        for index in np.flatnonzero(counts)
    )
