"""Known ways in which quantizing fails, and their cures. A pattern is a function of a layer; those of one cause stand in one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tflitekit.explanation.pairs import Pair
from tflitekit.explanation.sums import TensorSums
from tflitekit.results.explanation import LayerError

__all__ = ["Match", "Pattern", "Suspect", "pattern", "patterns", "suspects"]


@dataclass(frozen=True)
class Suspect:
    """A layer with all that is known of it.

    Attributes:
        inputs: What it reads, constants aside.
        readers: What reads it.
    """

    error: LayerError
    sums: TensorSums
    inputs: tuple[Suspect, ...]
    readers: list[Suspect] = field(default_factory=list, repr=False, compare=False)

    @property
    def is_output(self) -> bool:
        """Whether nothing else reads what it computes."""
        return not self.readers

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


def pattern(function: Pattern) -> Pattern:
    """Registers a pattern."""
    _PATTERNS.append(function)
    return function


def patterns() -> Sequence[Pattern]:
    """Returns all patterns."""
    from tflitekit.explanation.patterns import operators, ranges, weights  # noqa: F401

    return _PATTERNS


def suspects(layers: Sequence[LayerError], pairs: Sequence[Pair], sums: Sequence[TensorSums]) -> list[Suspect]:
    """Returns each layer with what it reads, in the order of the network."""
    found: dict[int, Suspect] = {}
    for layer, pair, each in zip(layers, pairs, sums, strict=True):
        inputs = tuple(found[index] for index in pair.baseline.inputs if index in found)
        found[pair.baseline.index] = suspect = Suspect(layer, each, inputs)
        for one in inputs:
            one.readers.append(suspect)
    return [found[pair.baseline.index] for pair in pairs]
