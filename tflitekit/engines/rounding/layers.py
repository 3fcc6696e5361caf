"""Which layers of a float ``.tflite`` file have weights to round, and how each is a product of rows and a matrix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tflitekit.engines.rounding.editing import EditableModel

__all__ = ["Layer", "LeftLayer", "Use", "find_layers"]

Array = NDArray[Any]

# By operator: the positions of its activations, weights and bias among its inputs.
_POSITIONS = {
    "CONV_2D": (0, 1, 2), "DEPTHWISE_CONV_2D": (0, 1, 2), "FULLY_CONNECTED": (0, 1, 2), "TRANSPOSE_CONV": (2, 1, 3),
    "BATCH_MATMUL": (0, 1, None),
}  # fmt: skip
_MOST_INPUTS = 8192  # of one output: the second moments of so many take 0.5 GB


@dataclass(frozen=True)
class Use:
    """One operator that reads the weights of a layer.

    Attributes:
        index: Of the operator in the main graph.
        activations, bias: Indices of tensors; the bias is None where there is none.
        bias_position: Of the bias among the operator's inputs.
        output_shape: As the file has it, with the batch dimension.
    """

    index: int
    operator: Any
    activations: int
    bias: int | None
    bias_position: int | None
    output_shape: tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """Weights that one operator or several read.

    Attributes:
        name: Of the first operator's output tensor, as recipes of the quantizer match it.
        operator: 'CONV_2D' and so on.
        weights: The tensor's index.
        values: As they are stored.
        transposed: Whether a BATCH_MATMUL has its outputs before its inputs.
        channels: Of the activations; more than the weights have where a convolution is grouped.
    """

    name: str
    operator: str
    weights: int
    values: Array = field(repr=False)
    uses: tuple[Use, ...] = field(repr=False)
    transposed: bool
    channels: int

    def matrix(self, values: Array | None = None) -> Array:
        """Returns weights as matrices ``(groups, inputs, outputs)``; the layer's own unless others are given."""
        stored = self.values if values is None else values
        if self.operator == "DEPTHWISE_CONV_2D":
            taps = stored.shape[1] * stored.shape[2]
            return stored.reshape(taps, self.channels, -1).transpose(1, 0, 2)
        if self.operator == "BATCH_MATMUL" and not self.transposed:
            return stored.reshape(1, *stored.shape[-2:])
        if self.operator == "TRANSPOSE_CONV":
            stored = stored[:, ::-1, ::-1]
        outputs = stored.shape[-2] if self.operator == "BATCH_MATMUL" else stored.shape[0]
        rows = stored.reshape(outputs, -1)
        groups = self.channels // stored.shape[-1] if self.operator == "CONV_2D" else 1
        return rows.reshape(groups, outputs // groups, -1).transpose(0, 2, 1)

    def stored(self, matrix: Array) -> Array:
        """Turns matrices back into weights as they are stored: the inverse of `matrix`."""
        shape = self.values.shape
        if self.operator == "DEPTHWISE_CONV_2D":
            return matrix.transpose(1, 0, 2).reshape(shape)
        if self.operator == "BATCH_MATMUL" and not self.transposed:
            return matrix.reshape(shape)
        values = matrix.transpose(0, 2, 1).reshape(shape)
        return values[:, ::-1, ::-1] if self.operator == "TRANSPOSE_CONV" else values


@dataclass(frozen=True)
class LeftLayer:
    """A layer whose weights are left to rounding to nearest, and why."""

    name: str
    operator: str
    reason: str


def find_layers(model: EditableModel) -> tuple[list[Layer], list[LeftLayer]]:
    """Returns the layers with weights in execution order: those that can be treated, and the others."""
    found: list[Layer] = []
    left = list(_in_loops(model))
    readers = _readers(model)
    for index, operator in enumerate(model.graph.operators):
        kind = model.operator_name(operator)
        if kind not in _POSITIONS or len(operator.inputs) < 2:
            continue
        name = model.tensor_name(operator.outputs[0])
        if model.constant(operator.inputs[1]) is None:
            if kind != "BATCH_MATMUL":  # which mostly multiplies two activations
                left.append(LeftLayer(name, kind, "its weights are not a float32 constant"))
            continue
        uses = readers[_buffer(model, operator.inputs[1])]
        reason = _reason(model, operator, kind, uses)
        if reason is not None:
            left.append(LeftLayer(name, kind, reason))
        elif uses[0] == (0, index):  # else it is part of the layer of its first use
            found.append(_layer(model, kind, [position for _, position in uses]))
    return found, left


def _in_loops(model: EditableModel) -> Iterator[LeftLayer]:
    for graph in model.subgraphs[1:]:
        for operator in graph.operators:
            kind = model.operator_name(operator)
            if kind in _POSITIONS and kind != "BATCH_MATMUL":
                name = (graph.tensors[operator.outputs[0]].name or b"").decode(errors="replace")
                yield LeftLayer(name, kind, "it is inside a loop or a branch")


def _buffer(model: EditableModel, tensor: int) -> int:
    return int(model.graph.tensors[tensor].buffer)


def _readers(model: EditableModel) -> dict[int, list[tuple[int, int]]]:
    """Returns by buffer the operators that read it, as (graph, position)."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, graph in enumerate(model.subgraphs):
        for position, operator in enumerate(graph.operators):
            for tensor in {int(index) for index in operator.inputs if index >= 0}:
                found[int(graph.tensors[tensor].buffer)].append((number, position))
    return found


def _same_kind(model: EditableModel, uses: list[tuple[int, int]]) -> bool:
    return len({model.operator_name(model.graph.operators[i]) if graph == 0 else None for graph, i in uses}) == 1


def _reason(model: EditableModel, operator: Any, kind: str, uses: list[tuple[int, int]]) -> str | None:
    """Returns why a layer cannot be treated; None where it can."""
    values, options = model.constant(operator.inputs[1]), operator.builtinOptions
    assert values is not None
    if options is None:
        return "its options are missing"
    if not _same_kind(model, uses):
        return "other kinds of operators read its weights too"
    if not np.isfinite(values).all():
        return "it has weights that are NaN or infinite"
    if kind == "FULLY_CONNECTED" and options.weightsFormat != schema.FullyConnectedOptionsWeightsFormat.DEFAULT:
        return "its weights are stored in blocks"
    if kind == "BATCH_MATMUL" and (options.adjX or values.ndim < 2 or values.size != np.prod(values.shape[-2:])):
        return "it multiplies by one matrix for each member of a batch"
    if len({_form(model, model.graph.operators[i], kind) for _, i in uses}) > 1:
        return "operators read its weights in different shapes"
    inputs = _layer(model, kind, [uses[0][1]]).matrix().shape[1]
    return f"each output has {inputs:,} inputs, more than {_MOST_INPUTS:,}" if inputs > _MOST_INPUTS else None


def _form(model: EditableModel, operator: Any, kind: str) -> tuple[Any, ...]:
    shape = tuple(model.graph.tensors[operator.inputs[1]].shape)
    return shape, _transposed(operator, kind), _channels(model, operator, kind)


def _transposed(operator: Any, kind: str) -> bool:
    return kind == "BATCH_MATMUL" and bool(operator.builtinOptions.adjY)


def _channels(model: EditableModel, operator: Any, kind: str) -> int:
    return int(model.graph.tensors[operator.inputs[_POSITIONS[kind][0]]].shape[-1])


def _layer(model: EditableModel, kind: str, positions: list[int]) -> Layer:
    operators = [model.graph.operators[i] for i in positions]
    values = model.constant(operators[0].inputs[1])
    assert values is not None
    return Layer(
        name=model.tensor_name(operators[0].outputs[0]),
        operator=kind,
        weights=int(operators[0].inputs[1]),
        values=values,
        uses=tuple(_use(model, i, operator, kind) for i, operator in zip(positions, operators, strict=True)),
        transposed=_transposed(operators[0], kind),
        channels=_channels(model, operators[0], kind),
    )


def _use(model: EditableModel, index: int, operator: Any, kind: str) -> Use:
    activations, _, position = _POSITIONS[kind]
    bias = None
    if position is not None and len(operator.inputs) > position and operator.inputs[position] >= 0:
        bias = int(operator.inputs[position])
        if model.constant(bias) is None:
            bias = None
    shape = tuple(int(size) for size in model.graph.tensors[operator.outputs[0]].shape)
    return Use(index, operator, int(operator.inputs[activations]), bias, position, shape)
