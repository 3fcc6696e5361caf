"""See `equalized`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.engines.rounding.layers import Layer, find_layers
from tflitekit.engines.samples import runs

__all__ = ["equalized"]

Array = NDArray[Any]

_HOMOGENEOUS = (schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU)
"""Activations that a positive factor goes through."""
_MOST = 1e4  # of a factor: beyond, a channel is as good as dead


class _Pair(NamedTuple):
    """A layer, and the only one that reads what it computes."""

    first: Layer
    second: Layer


def equalized(content: bytes, samples: Iterable[Mapping[str, Array]]) -> bytes | None:
    """Returns a float file that computes the same, with channels between two layers of more alike ranges.

    A factor of a channel moves from the weights that make it to those that read it (cross-layer equalization, Nagel et al. 2019, arXiv
    1906.04721). It is the root of the channel's range over that of the weights that read it: weights have a scale for each output
    channel anyhow, and activations only one, so that theirs are the ranges that have to be alike.

    Args:
        samples: By input name, with the batch dimension.

    Returns:
        The file; None where there are no two such layers.
    """
    model = EditableModel(content)
    pairs = list(_pairs(model))
    if not pairs:
        return None
    ranges = _ranges(content, [int(pair.first.uses[0].operator.outputs[0]) for pair in pairs], samples)
    for pair in pairs:
        read = _by_input(pair.second, _constant(model, pair.second.weights))
        reached = ranges[int(pair.first.uses[0].operator.outputs[0])]
        live = (reached > 0) & (read > 0)
        factors = np.ones_like(reached)
        factors[live] = np.sqrt(reached[live] / read[live])
        if live.any():
            factors[live] /= np.exp(np.log(factors[live]).mean())
        factors = np.clip(factors, 1 / _MOST, _MOST)
        _divide_outputs(model, pair.first, factors)
        _multiply_inputs(model, pair.second, factors)
    return model.to_bytes()


def _pairs(model: EditableModel) -> Iterator[_Pair]:
    layers = [layer for layer in find_layers(model)[0] if len(layer.uses) == 1 and _is_taken(layer)]
    reading = {layer.uses[0].activations: layer for layer in layers}
    readers: dict[int, int] = {}
    for operator in model.graph.operators:
        for index in {int(i) for i in operator.inputs}:
            readers[index] = readers.get(index, 0) + 1
    outputs = {int(index) for index in model.graph.outputs}
    for layer in layers:
        use = layer.uses[0]
        written = int(use.operator.outputs[0])
        second = reading.get(written)
        activation = getattr(use.operator.builtinOptions, "fusedActivationFunction", None)
        if second is None or activation not in _HOMOGENEOUS or readers[written] != 1 or written in outputs:
            continue
        if len(_by_input(second, second.values)) == _outputs(layer):
            yield _Pair(layer, second)


def _is_taken(layer: Layer) -> bool:
    if layer.operator == "DEPTHWISE_CONV_2D":
        return bool(layer.channels == layer.values.shape[-1])
    plain = layer.operator == "CONV_2D" and layer.channels == layer.values.shape[-1]
    return plain or layer.operator == "FULLY_CONNECTED"


def _outputs(layer: Layer) -> int:
    return int(layer.values.shape[-1 if layer.operator == "DEPTHWISE_CONV_2D" else 0])


def _by_input(layer: Layer, weights: Array) -> Array:
    """Returns the largest weight that reads each channel."""
    largest: Array = np.abs(weights).max(axis=tuple(range(weights.ndim - 1)))  # channels that are read come last
    return largest


def _constant(model: EditableModel, index: int) -> Array:
    values = model.constant(index)
    assert values is not None
    return values


def _divide_outputs(model: EditableModel, layer: Layer, factors: Array) -> None:
    weights = _constant(model, layer.weights)
    along = factors if layer.operator == "DEPTHWISE_CONV_2D" else factors.reshape(-1, *[1] * (weights.ndim - 1))
    model.set_constant(layer.weights, weights / along)
    use = layer.uses[0]
    if use.bias is not None and use.bias_position is not None:
        bias = _constant(model, use.bias)
        model.set_constant(model.own_constant(use.operator, use.bias_position), bias / factors)


def _multiply_inputs(model: EditableModel, layer: Layer, factors: Array) -> None:
    model.set_constant(layer.weights, _constant(model, layer.weights) * factors)


def _ranges(content: bytes, tensors: Iterable[int], samples: Iterable[Mapping[str, Array]]) -> dict[int, Array]:
    """Returns the largest absolute value of each channel of some tensors."""
    found: dict[int, Array] = {}
    wanted = list(tensors)
    for model in runs(content, samples):
        for index in wanted:
            values = model.tensor(index)
            largest = np.abs(values.reshape(-1, values.shape[-1])).max(0)
            found[index] = np.maximum(found.get(index, 0.0), largest)
    return found
