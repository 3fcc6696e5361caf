"""What a layer multiplies its weights by: one row for each place of its output (im2col)."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tflitekit.engines.rounding.layers import Layer, Use

__all__ = ["activated", "rows_of"]

Array = NDArray[Any]
_LIMITS = {
    schema.ActivationFunctionType.RELU: (0.0, np.inf),
    schema.ActivationFunctionType.RELU6: (0.0, 6.0),
    schema.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
}


def rows_of(layer: Layer, use: Use, activations: Array, places: int | None, random: np.random.Generator) -> Array:
    """Returns what a layer multiplies by `Layer.matrix`.

    Args:
        activations: What the operator read.
        places: The most places of the output to take, drawn at random; all when not given. Two calls with generators of the
            same state take the same.

    Returns:
        ``(groups, places, inputs)``.
    """
    if layer.operator in ("FULLY_CONNECTED", "BATCH_MATMUL"):
        rows = activations.reshape(1, -1, layer.matrix().shape[1])
        return rows[:, _drawn(rows.shape[1], places, random)]
    windows = _windows(layer, use, activations)  # (batch, height, width, channels, kernel height, kernel width)
    index = np.unravel_index(_drawn(int(np.prod(windows.shape[:3])), places, random), windows.shape[:3])
    taken = windows[index]
    if layer.operator == "DEPTHWISE_CONV_2D":
        return taken.reshape(len(taken), layer.channels, -1).transpose(1, 0, 2)
    groups = layer.channels // layer.values.shape[-1]
    grouped = taken.reshape(len(taken), groups, -1, *taken.shape[2:])
    return grouped.transpose(1, 0, 3, 4, 2).reshape(groups, len(taken), -1)


def activated(values: Array, use: Use) -> Array | None:
    """Applies the activation that is fused into an operator; None where that is one that no convolution has."""
    kind = getattr(use.operator.builtinOptions, "fusedActivationFunction", schema.ActivationFunctionType.NONE)
    if kind == schema.ActivationFunctionType.NONE:
        return values
    return np.clip(values, *_LIMITS[kind]) if kind in _LIMITS else None


def _drawn(count: int, places: int | None, random: np.random.Generator) -> Array:
    if places is None or count <= places:
        return np.arange(count)
    return random.choice(count, places, replace=False, shuffle=False)


def _windows(layer: Layer, use: Use, activations: Array) -> Array:
    options = use.operator.builtinOptions
    kernel = layer.values.shape[1:3]
    strides, dilations = (options.strideH, options.strideW), (1, 1)
    if layer.operator == "TRANSPOSE_CONV":
        activations, strides = _spread(activations, use, kernel, strides), (1, 1)
    else:
        dilations = options.dilationHFactor, options.dilationWFactor
        if options.padding == schema.Padding.SAME:
            sides = [
                _same(activations.shape[1 + axis], kernel[axis], strides[axis], dilations[axis]) for axis in range(2)
            ]
            activations = np.pad(activations, [(0, 0), *sides, (0, 0)])
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    windows = sliding_window_view(activations, reach, axis=(1, 2))
    chosen: Array = windows[:, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]
    return chosen


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    total = max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return total // 2, total - total // 2


def _spread(activations: Array, use: Use, kernel: tuple[int, ...], strides: tuple[int, int]) -> Array:
    """Puts zeros between and around what a transposed convolution reads, so that it is a plain one with a flipped kernel."""
    sizes = use.output_shape[1:3]
    spread = np.zeros(
        (len(activations), sizes[0] + kernel[0] - 1, sizes[1] + kernel[1] - 1, activations.shape[-1]), activations.dtype
    )
    places = []
    for axis in range(2):
        count = activations.shape[1 + axis]
        before = max(0, (count - 1) * strides[axis] + kernel[axis] - sizes[axis]) // 2
        places.append(np.arange(count) * strides[axis] + kernel[axis] - 1 - before)
    inside = [(place >= 0) & (place < spread.shape[1 + axis]) for axis, place in enumerate(places)]
    rows, columns = places[0][inside[0]], places[1][inside[1]]
    spread[:, rows[:, None], columns[None, :]] = activations[:, inside[0]][:, :, inside[1]]
    return spread
