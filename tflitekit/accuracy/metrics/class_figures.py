"""Further figures of classifiers: those that weigh all classes alike, those of two classes by score, and those of ordered classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Scores
from tflitekit.accuracy.metrics.figures import Figure, MeanFigure
from tflitekit.accuracy.metrics.ranking import SetFigure, Weighted, average_precision, rarer_class, roc_auc

__all__ = ["FIGURES", "usual"]

_UNEQUAL = 2.0
"""Where the largest class has more than this many times the samples of the smallest, accuracy hides what the small ones lose."""


def _counted(numbers: NDArray[np.int64], weights: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Returns how much weight each number has in each draw, ``(draws, size)``."""
    return np.stack([np.bincount(numbers, row, minlength=size) for row in weights])


def _size(scores: Scores) -> int:
    return 1 + int(max(scores["label"].max(), scores["predicted"].max()))


def _balanced(scores: Scores) -> Weighted:
    """Mean of the recalls of the classes that there are."""
    label, correct, size = scores["label"], scores["correct"], _size(scores)

    def figure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        there = _counted(label, weights, size)
        right = _counted(label, weights * correct, size)
        recalls = np.divide(right, there, out=np.zeros_like(right), where=there > 0)
        return np.asarray(recalls.sum(axis=1) / (there > 0).sum(axis=1))

    return figure


def _macro_f1(scores: Scores) -> Weighted:
    """Mean of the F1 scores of the classes that there are or are answered."""
    label, predicted, correct, size = scores["label"], scores["predicted"], scores["correct"], _size(scores)

    def figure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        both = _counted(label, weights, size) + _counted(predicted, weights, size)
        right = 2 * _counted(label, weights * correct, size)
        each = np.divide(right, both, out=np.zeros_like(right), where=both > 0)
        return np.asarray(each.sum(axis=1) / (both > 0).sum(axis=1))

    return figure


def _kappa(scores: Scores) -> Weighted:
    """Cohen's kappa with squared distances between classes as weights.

    J. Cohen, 'Weighted kappa: nominal scale agreement with provision for scaled disagreement or partial credit', Psychological
    Bulletin 70 (1968). The distances that chance would give follow from the means and variances of both.
    """
    label, predicted = scores["label"].astype(np.float64), scores["predicted"].astype(np.float64)

    def figure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        n = weights.sum(axis=1)
        observed = weights @ np.square(label - predicted) / n
        means = [weights @ values / n for values in (label, predicted)]
        spread = [weights @ np.square(values) / n for values in (label, predicted)]
        expected = spread[0] + spread[1] - 2 * means[0] * means[1]
        with np.errstate(all="ignore"):
            return np.where(expected > 1e-12, 1 - observed / expected, np.nan)

    return figure


FIGURES: dict[str, Figure] = {
    "top1": MeanFigure("top1", "correct", higher_is_better=True),
    "balanced-accuracy": SetFigure("balanced-accuracy", _balanced),
    "macro-f1": SetFigure("macro-f1", _macro_f1),
    "roc-auc": SetFigure("roc-auc", lambda s: roc_auc(s["ranking"], s["label"] == 1), rarest=rarer_class),
    "pr-auc": SetFigure("pr-auc", lambda s: average_precision(s["ranking"], s["label"] == 1), rarest=rarer_class),
    "kappa": SetFigure("kappa", _kappa),
    "class-distance": MeanFigure("class-distance", "distance", higher_is_better=False),
}
"""By name; 'top1' is told by the metric itself, with Wilson's interval."""


def usual(first: str, scores: Scores) -> list[Figure]:
    """Returns the figures that belong beside the first one: for classes of unlike numbers, for two classes, for ordered classes."""
    names: list[str] = []
    counts = np.unique(scores["label"], return_counts=True)[1]
    if len(counts) > 1 and counts.max() > _UNEQUAL * counts.min():
        names += ["balanced-accuracy", "macro-f1"]
    if "ranking" in scores:
        names += ["roc-auc", "pr-auc"]
    if first in ("kappa", "class-distance"):
        names += ["kappa", "class-distance"]
    return [FIGURES[name] for name in names if name != first]
