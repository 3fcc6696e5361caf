"""Which outputs of two files ought to hold the same, and how alike they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflitekit.accuracy.fidelity import Sums, add_sums, as_columns, pairs_of
from tflitekit.accuracy.inference import Outputs
from tflitekit.tflite.graph import Graph

__all__ = ["Match", "compared", "matched"]

_NUMBERS = ("bool", "int", "uint", "float")


@dataclass(frozen=True)
class Match:
    """An output of a variant and of the baseline that ought to hold the same."""

    index: int
    of_baseline: int
    axis: int | None


def matched(graph: Graph, scored: int, baseline: Graph, scored_there: int) -> list[Match]:
    """Pairs the outputs of two files: those that are scored, and of the others those of one name that mean the same."""
    numbers = {spec.name: index for index, spec in enumerate(baseline.outputs)}
    found = []
    for index, spec in enumerate(graph.outputs):
        other = scored_there if index == scored else numbers.get(spec.name)
        if other is None or (other == scored_there and index != scored):
            continue
        beside = baseline.outputs[other]
        alike = (
            bool(spec.shape)
            and len(spec.shape) == len(beside.shape)
            and all(-1 in (one, two) or one == two for one, two in zip(spec.shape[1:], beside.shape[1:], strict=True))
        )
        same_kind = graph.output_meanings[index] == baseline.output_meanings[other]
        if alike and same_kind and spec.dtype.startswith(_NUMBERS) and beside.dtype.startswith(_NUMBERS):
            found.append(Match(index, other, baseline.column_axes[other]))
    return found


def compared(matches: Sequence[Match], baseline: Outputs, variant: Outputs) -> Sums:
    """Sums up the pairs of a chunk; samples for which two files give another number of values are left out."""
    sums: Sums = {}
    for match in matches:
        one, two = baseline[match.of_baseline], variant[match.index]
        if len({array.shape for array in (*one, *two)}) == 1 and len(one) == len(two):
            one, two = [np.stack(one)], [np.stack(two)]
        else:
            one, two = ([array[None] for array in arrays] for arrays in (one, two))
        for before, after in zip(one, two, strict=False):
            if before.shape == after.shape and before.size:
                rows, others = (as_columns(values, match.axis) for values in (before, after))
                pairs = pairs_of(rows, others, each=len(rows) // len(before))
                add_sums(sums, {match.index: pairs})
    return sums
