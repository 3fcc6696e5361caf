"""The operator versions that the types of weights ask for, whatever versions a file states.

TensorFlow's converter writes the version that fits the types; litert-quantizer changes types and leaves versions as they were. A runtime
that is too old then accepts the file, and fails or computes something else.

The table states facts only: repository tensorflow/tensorflow, file `tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc`, commit
7ea41b216c67259da3cc4632ade1a9b9d23828df. It has no version for int4 weights with float activations: those of int4 with int8
activations, which came with the type, are the least that can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tflitekit.tflite.flatbuffer import DTYPES, Reader

__all__ = ["versions_by_types"]

_ANY = "any"
_WEIGHTS_AT = {
    "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1, "EMBEDDING_LOOKUP": 1, "GATHER": 0, "DEQUANTIZE": 0,
}  # fmt: skip

# By operator, type of the weights, and type of the result: the version with one scale for all, and with one scale per channel.
_VERSIONS: dict[tuple[str, str, str], tuple[int, int]] = {
    ("CONV_2D", "int8", "float32"): (2, 5),
    ("CONV_2D", "int8", "int8"): (3, 3),
    ("CONV_2D", "int4", _ANY): (7, 7),
    ("DEPTHWISE_CONV_2D", "int8", "float32"): (4, 6),
    ("DEPTHWISE_CONV_2D", "int8", "int8"): (3, 3),
    ("DEPTHWISE_CONV_2D", "int4", _ANY): (7, 7),
    ("FULLY_CONNECTED", "int8", "float32"): (3, 12),
    ("FULLY_CONNECTED", "int8", "int8"): (4, 4),
    ("FULLY_CONNECTED", "int4", "int16"): (13, 13),
    ("FULLY_CONNECTED", "int4", _ANY): (10, 10),
    ("TRANSPOSE_CONV", "int8", _ANY): (2, 2),
    ("EMBEDDING_LOOKUP", "int8", _ANY): (1, 4),
    ("EMBEDDING_LOOKUP", "int4", _ANY): (4, 4),
    ("GATHER", "int4", _ANY): (7, 7),
    ("DEQUANTIZE", "int8", _ANY): (2, 5),
    ("DEQUANTIZE", "int4", _ANY): (6, 6),
}


def versions_by_types(reader: Reader) -> Iterator[tuple[str, int]]:
    """Yields an operator and its version for each operator with quantized weights."""
    for graph in reader.subgraphs:
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            name = reader.operator_name(operator)
            version = _version(reader, graph, operator, name)
            if version is not None:
                yield name, version


def _version(reader: Reader, graph: Any, operator: Any, name: str) -> int | None:
    position = _WEIGHTS_AT.get(name)
    if position is None or operator.InputsLength() <= position or not operator.OutputsLength():
        return None
    weights = graph.Tensors(operator.Inputs(position))
    kinds = (name, DTYPES.get(weights.Type(), "?"))
    result = DTYPES.get(graph.Tensors(operator.Outputs(0)).Type(), "?")
    found = _VERSIONS.get((*kinds, result)) or _VERSIONS.get((*kinds, _ANY))
    if found is None or not reader.buffer_bytes[weights.Buffer()]:
        return None
    quantization = weights.Quantization()
    return found[quantization is not None and quantization.ScaleLength() > 1]
