"""Counts the operators of a ``.tflite`` file by the type they compute in, and its bytes by what they are for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflitekit.tflite.flatbuffer import DTYPES, FLOATS, QUANTIZED, Reader, shape_of

__all__ = ["CONVERSIONS", "OpCount", "computes", "count_operators", "measure_sizes"]

CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}
_SHAPE_ONLY = {"SHAPE", "RANK"}


@dataclass(frozen=True)
class OpCount:
    """Operators of one kind that compute in one type.

    Attributes:
        compute: 'float32', 'int8', 'int16', ... by the activations; 'hybrid' for float activations with
            integer weights; 'index' for operators on shapes and indices only; 'conversion' for
            QUANTIZE and DEQUANTIZE, and for a CAST between integers and float.
        weight_bytes: Bytes of the constants that these operators read first.
    """

    name: str
    version: int
    compute: str
    count: int
    weight_bytes: int


def count_operators(reader: Reader) -> tuple[list[OpCount], dict[int, str]]:
    """Counts operators by (name, version, compute type) and gives each constant buffer a role."""
    counts: dict[tuple[str, int, str], list[int]] = defaultdict(lambda: [0, 0])
    roles: dict[int, str] = {}
    for subgraph in reader.subgraphs:
        for i in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(i)
            name, version, _ = reader.codes[operator.OpcodeIndex()]
            compute, constants = computes(reader, subgraph, operator, name)
            entry = counts[name, version, compute]
            entry[0] += 1
            for j, tensor in constants:
                if tensor.Buffer() not in roles:
                    roles[tensor.Buffer()] = _role(j, tensor)
                    entry[1] += reader.buffer_bytes[tensor.Buffer()]
    census = [OpCount(*key, count=count, weight_bytes=size) for key, (count, size) in counts.items()]
    return sorted(census, key=lambda op: (-op.weight_bytes, -op.count, op.name)), roles


def computes(reader: Reader, subgraph: Any, operator: Any, name: str) -> tuple[str, list[tuple[int, Any]]]:
    """Returns the type that an operator computes in, and the constants that it reads, by their position."""
    activations, constants = [], []
    for j in range(operator.InputsLength()):
        if operator.Inputs(j) < 0:
            continue
        tensor = subgraph.Tensors(operator.Inputs(j))
        if reader.buffer_bytes[tensor.Buffer()]:
            constants.append((j, tensor))
        else:
            activations.append(DTYPES.get(tensor.Type(), "?"))
    for j in range(operator.OutputsLength()):
        activations.append(DTYPES.get(subgraph.Tensors(operator.Outputs(j)).Type(), "?"))
    return _compute(name, activations, [tensor for _, tensor in constants]), constants


def measure_sizes(
    reader: Reader, roles: dict[int, str], metadata: dict[str, int]
) -> tuple[dict[str, int], dict[str, int], int]:
    """Returns the bytes by kind, the bytes of weights and biases by type, and the number of parameters.

    Args:
        roles: What each constant buffer is; see `count_operators`.
        metadata: The buffer of each entry.
    """
    by_kind: dict[str, int] = dict.fromkeys(("weights", "biases", "other constants", "metadata"), 0)
    by_dtype: dict[str, int] = defaultdict(int)
    parameters, seen = 0, set()
    for subgraph in reader.subgraphs:
        for i in range(subgraph.TensorsLength()):
            tensor = subgraph.Tensors(i)
            index = tensor.Buffer()
            if index in seen or not reader.buffer_bytes[index]:
                continue
            seen.add(index)
            role = roles.get(index, "other constants")
            by_kind[role] += reader.buffer_bytes[index]
            if role != "other constants":
                by_dtype[DTYPES.get(tensor.Type(), "?")] += reader.buffer_bytes[index]
                parameters += int(np.prod(shape_of(tensor), dtype=np.int64))
    by_kind["metadata"] = sum(reader.buffer_bytes[i] for i in set(metadata.values()) - seen)
    by_kind["structure"] = len(reader.content) - sum(by_kind.values())
    return by_kind, dict(by_dtype), parameters


def _compute(name: str, activations: list[str], constants: list[Any]) -> str:
    if name in CONVERSIONS:
        return "conversion"
    if name in _SHAPE_ONLY:
        return "index"
    floats = [dtype for dtype in activations if dtype in FLOATS]
    if floats and name == "CAST":  # says in another type what an integer input or an index is, and computes nothing
        return "conversion"
    if floats:
        weights = {DTYPES.get(tensor.Type(), "?") for tensor in constants if tensor.ShapeLength() > 1}
        return "hybrid" if weights & QUANTIZED else floats[0]
    quantized = [dtype for dtype in activations if dtype in QUANTIZED]
    return max(quantized, key=lambda dtype: dtype == "int16") if quantized else "index"


def _role(position: int, tensor: Any) -> str:
    dtype = DTYPES.get(tensor.Type(), "?")
    if tensor.ShapeLength() > 1 and (dtype in FLOATS or dtype in QUANTIZED):
        return "weights"
    if tensor.ShapeLength() == 1 and position == 2 and dtype in FLOATS | {"int32", "int64"}:
        return "biases"
    if dtype in FLOATS or dtype in QUANTIZED:
        return "weights"
    return "other constants"
