"""How far outputs move: from those of the float file to those of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.fidelity import Pairs, as_columns, divergence, joined, pairs_of
from tflitekit.core.statistics import paired_accuracy_drop
from tflitekit.results.accuracy import Drop
from tflitekit.results.explanation import LayerCost
from tflitekit.tflite.runtime import Model

__all__ = ["Reference", "Rows", "lost"]

Array = NDArray[Any]
Rows = Iterable[Sequence[Array]]
"""By sample, one array for each input, with the batch dimension; iterable again and again."""

_IN_MEMORY_BYTES = 64e6
_SPREAD = 1 / 64
"""Probabilities that vary by less are about constant: what is lost of that harms nobody."""
_LABEL = 0.5
_ROUNDED = 0.05
"""By so much may the sum of probabilities of classes differ from 1."""


def lost(cost: LayerCost) -> float:
    """Returns how much of the outputs is lost, from 0 to 1: the share of samples with another class, or of the variance of all columns."""
    return max(
        0.0 if cost.explained is None else 1 - cost.explained, 0.0 if cost.agreement is None else 1 - cost.agreement
    )


def _kept_outputs(model: Model, rows: Rows, folder: Path) -> Iterator[list[Array | Path]]:
    """Yields what a file gives for each sample, of which so much stays in memory and the rest goes to the disk."""
    taken = 0
    for number, row in enumerate(rows):
        outputs = model.run(row)
        taken += sum(each.nbytes for each in outputs)
        keeps = taken <= _IN_MEMORY_BYTES
        yield [each if keeps else _saved(each, folder / f"{number}-{i}.npy") for i, each in enumerate(outputs)]


def _saved(values: Array, path: Path) -> Path:
    np.save(path, values)
    return path


def _sums_to_one(rows: Iterable[Array | Path]) -> bool:
    """Whether outputs are probabilities of classes of which one is right."""
    sums = np.concatenate([_loaded(each).sum(axis=-1) for each in rows])
    return bool(np.abs(sums - 1).max(initial=0) < _ROUNDED)


def _loaded(values: Array | Path) -> Array:
    found: Array = np.load(values) if isinstance(values, Path) else values
    return found


@dataclass(frozen=True)
class Reference:
    """The outputs of the float file on all samples.

    Attributes:
        values: By sample, one array for each output, or the file that holds it.
        classes: The output with one probability or score for each class; None where none is known to be of that kind.
        several: Whether each of these stands for a label of its own, as of sigmoids: then an answer is which are above 0.5.
        probabilities: Which outputs are such.
        axes: Along which each has its columns.
        labels: The true class of each row; None where there are none.
    """

    values: Sequence[Sequence[Array | Path]]
    classes: int | None
    probabilities: frozenset[int]
    axes: Sequence[int | None]
    labels: Sequence[NDArray[np.int64]] | None = None
    several: bool = False

    @classmethod
    def of(cls, model: Model, rows: Rows, folder: Path, labels: Sequence[NDArray[np.int64]] | None = None) -> Reference:
        """Runs the float file.

        Args:
            folder: Where outputs go that would take too much memory, as the maps of a detector do.
            labels: The true classes of each of ``rows``.
        """
        graph = model.graph
        probabilities = frozenset(i for i, meaning in enumerate(graph.output_meanings) if meaning == "probabilities")
        most = max((int(each.max()) for each in labels), default=0) if labels is not None else 0
        classes = next(
            (
                i
                for i, spec in enumerate(graph.outputs)
                if len(spec.shape) == 2 and spec.shape[1] > max(1, most) and (labels is not None or i in probabilities)
            ),
            None,
        )
        values = list(_kept_outputs(model, rows, folder))
        several = labels is None and classes is not None and not _sums_to_one(each[classes] for each in values)
        return cls(values, classes, probabilities, graph.column_axes, labels if classes is not None else None, several)

    def cost(self, model: Model, rows: Rows) -> LayerCost:
        """Runs another file, and compares its outputs."""
        pairs: dict[int, Pairs] = {}
        answers, divergences = [], []
        count = 0
        for row, kept in zip(rows, self.values, strict=True):
            expected: list[Array] = [_loaded(each) for each in kept]
            found = model.run(row)
            count += len(row[0])
            for index, (one, two) in enumerate(zip(expected, found, strict=True)):
                if one.shape == two.shape and one.dtype.kind == "f":
                    both = pairs_of(*(as_columns(values, self.axes[index]) for values in (one, two)))
                    pairs[index] = joined(pairs[index], both) if index in pairs else both
            if self.classes is not None:
                one, two = expected[self.classes], found[self.classes]
                answers.append((self._answers(one), self._answers(two)))
                if self.classes in self.probabilities and not self.several:
                    divergences.append(divergence(one, two).mean())
        shares = [share for index, each in pairs.items() for share in self._kept(index, each) if not np.isnan(share)]
        return LayerCost(
            samples=count,
            divergence=float(np.mean(divergences)) if divergences else None,
            agreement=float(np.mean([(one == two).all(axis=-1) for one, two in answers])) if answers else None,
            explained=float(np.clip(shares, 0, 1).mean()) if shares else None,
            lowest=float(min(shares)) if shares else None,
            drop=self._drop(answers),
        )

    def _answers(self, values: Array) -> Array:
        """Returns the class of each row, ``(rows, 1)``, or which labels it has, ``(rows, labels)``."""
        return values > _LABEL if self.several else values.argmax(-1)[..., None]

    def _kept(self, index: int, pairs: Pairs) -> Iterator[float]:
        """Yields the share of the variance that each column keeps."""
        if index not in self.probabilities:
            yield from map(float, pairs.explained)
            return
        spread = np.maximum(pairs.deviation[0], pairs.values * _SPREAD**2)
        yield from map(float, 1 - pairs.error / spread)

    def _drop(self, answers: Sequence[tuple[Array, Array]]) -> Drop | None:
        if self.labels is None:
            return None
        known = np.concatenate(self.labels) >= 0
        right = [
            np.concatenate([both[which][..., 0] == truth for both, truth in zip(answers, self.labels, strict=True)])[
                known
            ]
            for which in (0, 1)
        ]
        return Drop.of(paired_accuracy_drop(*right)) if known.any() else None
