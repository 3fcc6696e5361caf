"""How far outputs move: from those of the float file to those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.fidelity import Pairs, as_columns, column_axis, joined, pairs_of
from tflitekit.results.explanation import LayerCost
from tflitekit.tflite.runtime import Model

__all__ = ["Reference", "Rows"]

Array = NDArray[Any]
Rows = Sequence[Sequence[Array]]
"""By sample, one array for each input, with the batch dimension."""

_LEAST = 1 / 512
"""Half a step of a quantized softmax: smaller probabilities cannot be told from 0."""

_SPREAD = 1 / 64
"""Probabilities that vary by less are about constant: what is lost of that harms nobody."""


@dataclass(frozen=True)
class Reference:
    """The outputs of the float file on all samples.

    Attributes:
        values: By sample, one array for each output.
        classes: The output with one probability or score for each class; None where none is of that shape.
        probabilities: Whether those are probabilities.
    """

    values: Sequence[Sequence[Array]]
    classes: int | None
    probabilities: bool

    @classmethod
    def of(cls, model: Model, rows: Rows) -> Reference:
        """Runs the float file."""
        graph = model.graph
        classes = next((i for i, spec in enumerate(graph.outputs) if len(spec.shape) == 2 and spec.shape[1] > 1), None)
        probable = classes is not None and graph.output_meanings[classes] == "probabilities"
        return cls([model.run(row) for row in rows], classes, probable)

    def cost(self, model: Model, rows: Rows) -> LayerCost:
        """Runs another file, and compares its outputs."""
        pairs: dict[int, Pairs] = {}
        divergences, agreements = [], []
        for row, expected in zip(rows, self.values, strict=True):
            found = model.run(row)
            for index, (one, two) in enumerate(zip(expected, found, strict=True)):
                if one.shape == two.shape and one.dtype.kind == "f":
                    axis = column_axis(one.shape)
                    both = pairs_of(as_columns(one, axis), as_columns(two, axis))
                    pairs[index] = joined(pairs[index], both) if index in pairs else both
            if self.classes is not None:
                one, two = expected[self.classes], found[self.classes]
                agreements.append(one.argmax(-1) == two.argmax(-1))
                if self.probabilities:
                    divergences.append(_divergence(one, two))
        kept = [share for index, each in pairs.items() for share in self._kept(index, each) if not np.isnan(share)]
        return LayerCost(
            divergence=float(np.mean(divergences)) if divergences else None,
            agreement=float(np.mean(agreements)) if agreements else None,
            explained=float(np.clip(kept, 0, 1).mean()) if kept else None,
            lowest=float(min(kept)) if kept else None,
        )

    def _kept(self, index: int, pairs: Pairs) -> list[float]:
        """Returns the share of the variance that each column keeps."""
        if index != self.classes or not self.probabilities:
            return [float(share) for share in pairs.explained]
        spread = np.maximum(pairs.deviation[0], pairs.values * _SPREAD**2)
        return [float(share) for share in 1 - pairs.error / spread]


def _divergence(expected: Array, found: Array) -> float:
    p, q = (np.maximum(each.astype(np.float64), _LEAST) for each in (expected, found))
    p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    return float((p * np.log(p / q)).sum(-1).mean())
