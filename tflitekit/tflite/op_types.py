"""The operator versions that types ask for, whatever versions a file states.

Neither converter can be relied on: TensorFlow's writes the versions of int8 for int16 activations too, and litert-quantizer changes types
and leaves versions as they were. A runtime that is too old then accepts the file, and fails or computes something else.

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

# By operator: the version for int8 and for int16 activations. Those that compute with weights are in the table below.
_ACTIVATIONS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("ABS", "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONCATENATION", "GREATER_EQUAL", "LESS", "LOGISTIC", "MAX_POOL_2D",
                     "MEAN", "MIRROR_PAD", "PACK", "PAD", "PADV2", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RSQRT", "SOFTMAX",
                     "TANH", "TOPK_V2"), (2, 3)),
    **dict.fromkeys(("BATCH_TO_SPACE_ND", "GATHER", "MAXIMUM", "MINIMUM", "MUL", "NOT_EQUAL", "RESIZE_BILINEAR",
                     "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPACE_TO_BATCH_ND", "SPLIT", "UNPACK"), (2, 4)),
    **dict.fromkeys(("EQUAL", "SUB", "TRANSPOSE"), (2, 5)),
    **dict.fromkeys(("EXP", "LOG", "REDUCE_PROD", "SQRT"), (2, 2)),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN", "DEPTH_TO_SPACE", "GELU", "GREATER", "L2_NORMALIZATION", "LESS_EQUAL", "LOG_SOFTMAX", "SELECT",
                     "SPACE_TO_DEPTH", "SPLIT_V", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUM"), (2, 1)),
    "BROADCAST_TO": (3, 3), "DEQUANTIZE": (2, 3), "LEAKY_RELU": (1, 2), "QUANTIZE": (1, 2), "REVERSE_V2": (3, 1), "TILE": (3, 1),
}  # fmt: skip

# By operator, type of the weights, and type of the result: the version with one scale for all, and with one scale per channel.
_VERSIONS: dict[tuple[str, str, str], tuple[int, int]] = {
    ("CONV_2D", "int8", "float32"): (2, 5),
    ("CONV_2D", "int8", "int8"): (3, 3),
    ("CONV_2D", "int8", "int16"): (3, 3),
    ("CONV_2D", "int4", _ANY): (7, 7),
    ("DEPTHWISE_CONV_2D", "int8", "float32"): (4, 6),
    ("DEPTHWISE_CONV_2D", "int8", "int8"): (3, 3),
    ("DEPTHWISE_CONV_2D", "int8", "int16"): (3, 3),
    ("DEPTHWISE_CONV_2D", "int4", _ANY): (7, 7),
    ("FULLY_CONNECTED", "int8", "float32"): (3, 12),
    ("FULLY_CONNECTED", "int8", "int8"): (4, 4),
    ("FULLY_CONNECTED", "int8", "int16"): (4, 4),
    ("FULLY_CONNECTED", "int4", "int16"): (13, 13),
    ("FULLY_CONNECTED", "int4", _ANY): (10, 10),
    ("TRANSPOSE_CONV", "int8", _ANY): (2, 2),
    ("EMBEDDING_LOOKUP", "int8", _ANY): (1, 4),
    ("EMBEDDING_LOOKUP", "int4", _ANY): (4, 4),
    ("GATHER", "int8", _ANY): (2, 2),
    ("GATHER", "int4", _ANY): (7, 7),
    ("DEQUANTIZE", "float16", _ANY): (3, 3),
    ("DEQUANTIZE", "int8", _ANY): (2, 5),
    ("DEQUANTIZE", "int4", _ANY): (6, 6),
}


def versions_by_types(reader: Reader) -> Iterator[tuple[str, int]]:
    """Yields an operator and its version for each operator with quantized weights or activations."""
    for graph in reader.subgraphs:
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            name = reader.operator_name(operator)
            for version in (_by_weights(reader, graph, operator, name), _by_activations(graph, operator, name)):
                if version is not None:
                    yield name, version


def _by_weights(reader: Reader, graph: Any, operator: Any, name: str) -> int | None:
    position = _WEIGHTS_AT.get(name)
    if position is None or operator.InputsLength() <= position or not operator.OutputsLength():
        return None
    weights = graph.Tensors(operator.Inputs(position))
    kinds = (name, DTYPES.get(weights.Type(), "?"))
    found = _VERSIONS.get((*kinds, _result(graph, operator))) or _VERSIONS.get((*kinds, _ANY))
    if found is None or not reader.buffer_bytes[weights.Buffer()]:
        return None
    quantization = weights.Quantization()
    return found[quantization is not None and quantization.ScaleLength() > 1]


def _by_activations(graph: Any, operator: Any, name: str) -> int | None:
    """Returns the version by the type of what is read first, or of what QUANTIZE makes."""
    found = _ACTIVATIONS.get(name)
    if found is None or not operator.InputsLength() or not operator.OutputsLength():
        return None
    position = 1 if name == "SPLIT" else 0  # whose first input is the axis
    read = operator.Inputs(min(position, operator.InputsLength() - 1))
    kind = _result(graph, operator) if name == "QUANTIZE" else DTYPES.get(graph.Tensors(read).Type(), "?")
    return dict(zip(("int8", "int16"), found, strict=True)).get(kind)


def _result(graph: Any, operator: Any) -> str:
    return DTYPES.get(graph.Tensors(operator.Outputs(0)).Type(), "?")
