"""Tables of embeddings: litert-quantizer leaves what GATHER reads in float, and such a table may be most of a model."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tflitekit.schemes import Recipe
from tflitekit.tflite.flatbuffer import pack, unpack

__all__ = ["TABLE_READERS", "with_small_tables"]

TABLE_READERS = ("GATHER",)

_LARGEST = 127


class _Table(NamedTuple):
    """A constant, and the operators that look rows up in it."""

    tensor: int
    readers: tuple[Any, ...]


def with_small_tables(content: bytes, recipe: Recipe) -> bytes:
    """Returns a file whose tables of embeddings have the type of the other weights: float16, which become float32 before they are read, or
    int8 with one scale, of which only the rows that are read become float32. There is no int4 kernel before 2.15."""
    model = unpack(content)
    found = [(graph, table) for graph in model.subgraphs for table in _tables(model, graph, recipe.smallest)]
    for graph, table in found:
        (_to_float16 if recipe.weights == "float16" else _to_int8)(model, graph, table)
    return pack(model) if found else content


def _tables(model: Any, graph: Any, smallest: int) -> Iterator[_Table]:
    """Yields the float tables that nothing else reads."""
    gather = {i for i, code in enumerate(model.operatorCodes) if code.builtinCode == schema.BuiltinOperator.GATHER}
    readers: dict[int, list[Any]] = {}
    for operator in graph.operators:
        for index in operator.inputs:
            readers.setdefault(int(index), []).append(operator)
    buffers = [tensor.buffer for one in model.subgraphs for tensor in one.tensors]
    for index, tensor in enumerate(graph.tensors):
        values = model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or values is None or not len(values) or index in graph.outputs:
            continue
        found = readers.get(index, [])
        lookups = all(one.opcodeIndex in gather and one.inputs[0] == index for one in found)
        if found and lookups and buffers.count(tensor.buffer) == 1 and len(values) >= 4 * smallest:
            yield _Table(index, tuple(found))


def _values(model: Any, tensor: Any) -> NDArray[np.float32]:
    return np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float32)


def _store(model: Any, tensor: Any, values: NDArray[Any], kind: int) -> None:
    model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    tensor.type = kind


def _to_float16(model: Any, graph: Any, table: _Table) -> None:
    tensor = graph.tensors[table.tensor]
    real = copy.copy(tensor)
    real.name, real.buffer = (tensor.name or b"table") + b"/float", 0
    _store(model, tensor, _values(model, tensor).astype(np.float16), schema.TensorType.FLOAT16)
    graph.tensors.append(real)
    unpacked = len(graph.tensors) - 1
    for operator in table.readers:
        operator.inputs = [unpacked, *operator.inputs[1:]]
    graph.operators.insert(0, _operator(model, "DEQUANTIZE", 3, table.tensor, unpacked))


def _to_int8(model: Any, graph: Any, table: _Table) -> None:
    tensor = graph.tensors[table.tensor]
    values = _values(model, tensor)
    scale = np.float32(np.abs(values).max(initial=0) / _LARGEST) or np.float32(1)
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
    _store(model, tensor, np.rint(values / scale).astype(np.int8), schema.TensorType.INT8)
    code = _code(model, "GATHER", 2)
    for operator in table.readers:
        output = int(operator.outputs[0])
        rows = copy.copy(graph.tensors[output])
        rows.name, rows.type, rows.quantization = (rows.name or b"rows") + b"/int8", tensor.type, tensor.quantization
        graph.tensors.append(rows)
        operator.opcodeIndex, operator.outputs = code, [len(graph.tensors) - 1]
        place = next(i for i, one in enumerate(graph.operators) if one is operator)
        graph.operators.insert(place + 1, _operator(model, "DEQUANTIZE", 2, len(graph.tensors) - 1, output))


def _operator(model: Any, name: str, version: int, read: int, written: int) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = _code(model, name, version), [read], [written]
    return made


def _code(model: Any, name: str, version: int) -> int:
    """Returns the number of an operator code, which is added where there is none."""
    builtin = getattr(schema.BuiltinOperator, name)
    for i, code in enumerate(model.operatorCodes):
        if (code.builtinCode, code.version) == (builtin, version):
            return i
    made = schema.OperatorCodeT()
    made.builtinCode = made.deprecatedBuiltinCode = builtin
    made.version = version
    model.operatorCodes.append(made)
    return len(model.operatorCodes) - 1
