"""Known ways in which quantizing fails, and their cures. A pattern is a function of a layer; those of one cause stand in one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tflitekit.explanation.pairs import Pair
from tflitekit.explanation.sums import TensorSums
from tflitekit.results.explanation import LayerError

__all__ = ["Match", "Pattern", "Suspect", "grid_pattern", "matches", "pattern", "suspects"]


_NAMED = 3
_MOVING = {
    "RESHAPE", "TRANSPOSE", "MAX_POOL_2D", "PAD", "PADV2", "MIRROR_PAD", "SQUEEZE", "EXPAND_DIMS", "SLICE", "STRIDED_SLICE",
    "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "RESIZE_NEAREST_NEIGHBOR", "GATHER",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Suspect:
    """A layer with all that is known of it.

    Attributes:
        inputs: What it reads, constants aside.
        repeats: How many operators have the same weights; 0 without any.
        readers: What reads it.
        names: Of its channels, where they are columns of an output that a reader knows.
    """

    error: LayerError
    sums: TensorSums
    inputs: tuple[Suspect, ...]
    repeats: int = 0
    readers: list[Suspect] = field(default_factory=list, repr=False)
    names: Sequence[str] = ()

    @property
    def is_output(self) -> bool:
        """Whether nothing reads what it computes, or only what moves it on to an output."""
        return all(one.error.operator in _MOVING and one.is_output for one in self.readers)

    @property
    def columns(self) -> Sequence[str]:
        """What its channels are, here or where they are moved to; empty where that is not known."""
        moved = (one.columns for one in self.readers if one.error.operator in _MOVING)
        known = self.names or next(filter(None, moved), ())
        return known if len(known) == self.error.channels else ()

    def told(self, numbers: Sequence[int]) -> str:
        """Returns ' (width, score of 'cat' and 3 others)' for some of its channels; empty where it is not known what they are."""
        names = [self.columns[number] for number in numbers] if self.columns else []
        if not names:
            return ""
        more = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
        return f" ({', '.join(names[:_NAMED])}{more})"

    @property
    def source(self) -> Suspect:
        """The layer that computed the values, where this one only moves them."""
        return self.inputs[0].source if self.error.operator in _MOVING and self.inputs else self

    @property
    def ranges(self) -> NDArray[np.float64]:
        """The largest absolute float value of each channel."""
        low, high = self.sums.pairs.low[0], self.sums.pairs.high[0]
        found: NDArray[np.float64] = np.maximum(np.abs(low), np.abs(high))
        return found

    @property
    def steps(self) -> NDArray[np.float64]:
        """How many steps of the grid the float values of each channel take; infinite without a grid."""
        span: NDArray[np.float64] = self.sums.pairs.high[0] - self.sums.pairs.low[0]
        grid = self.error.grid
        if grid is None:
            return np.full_like(span, np.inf)
        levels = 65535 if self.error.dtype == "int16" else 255
        return span / ((grid[1] - grid[0]) / levels)


@dataclass(frozen=True)
class Match:
    """A pattern that fits.

    Attributes:
        of: The layer that is to blame, where that is one that the suspect reads.
        weight: How well it explains the error, from 0 to 1: of several that fit, the one with the most is told.
    """

    name: str
    message: str
    advice: str
    weight: float
    of: LayerError | None = None


Pattern = Callable[[Suspect], Match | None]

_PATTERNS: list[Pattern] = []
_OF_GRIDS: list[Pattern] = []


def pattern(function: Pattern) -> Pattern:
    """Registers a pattern."""
    _PATTERNS.append(function)
    return function


def grid_pattern(function: Pattern) -> Pattern:
    """Registers a pattern of the grid that a layer writes. Whoever reads it suffers as well, and tells that layer."""
    _OF_GRIDS.append(function)
    return pattern(function)


def matches(suspect: Suspect) -> list[Match]:
    """Returns all patterns that fit a layer, and those that fit what it reads."""
    from tflitekit.explanation.patterns import operators, ranges, weights  # noqa: F401

    source = suspect.source
    found = [
        (None if one is suspect else one, each(one))
        for one in {id(one): one for one in (suspect, source)}.values()
        for each in _PATTERNS
    ]
    found += [(one.source, each(one.source)) for one in suspect.inputs for each in _OF_GRIDS]
    return [
        match if one is None or match.of is not None else replace(match, of=one.error)
        for one, match in found
        if match is not None
    ]


def suspects(
    layers: Sequence[LayerError],
    pairs: Sequence[Pair],
    sums: Sequence[TensorSums],
    columns: Mapping[int, Sequence[str]],
) -> list[Suspect]:
    """Returns each layer with what it reads, in the order of the network.

    Args:
        columns: What the channels of a tensor of the float file are, where that is known.
    """
    uses = Counter(index for pair in pairs for index in pair.baseline.inputs)
    weights = {pair.baseline.inputs[1] for pair, layer in zip(pairs, layers, strict=True) if layer.weights is not None}
    found: dict[int, Suspect] = {}
    for layer, pair, each in zip(layers, pairs, sums, strict=True):
        inputs = tuple(found[index] for index in pair.baseline.inputs if index in found)
        repeats = max((uses[index] for index in pair.baseline.inputs if index in weights), default=0)
        found[pair.baseline.index] = suspect = Suspect(
            layer, each, inputs, repeats, names=columns.get(pair.baseline.index, ())
        )
        for one in inputs:
            one.readers.append(suspect)
    return [found[pair.baseline.index] for pair in pairs]
