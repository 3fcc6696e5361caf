"""Weights on a grid: the scale of each channel, and which of the two neighbors each weight takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid", "nearest", "round_weights_on_grid"]

Array = NDArray[Any]
_BLOCK = 64  # columns whose errors are carried on one by one; beyond, in one product
_MOST_VALUES = 1 << 22  # weights at several scales that are rounded at once: 32 MB, and a few times that


@dataclass(frozen=True)
class Grid:
    """Integers ``(groups, inputs, outputs)`` and the scale of each output ``(groups, outputs)``.

    In each channel the largest integer is the end of the grid, so that whoever takes the largest weight as that end (the
    min-max rule of every converter) finds the same scale and the same integers.
    """

    integers: Array
    scales: Array

    @property
    def values(self) -> Array:
        """The weights as float32, such that dividing the largest by the end of the grid gives the scale."""
        weights: Array = self.integers.astype(np.float32) * self.scales.astype(np.float32)[:, None]
        return weights


def nearest(weights: Array, bits: int) -> Grid:
    """Rounds to nearest, with the largest weight of each channel as the end of the grid."""
    scales = _largest(weights) / (2 ** (bits - 1) - 1)
    return Grid(np.rint(weights / scales[:, None]), scales)


def round_weights_on_grid(weights: Array, hessian: Array, bits: int, factors: Array) -> Grid:
    """Rounds one weight after the other, each such that it makes up for the errors of those before it.

    This is GPTQ (Frantar et al. 2022, arXiv 2210.17323) in its equivalent form without an inverse (Babai's nearest plane): with
    ``H = L L'`` the error ``e' H e`` is ``sum_k (L_kk (e_k + sum_{j>k} L_jk e_j / L_kk))**2``, so going from the last weight to the
    first, each is rounded after adding what those already rounded left. Weights with the largest second moments come first. Of
    several scales each channel takes the one with the smallest error.

    Args:
        weights: ``(groups, inputs, outputs)``.
        hessian: Positive definite, ``(groups, inputs, inputs)``.
        factors: Of the scale that has the largest weight as the end of the grid; none above 1.
    """
    order = np.argsort(np.einsum("gkk->gk", hessian), axis=1, kind="stable")
    ordered = np.take_along_axis(hessian, order[:, :, None], 1)
    lower = np.linalg.cholesky(np.take_along_axis(ordered, order[:, None, :], 2))
    given = np.take_along_axis(weights, order[:, :, None], 1)
    end = 2 ** (bits - 1) - 1
    widest = _largest(weights) / end
    best, scales, smallest = np.zeros_like(given), widest.copy(), np.full(widest.shape, np.inf)
    at_once = max(1, _MOST_VALUES // given.size)
    for start in range(0, len(factors), at_once):
        tried = widest[:, None] * factors[start : start + at_once, None]  # (groups, factors, outputs)
        integers, errors = _rounded_at(given, lower, tried, end)
        choice = errors.argmin(1, keepdims=True)
        error = np.take_along_axis(errors, choice, 1)[:, 0]
        better = error < smallest
        best = np.where(better[:, None], np.take_along_axis(integers, choice[:, None], 2)[:, :, 0], best)
        scales = np.where(better, np.take_along_axis(tried, choice, 1)[:, 0], scales)
        smallest = np.minimum(error, smallest)
    result = np.empty_like(best)
    np.put_along_axis(result, order[:, :, None], best, 1)
    return Grid(result, scales)


def _largest(weights: Array) -> Array:
    largest = np.abs(weights).max(1)
    return np.where(largest > 0, largest, 1.0)


def _rounded_at(weights: Array, lower: Array, scales: Array, end: int) -> tuple[Array, Array]:
    """Returns integers ``(groups, inputs, factors, outputs)`` for several scales of each output, and the errors of each."""
    groups, inputs, outputs = weights.shape
    factors = scales.shape[1]
    integers, errors = _rounded(np.tile(weights, (1, 1, factors)), lower, scales.reshape(groups, -1), end)
    return integers.reshape(groups, inputs, factors, outputs), errors.reshape(groups, factors, outputs)


def _rounded(weights: Array, lower: Array, scales: Array, end: int) -> tuple[Array, Array]:
    """Returns integers for one choice of scales, and the error of each output."""
    diagonal = np.einsum("gkk->gk", lower)
    carry = (lower / diagonal[:, None, :]).transpose(0, 2, 1)  # [k, j]: what the error of j > k puts on k
    pinned = np.abs(weights).argmax(1)
    ends = np.sign(np.take_along_axis(weights, pinned[:, None], 1))[:, 0] * end
    integers, left, total = np.zeros_like(weights), np.zeros_like(weights), np.zeros(scales.shape)
    size = weights.shape[1]
    for stop in range(size, 0, -_BLOCK):
        start = max(0, stop - _BLOCK)
        carried = carry[:, start:stop, stop:] @ left[:, stop:]
        for k in range(stop - 1, start - 1, -1):
            shift = carried[:, k - start] + (carry[:, None, k, k + 1 : stop] @ left[:, k + 1 : stop])[:, 0]
            free = np.clip(np.rint((weights[:, k] + shift) / scales), -end, end)
            integers[:, k] = np.where(pinned == k, ends, free)
            left[:, k] = weights[:, k] - integers[:, k] * scales
            total += (diagonal[:, k, None] * (left[:, k] + shift)) ** 2
    return integers, total
