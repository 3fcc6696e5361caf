"""Which operators of a float ``.tflite`` file have weights, and which are excepted from what a recipe makes of the others."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from tflitekit.schemes import Recipe
from tflitekit.tflite.flatbuffer import DTYPES, Reader, name_of, parse_with, read_with

__all__ = ["Exceptions", "Weights", "exceptions", "float_tables", "shared_weights"]

_WEIGHTED = {
    "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1, "BATCH_MATMUL": 1, "CONV_3D": 1,
    "EMBEDDING_LOOKUP": 1,
}  # fmt: skip
"""The position of the weights among the inputs."""

_LARGE = 1024
"""Elements from which on TensorFlow's converter quantizes weights."""

_MATTERS = 0.01
"""Share of all constants below which it does not matter that weights stay float, such as the scales of a normalization."""


@dataclass(frozen=True)
class Exceptions:
    """Operators by the name of their first output, as the quantizer's rules match them.

    Attributes:
        floats: Which compute in float32, with float32 weights.
        int8: Whose weights are int8, not int4.
        float16: Which compute in float32, with float16 weights.
        int16: Whose activations are int16, with int8 weights.
    """

    floats: tuple[str, ...] = ()
    int8: tuple[str, ...] = ()
    float16: tuple[str, ...] = ()
    int16: tuple[str, ...] = ()


@dataclass(frozen=True)
class Weights:
    """One buffer of weights, with the operators that read it: they have it in one type.

    Attributes:
        operators: By the name of their first output.
        kind: Of the first operator, such as 'CONV_2D'.
    """

    operators: tuple[str, ...]
    kind: str
    elements: int


@dataclass(frozen=True)
class _Operator:
    name: str
    kind: str
    buffer: int  # of its weights
    elements: int


def shared_weights(content: bytes) -> tuple[Weights, ...]:
    """Returns all float32 weights of the main graph, in the order of execution."""
    return parse_with(content, "the model", lambda reader: tuple(_shared(reader)))


def _shared(reader: Reader) -> Iterator[Weights]:
    graph = reader.subgraphs[0]
    found: dict[int, list[_Operator]] = {}
    for i in range(graph.OperatorsLength()):
        if (one := _weighted(reader, graph, graph.Operators(i))) is not None:
            found.setdefault(one.buffer, []).append(one)
    for each in found.values():
        yield Weights(tuple(one.name for one in each), each[0].kind, each[0].elements)


def exceptions(content: bytes, recipe: Recipe) -> Exceptions:
    """Returns what is excepted: weights that are too small to be worth it, and those of the first and last layers."""
    if not recipe.smallest and not _keeps_ends(recipe):
        return Exceptions()
    return parse_with(content, "the model", lambda reader: _exceptions(reader, recipe))


def float_tables(float_file: Path) -> tuple[str, ...]:
    """Returns the operators whose weights litert-quantizer leaves in float where activations are float, as of an embedding."""
    return read_with(float_file, lambda reader: tuple(sorted(set(_float_tables(reader)))))


def _float_tables(reader: Reader) -> Iterator[str]:
    large = max(4 * _LARGE, _MATTERS * sum(reader.buffer_bytes))

    def is_table(tensor: Any) -> bool:
        return DTYPES.get(tensor.Type()) == "float32" and reader.buffer_bytes[tensor.Buffer()] >= large

    for graph in reader.subgraphs:
        for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
            name = reader.operator_name(operator)
            read = [operator.Inputs(j) for j in range(operator.InputsLength())]
            quantized = name in _WEIGHTED and name != "CONV_3D"
            if not quantized and any(index >= 0 and is_table(graph.Tensors(index)) for index in read):
                yield name


def _keeps_ends(recipe: Recipe) -> bool:
    return recipe.weights == "int4" and recipe.first_last == "int8"


def _exceptions(reader: Reader, recipe: Recipe) -> Exceptions:
    graph = reader.subgraphs[0]
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    weighted = {i: found for i, one in enumerate(operators) if (found := _weighted(reader, graph, one)) is not None}
    small = tuple(one.name for one in _all_weighted(reader) if one.elements < recipe.smallest)
    if not _keeps_ends(recipe):
        return Exceptions(floats=small)
    reads = [[one.Inputs(j) for j in range(one.InputsLength())] for one in operators]
    writes = [[one.Outputs(j) for j in range(one.OutputsLength())] for one in operators]
    forwards, backwards = range(len(operators)), range(len(operators) - 1, -1, -1)
    ends = {*_outermost(weighted, reads, writes, forwards), *_outermost(weighted, writes, reads, backwards)}
    shared = {weighted[i].buffer for i in ends}  # whoever has the same weights has them in the same type
    return Exceptions(floats=small, int8=tuple(one.name for one in weighted.values() if one.buffer in shared))


def _all_weighted(reader: Reader) -> Iterator[_Operator]:
    """Yields the operators with weights, those inside loops too."""
    for graph in reader.subgraphs:
        for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
            if (found := _weighted(reader, graph, operator)) is not None:
                yield found


def _weighted(reader: Reader, graph: Any, operator: Any) -> _Operator | None:
    kind = reader.operator_name(operator)
    position = _WEIGHTED.get(kind)
    if position is None or operator.InputsLength() <= position:
        return None
    weights = graph.Tensors(operator.Inputs(position))
    if DTYPES.get(weights.Type()) != "float32" or not reader.buffer_bytes[weights.Buffer()]:
        return None
    elements = prod(weights.Shape(i) for i in range(weights.ShapeLength()))
    return _Operator(name_of(graph.Tensors(operator.Outputs(0))), kind, weights.Buffer(), elements)


def _outermost(
    weighted: Container[int], reads: Sequence[Sequence[int]], writes: Sequence[Sequence[int]], order: Iterable[int]
) -> Iterator[int]:
    """Yields the operators with weights that come before all others on their way through the graph."""
    behind: set[int] = set()
    for i in order:
        met = not behind.isdisjoint(reads[i])
        if i in weighted and not met:
            yield i
        if i in weighted or met:
            behind.update(writes[i])
