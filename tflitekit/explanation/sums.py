"""Running sums over samples of how far one tensor is from another, and of how it takes its grid; mergeable in any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.fidelity import Pairs, as_columns, joined, pairs_of
from tflitekit.core.tensor import TensorSpec
from tflitekit.tflite.runtime import dequantize

__all__ = ["CELLS", "TensorSums", "compared", "decibels", "merged"]

CELLS = 256
"""Stretches of the grid that are told apart: each number of int8."""


@dataclass(frozen=True)
class TensorSums:
    """What is known of one tensor after some samples; of one size for any number of them.

    Attributes:
        pairs: By channel, the float values (row 0) and those of the quantized file (row 1).
        outside: Float values that lie more than a step beyond the ends of the grid. (Probabilities end at 255/256 by their
            fixed grid, which harms nothing.)
        cells: How often each stretch of the grid was taken; None for a tensor that has no grid.
    """

    pairs: Pairs
    outside: int
    cells: NDArray[np.int64] | None

    @property
    def signal(self) -> NDArray[np.float64]:
        """Sum of the squares of the float values, by channel."""
        found: NDArray[np.float64] = self.pairs.deviation[0] + self.pairs.values * np.square(self.pairs.mean[0])
        return found

    @property
    def snr_db(self) -> float:
        """Signal to noise of all values."""
        return decibels(float(self.signal.sum()), float(self.pairs.error.sum()))

    @property
    def channel_snr_db(self) -> NDArray[np.float64]:
        """Signal to noise by channel."""
        return np.array([decibels(s, n) for s, n in zip(self.signal, self.pairs.error, strict=True)])

    @property
    def bias(self) -> float:
        """How far the mean is off, by the root mean square of the float values."""
        count = self.pairs.values.sum()
        size = np.sqrt(self.signal.sum() / max(count, 1))
        off = float((self.pairs.values * (self.pairs.mean[1] - self.pairs.mean[0])).sum() / max(count, 1))
        return off / float(size) if size else 0.0

    @property
    def outside_share(self) -> float:
        """The share of float values that the grid does not reach."""
        return self.outside / max(1.0, float(self.pairs.values.sum()))

    @property
    def not_finite(self) -> float:
        """The share of values that are infinite or no numbers in the quantized file only."""
        gone = float(self.pairs.lost.sum())
        return gone / max(1.0, gone + float(self.pairs.values.sum()))

    @property
    def saturated(self) -> float | None:
        """The share of stored values at the upper end of the grid; None without one. (At the lower end are the zeros of a ReLU.)"""
        return None if self.cells is None else float(self.cells[-1] / max(1, self.cells.sum()))

    def grid(self, spec: TensorSpec) -> tuple[float, float] | None:
        """The least and the greatest value that the quantized tensor can have; None without a grid."""
        if self.cells is None or spec.quantization is None:
            return None
        limits = np.iinfo(spec.dtype)
        low, high = (
            (limit - spec.quantization.zero_point[0]) * spec.quantization.scale[0] for limit in (limits.min, limits.max)
        )
        return low, high

    def step(self, spec: TensorSpec) -> float | None:
        """The distance of two neighbours on the grid; None without one."""
        return spec.quantization.scale[0] if spec.quantization is not None and self.cells is not None else None

    @property
    def grid_used(self) -> float | None:
        """The share of the grid between the least and the greatest number that was stored; None without a grid."""
        if self.cells is None:
            return None
        taken = np.flatnonzero(self.cells)
        return float((taken[-1] - taken[0] + 1) / CELLS) if taken.size else 0.0


def compared(reference: NDArray[Any], stored: NDArray[Any], spec: TensorSpec, axis: int | None) -> TensorSums:
    """Compares two arrays of one shape: real numbers, and what a quantized file stores, with channels along ``axis``."""
    pairs = pairs_of(as_columns(reference, axis), as_columns(dequantize(stored, spec), axis))
    if spec.quantization is None or stored.dtype.kind not in "iu" or stored.dtype.itemsize > 2:
        return TensorSums(pairs, 0, None)
    limits = np.iinfo(stored.dtype)
    exact = reference / np.float32(spec.quantization.scale[0]) + spec.quantization.zero_point[0]
    outside = np.count_nonzero((exact < limits.min - 1) | (exact > limits.max + 1))
    place = (stored.astype(np.int32) - limits.min) * CELLS // (int(limits.max) - int(limits.min) + 1)
    return TensorSums(pairs, int(outside), np.bincount(place.ravel(), minlength=CELLS))


def merged(one: TensorSums, other: TensorSums) -> TensorSums:
    """Returns the sums over the samples of both."""
    cells = None if one.cells is None or other.cells is None else one.cells + other.cells
    return TensorSums(joined(one.pairs, other.pairs), one.outside + other.outside, cells)


def decibels(signal: float, noise: float) -> float:
    """Returns ``10 log10(signal / noise)``; infinite where there is no noise."""
    if noise == 0:
        return np.inf
    ratio = signal / noise
    return float(10 * np.log10(ratio)) if ratio > 0 else -np.inf
