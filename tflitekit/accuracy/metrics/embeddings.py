"""Outputs that are embeddings: the same things lie near one another, and a variant's vectors point where the float model's do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Likeness, Meaning, Metric, ReferenceMetric, Scores, metric
from tflitekit.accuracy.metrics.figures import MeanFigure
from tflitekit.accuracy.remembered import Remembered
from tflitekit.core.errors import DataError
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Drop, Measured, OutputFidelity
from tflitekit.tasks.interface import Interface

__all__ = ["Cosine", "Retrieval", "found_among"]

_AT_ONCE = 1 << 22
"""Similarities that are in memory at once."""


@metric("retrieval")
def retrieve(dataset: Dataset, interface: Interface, how: TaskOptions) -> Retrieval:
    """Compares whether the nearest other samples are of the same identity."""
    del interface, how
    first = next(iter(dataset), None)
    if first is not None and not isinstance(first.label, int):
        raise DataError(
            f"The labels at {dataset.location} are no identities, and retrieval compares identities.",
            fix="Give one whole number a sample, the same for samples of the same thing; without labels take --metric cosine.",
        )
    return Retrieval()


@metric("cosine", reference=True)
def same_direction(dataset: Dataset, interface: Interface, how: TaskOptions) -> Cosine:
    """Compares the directions of embeddings with the float model's."""
    del dataset, interface, how
    return Cosine()


class Retrieval(Metric):
    """Tells for how many samples the nearest of the others, or one of the five nearest, is of the same identity.

    Each sample is looked for among all others that are evaluated, by cosine; samples whose identity has no other do not count. A figure of all
    samples together: with more of them there are more to be mistaken for. Its interval is that of the mean over samples that are looked for, the
    others as they are.
    """

    name = "retrieval"

    def __init__(self) -> None:
        self._columns = Remembered(_columns, "vector")

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        del meaning
        rows = outputs.reshape(len(labels), -1)
        return {
            "vector": _unit(rows).astype(np.float32),
            "identity": np.asarray(labels, np.int64),
            "finite": np.asarray(np.isfinite(rows).all(axis=1)),
        }

    def summarize(self, scores: Scores) -> tuple[Measured, ...]:
        columns = self._columns(scores)
        found = [figure.measured(columns) for figure in _FIGURES]
        if found[0] is None:
            raise DataError(
                "No two samples are of the same identity, so nothing can be found.",
                fix="Give several samples of each identity.",
            )
        return tuple(figure for figure in found if figure is not None)

    def drawn(self, scores: Scores) -> NDArray[np.float64]:
        return _FIGURES[0].drawn(_columns(scores))

    def drop(self, baseline: Scores, variant: Scores, max_drop: float | None) -> Drop:
        return _FIGURES[0].drop(self._columns(baseline), self._columns(variant), max_drop)


_FIGURES = (
    MeanFigure("recall@1", "at_1", higher_is_better=True),
    MeanFigure("recall@5", "at_5", higher_is_better=True),
)


def _columns(scores: Mapping[str, NDArray[Any]]) -> Scores:
    rank = found_among(scores["vector"], scores["identity"])
    known = np.isfinite(rank)
    return {f"at_{k}": np.where(known, rank < k, np.nan) for k in (1, 5)}


def found_among(vectors: NDArray[np.float32], identities: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns for each sample how many samples of other identities are nearer than the nearest of its own; NaN where it has no other.

    Ties count as half.

    Args:
        vectors: Of length 1, ``(n, dimensions)``.
        identities: ``(n,)``.
    """
    n = len(vectors)
    ranks = np.full(n, np.nan)
    step = max(1, _AT_ONCE // max(1, n))
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        near = vectors[rows] @ vectors.T
        same = identities[rows][:, None] == identities
        near[np.arange(len(rows)), rows] = -np.inf  # itself
        best = np.where(same, near, -np.inf).max(axis=1)
        others = np.where(same, -np.inf, near)
        nearer, level = (others > best[:, None]).sum(axis=1), (others == best[:, None]).sum(axis=1)
        ranks[rows] = np.where(np.isfinite(best), nearer + level / 2, np.nan)
    return ranks


class Cosine(ReferenceMetric):
    """Tells the mean cosine of a variant's embeddings and the baseline's."""

    name = "cosine"

    def compare(
        self, outputs: NDArray[np.float32], reference: NDArray[np.float32], *, meaning: Meaning, of_reference: Meaning
    ) -> Scores:
        del meaning, of_reference
        own, other = (values.reshape(len(values), -1) for values in (outputs, reference))
        if own.shape != other.shape:
            raise DataError(f"A file gives {own.shape[1]} values per sample, and the baseline {other.shape[1]}.")
        return {
            "cosine": (_unit(own) * _unit(other)).sum(axis=1),
            "finite": np.asarray(np.isfinite(own).all(axis=1)),
        }

    def likeness(self, scores: Scores, outputs: Sequence[OutputFidelity]) -> Likeness:
        del outputs
        return Likeness(MeanFigure("cosine", "cosine", higher_is_better=True).measured(scores))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns rows of length 1; zeros stay."""
    values = rows.astype(np.float64)
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        return np.asarray(np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0))
