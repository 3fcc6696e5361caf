"""The operators of one graph of a ``.tflite`` file, with what they read, write and compute in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tflitekit.tflite.census import computes
from tflitekit.tflite.flatbuffer import DTYPES, FLOATS, QUANTIZED, Reader, name_of

__all__ = ["Operator", "read_operators"]


@dataclass(frozen=True)
class Operator:
    """One operator: its name, the names of the constants it reads and of the tensors it writes.

    Attributes:
        compute: The type that it computes in (see `OpCount`).
        inputs: Names of the tensors that it reads and that are no constants.
        weights: Type of its largest constant of numbers with several dimensions; '' without one.
        reads: Type of what it reads first; a conversion makes ``writes`` of it.
        stride: The larger of the strides of a convolution or pooling; 0 for other operators.
    """

    name: str
    constants: tuple[str, ...]
    outputs: tuple[str, ...]
    compute: str = ""
    version: int = 1
    inputs: tuple[str, ...] = ()
    weights: str = ""
    reads: str = ""
    writes: str = ""
    stride: int = 0


def read_operators(reader: Reader, graph: Any) -> Iterator[Operator]:
    """Yields the operators of a graph in order."""
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        kind, version, _ = reader.codes[operator.OpcodeIndex()]
        compute, constants = computes(reader, graph, operator, kind)
        read = [operator.Inputs(j) for j in range(operator.InputsLength()) if operator.Inputs(j) >= 0]
        written = [operator.Outputs(j) for j in range(operator.OutputsLength())]
        stored = {operator.Inputs(position) for position, _ in constants}
        yield Operator(
            name=kind,
            constants=tuple(name_of(graph.Tensors(index)) for index in read if index in stored),
            outputs=tuple(name_of(graph.Tensors(index)) for index in written),
            compute=compute,
            version=version,
            inputs=tuple(name_of(graph.Tensors(index)) for index in read if index not in stored),
            weights=_weights(reader, [tensor for _, tensor in constants]),
            reads=_dtype(graph, read),
            writes=_dtype(graph, written),
            stride=_stride(operator, kind),
        )


_STRIDED = {
    "AVERAGE_POOL_2D": schema.Pool2DOptions,
    "CONV_2D": schema.Conv2DOptions,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptions,
    "MAX_POOL_2D": schema.Pool2DOptions,
    "TRANSPOSE_CONV": schema.TransposeConvOptions,
}


def _stride(operator: Any, kind: str) -> int:
    table = operator.BuiltinOptions()
    if kind not in _STRIDED or table is None:
        return 0
    options = _STRIDED[kind]()
    options.Init(table.Bytes, table.Pos)
    return int(max(options.StrideH(), options.StrideW()))


def _weights(reader: Reader, constants: list[Any]) -> str:
    """Returns the type of the largest constant with several dimensions."""
    real = FLOATS | QUANTIZED
    weights = [one for one in constants if one.ShapeLength() > 1 and DTYPES.get(one.Type()) in real]
    largest = max(weights, key=lambda tensor: reader.buffer_bytes[tensor.Buffer()], default=None)
    return "" if largest is None else DTYPES.get(largest.Type(), "?")


def _dtype(graph: Any, tensors: list[int]) -> str:
    return DTYPES.get(graph.Tensors(tensors[0]).Type(), "?") if tensors else ""
