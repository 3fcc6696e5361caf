"""Which operators of a file have their weights in which type: what a quantizer left as it was is named, not passed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tflitekit.core.errors import ConversionError
from tflitekit.engines import op_advice
from tflitekit.engines.tables import TABLE_READERS
from tflitekit.schemes import Promise, Request
from tflitekit.tflite.flatbuffer import DTYPES, Reader, name_of, read_with
from tflitekit.tflite.graph import Operator
from tflitekit.tflite.layers import layer_names

__all__ = ["check_weights"]

_LAYERS = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "EMBEDDING_LOOKUP"}
_SMALL_ELEMENTS = 256


@dataclass(frozen=True)
class _Stored:
    operator: Operator
    dtype: str
    elements: int


def check_weights(request: Request, promise: Promise, path: Path, layers: Sequence[str]) -> list[str]:
    """Looks at each operator's weights.

    Returns:
        What has int8 weights, not int4, and which constants of other operators stayed float.

    Raises:
        ConversionError: A convolution, dense layer or embedding kept float weights.
    """
    stored = read_with(path, lambda reader: list(_stored(reader)))
    floats = [one for one in stored if one.dtype == "float32"]
    left = [one for one in floats if one.operator.name in _LAYERS]
    if left:
        raise ConversionError(
            f"{request.name}: the scheme promises {promise.weights} weights, but these operators kept float: {_places(left, layers)}.",
            fix="Try dynamic_range, which quantizes what it can.",
        )
    found = []
    coarser = [one for one in stored if one.dtype == "int8" and one.operator.name in {*_LAYERS, *TABLE_READERS}]
    if promise.weights == "int4" and coarser:
        found.append(f"Weights in int8, not int4: {_places(coarser, layers)}.")
    others = [one for one in floats if one.elements > _SMALL_ELEMENTS]
    if others:
        found.append(f"Weights left in float, for want of integer ones: {_places(others, layers)}.")
    return found


def _places(stored: Sequence[_Stored], layers: Sequence[str]) -> str:
    operators = [one.operator for one in stored]
    found: dict[str, list[str]] = {}
    for operator, layer in zip(operators, layer_names(operators, layers), strict=True):
        named = found.setdefault(operator.name, [])
        if layer and layer not in named:
            named.append(layer)
    return op_advice.describe(found)


def _stored(reader: Reader) -> Iterator[_Stored]:
    """Yields the constants of more than one dimension that operators compute on, through a DEQUANTIZE before them too."""
    for graph in reader.subgraphs:
        sources = reader.packed_constants(graph)
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            name = reader.operator_name(operator)
            if name == "DEQUANTIZE":
                continue
            outputs = tuple(name_of(graph.Tensors(operator.Outputs(j))) for j in range(operator.OutputsLength()))
            for j in range(operator.InputsLength()):
                index = sources.get(operator.Inputs(j), operator.Inputs(j))
                tensor = graph.Tensors(index) if index >= 0 else None
                if tensor is None or not reader.buffer_bytes[tensor.Buffer()] or tensor.ShapeLength() < 2:
                    continue
                elements = 1
                for k in range(tensor.ShapeLength()):
                    elements *= tensor.Shape(k)
                kept = Operator(name, (name_of(tensor),), outputs)
                yield _Stored(kept, DTYPES.get(tensor.Type(), "?"), elements)
