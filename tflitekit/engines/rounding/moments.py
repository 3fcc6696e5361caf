"""Second moments of what a layer reads and of what it lacks, summed sample by sample: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments", "Statistics", "products"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Statistics:
    """What the rows ``x`` of a layer on the quantized prefix say, per row. ``d`` is what the outputs of the unchanged weights lack to
    those of the float model. Of a layer with a bias all are about the mean, which the bias can take.

    Attributes:
        hessian: ``E x x'``, ``(groups, inputs, inputs)``.
        missing: ``E x d``, ``(groups, inputs, outputs)``.
        missing_power: ``E d**2``, ``(groups, outputs)``.
        inputs, lacking: The means of ``x`` and ``d``; zero where there is no bias.
    """

    hessian: Array
    missing: Array
    missing_power: Array
    inputs: Array
    lacking: Array

    def error(self, change: Array) -> Array:
        """Returns the mean squared error of each output ``(groups, outputs)`` after a change of the weights."""
        quadratic = np.einsum("gkm,gkm->gm", change, self.hessian @ change - 2 * self.missing)
        error: Array = np.maximum(0.0, self.missing_power + quadratic)
        return error

    def power(self, weights: Array) -> Array:
        """Returns the variance of the float model's outputs ``(groups, outputs)``, which have these weights."""
        return self.error(-weights)

    def bias_correction(self, change: Array) -> Array:
        """Returns what the bias must take up after a change of the weights, ``(groups, outputs)``."""
        taken: Array = self.lacking - np.einsum("gk,gkm->gm", self.inputs, change)
        return taken


class Moments:
    """Sums over rows, in float64."""

    def __init__(self) -> None:
        self._rows, self._sums = 0, list[Array]()

    def add(self, rows: int, parts: Sequence[Array]) -> None:
        """Adds what `products` says of some rows."""
        if not self._sums:
            self._sums = [np.zeros(part.shape) for part in parts]
        for total, part in zip(self._sums, parts, strict=True):
            np.add(total, part, out=total)
        self._rows += rows

    def statistics(self, *, centered: bool) -> Statistics:
        """Returns the means, ``centered`` for a layer whose bias takes up what is constant."""
        hessian, missing, power, inputs, lacking = (part / self._rows for part in self._sums)
        if not centered:
            return Statistics(hessian, missing, power, np.zeros_like(inputs), np.zeros_like(lacking))
        return Statistics(
            hessian - inputs[:, :, None] * inputs[:, None, :],
            missing - inputs[:, :, None] * lacking[:, None, :],
            power - lacking**2,
            inputs,
            lacking,
        )


def products(quantized: Array, float_rows: Array, weights: Array) -> list[Array]:
    """Returns what rows ``(groups, rows, inputs)`` of the quantized prefix, and of the float model at the same places, add to `Moments`."""
    missing = (float_rows - quantized) @ weights
    turned = quantized.transpose(0, 2, 1)
    return [turned @ quantized, turned @ missing, (missing**2).sum(1), quantized.sum(1), missing.sum(1)]
