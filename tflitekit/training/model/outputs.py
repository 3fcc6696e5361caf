"""What stands right before the outputs of a tf_keras model: where their columns lie, and which layers join values of unlike ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tflitekit.tflite.columns import UNLIKE, column_axis, reshaped_axis
from tflitekit.training.model.walk import Call, calls, flatten_tensors

__all__ = ["column_axes", "unlike_joins"]

_CHANNELS = {
    "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D", "DepthwiseConv2D",
    "SeparableConv1D", "SeparableConv2D", "Dense", "EinsumDense", "Embedding", "LSTM", "GRU", "SimpleRNN", "Bidirectional",
}  # fmt: skip
_JOINS = {"Concatenate", "concatenate", "concat", "stack"}
_TURNS = {"Permute", "transpose"}
_RESHAPES = {"Reshape", "Flatten", "reshape", "flatten", "squeeze", "expanddims"}


def column_axes(model: Any) -> list[int | None]:
    """Returns for each output the axis of its columns, as `tflitekit.tflite.columns` does for a ``.tflite`` file."""
    traced: dict[int, int] = {}
    for step in calls(model):
        axis = _traced(step, traced)
        if axis is not None:
            traced |= {id(tensor): axis for tensor in step.outputs if axis < len(tensor.shape)}
    return [traced.get(id(tensor), column_axis(_sizes(tensor))) for tensor in model.outputs]


def unlike_joins(model: Any, samples: Sequence[Any]) -> frozenset[str]:
    """Returns the layers that join values of unlike ranges right before an output, such as boxes and scores, by name.

    With them those that only move the values on, so that all of these together can stay float.

    Args:
        samples: Real inputs, one array for each input.
    """
    import tf_keras

    producers = {id(tensor): step for step in calls(model) for tensor in step.outputs}
    chains = [chain for tensor in model.outputs if (chain := _chain(producers, tensor)) and _parts(chain[-1])]
    found: set[str] = set()
    for chain in chains:
        parts = _parts(chain[-1])
        values = tf_keras.Model(model.inputs, parts)(list(samples) if len(samples) > 1 else samples[0], training=False)
        sizes = [float(np.abs(np.asarray(each)).max(initial=0)) for each in values]
        if max(sizes) >= UNLIKE * min(sizes):
            found |= {step.layer.name for step in chain}
    return frozenset(found)


def _chain(producers: dict[int, Call], tensor: Any) -> list[Call]:
    """Returns the layers from an output back to what joins its parts; none where something else computes it."""
    chain: list[Call] = []
    while (step := producers.get(id(tensor))) is not None:
        chain.append(step)
        kind, given = _kind(step.layer), flatten_tensors((step.args, step.kwargs))
        if kind in _JOINS and len(given) > 1:
            return chain
        if kind not in _TURNS | _RESHAPES or len(given) != 1:
            return []
        [tensor] = given
    return []


def _parts(step: Call) -> list[Any]:
    return flatten_tensors((step.args, step.kwargs))


def _traced(step: Call, traced: dict[int, int]) -> int | None:
    """Returns where a layer leaves the channels of one with weights; None where that cannot be told."""
    kind, rank = _kind(step.layer), len(step.outputs[0].shape)
    if kind in _CHANNELS:
        return 1 if getattr(step.layer, "data_format", None) == "channels_first" else rank - 1
    known = [tensor for tensor in flatten_tensors((step.args, step.kwargs)) if id(tensor) in traced]
    if not known:
        return None
    axis = traced[id(known[0])]
    if kind in _TURNS:
        order = _order(step.layer)
        return order.index(axis) if axis in order else None
    if kind in _RESHAPES:
        return reshaped_axis(_sizes(known[0]), axis, _sizes(step.outputs[0]))
    same = {traced[id(tensor)] for tensor in known if len(tensor.shape) == rank}
    return same.pop() if len(same) == 1 else None


def _kind(layer: Any) -> str:
    kind = type(layer).__name__
    return kind if kind != "Operation" else layer.symbol.rpartition(":")[2].rpartition(".")[2].replace("_", "").lower()


def _order(layer: Any) -> list[int]:
    """Returns the order of axes, batch first; none where it cannot be told."""
    if type(layer).__name__ == "Permute":
        return [0, *layer.dims]
    from tflitekit.training.model.operations import decode

    config = layer.get_config()
    given = {**config["kwargs"], **config["options"]}
    order = decode(given.get("axes") or given.get("perm") or config["args"][-1], ("",))
    return list(order) if isinstance(order, list | tuple) else []


def _sizes(tensor: Any) -> tuple[int, ...]:
    """Returns a shape in which what is open counts as 1."""
    return tuple(int(size or 1) for size in tensor.shape)
