"""Which outputs of two files ought to hold the same, and how alike they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tflitekit.accuracy.fidelity import (
    Pairs,
    Side,
    Sums,
    add_sums,
    as_columns,
    is_whole,
    pairs_beside,
    pairs_of,
    samples_at_once,
    side_of,
)
from tflitekit.accuracy.inference import Outputs
from tflitekit.tflite.graph import Graph

__all__ = ["Baseline", "Match", "matched"]

_KEPT = 8
"""Blocks of the baseline's values that are kept as they were summed up, of some megabytes each."""
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


class Baseline:
    """The baseline's outputs for some samples, with which those of one variant after the other are compared.

    Args:
        outputs: They are kept, and so are a few sums over them.
    """

    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs
        self._sides: dict[Any, Side] = {}

    def compared(self, matches: Sequence[Match], variant: Outputs) -> Sums:
        """Sums up pairs of values; samples for which two files give another number of values are left out."""
        sums: Sums = {}
        for match in matches:
            one, two = self.outputs[match.of_baseline], variant[match.index]
            alike = len({array.shape for array in (*one, *two)}) == 1 and len(one) == len(two)
            step = max(1, samples_at_once(*_rows(one[0], match).shape)) if alike and one[0].size else 1
            for start in range(0, min(len(one), len(two)), step):
                part = slice(start, start + step)
                if one[start].shape == two[start].shape and one[start].size:
                    add_sums(sums, {match.index: self._pairs(match, part, two[part])})
        return sums

    def _pairs(self, match: Match, part: slice, variant: Sequence[NDArray[Any]]) -> Pairs:
        own = self.outputs[match.of_baseline][part]
        first, beside = (_rows(samples[0], match) for samples in (own, variant))
        each, columns = first.shape
        if not samples_at_once(each, columns):
            return pairs_of(first, beside, each=each)
        whole = is_whole(first, beside)
        key = (match.of_baseline, part.start, part.stop, whole)
        side = self._sides.get(key) or side_of([_rows(sample, match) for sample in own], whole=whole)
        if len(self._sides) < _KEPT:
            self._sides[key] = side
        return pairs_beside(side, side_of([_rows(sample, match) for sample in variant], whole=whole), each, whole=whole)


def _rows(sample: NDArray[Any], match: Match) -> NDArray[Any]:
    """Returns a sample as ``(rows, columns)``."""
    return as_columns(sample[None], match.axis)
