"""Makes other files of healthy ones: changes constants or operators of a ``.tflite`` file, without a conversion."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflitekit.tflite.flatbuffer import pack, unpack


def edit_weights(
    source: Path, target: Path, change: Callable[[np.ndarray], np.ndarray], *, shape: tuple[int, ...]
) -> Path:
    """Writes a copy of a file in which the float32 constants of one shape are changed."""
    model = unpack(source.read_bytes())
    changed = 0
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if data is None or len(data) == 0 or tensor.type != schema.TensorType.FLOAT32 or tuple(tensor.shape) != shape:
            continue
        values = np.frombuffer(bytes(data), np.float32).reshape(shape)
        model.buffers[tensor.buffer].data = np.frombuffer(change(values).astype(np.float32).tobytes(), np.uint8)
        changed += 1
    assert changed, f"no constant of the shape {shape}"
    target.write_bytes(pack(model))
    return target


def edit_constants(source: Path, target: Path, change: Callable[[str, np.ndarray], np.ndarray]) -> Path:
    """Writes a copy of a file in which constants are changed: by the tensor's name and its stored values."""
    model = unpack(source.read_bytes())
    kinds = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if data is None or len(data) == 0 or tensor.type not in kinds:
            continue
        values = np.frombuffer(bytes(data), kinds[tensor.type]).reshape(tensor.shape)
        changed = change(tensor.name.decode(), values).astype(values.dtype)
        model.buffers[tensor.buffer].data = np.frombuffer(changed.tobytes(), np.uint8)
    target.write_bytes(pack(model))
    return target


def drop_last_operator(content: bytes) -> bytes:
    """Returns the file without its last operator (a softmax): its input becomes the output."""
    model = unpack(content)
    graph = model.subgraphs[0]
    last = graph.operators.pop()
    graph.outputs = [last.inputs[0]]
    model.signatureDefs = []
    return pack(model)


def integers_only(source: Path, target: Path) -> Path:
    """Writes a copy without the conversions at its edges: its inputs and outputs become integers."""
    model = unpack(source.read_bytes())
    graph = model.subgraphs[0]
    first, last = graph.operators[0], graph.operators[-1]
    assert list(graph.inputs) == list(first.inputs) and list(graph.outputs) == list(last.outputs)
    graph.inputs, graph.outputs = first.outputs, last.inputs
    graph.operators = graph.operators[1:-1]
    model.signatureDefs = []
    target.write_bytes(pack(model))
    return target


def open_shapes(source: Path, target: Path, *axes: int) -> Path:
    """Writes a copy in which these dimensions are open in all tensors with a batch that are no constants; the sizes stay where they are."""
    model = unpack(source.read_bytes())
    for tensor in model.subgraphs[0].tensors:
        data, shape = model.buffers[tensor.buffer].data, [] if tensor.shape is None else list(map(int, tensor.shape))
        if (data is None or len(data) == 0) and len(shape) > 1 and shape[0] == 1:
            tensor.shapeSignature = [-1 if axis in axes else size for axis, size in enumerate(shape)]
    target.write_bytes(pack(model))
    return target


def without_float_islands(source: Path, target: Path, kind: str) -> Path:
    """Writes a copy in which operators of one kind that compute in float between DEQUANTIZE and QUANTIZE compute in the integers around
    them."""
    model = unpack(source.read_bytes())
    graph = model.subgraphs[0]
    names = [code.builtinCode for code in model.operatorCodes]
    builtin = schema.BuiltinOperator
    before = {op.outputs[0]: op for op in graph.operators if names[op.opcodeIndex] == builtin.DEQUANTIZE}
    behind = {op.inputs[0]: op for op in graph.operators if names[op.opcodeIndex] == builtin.QUANTIZE}
    gone = []
    for operator in graph.operators:
        if names[operator.opcodeIndex] == getattr(builtin, kind):
            entry, end = before[operator.inputs[0]], behind[operator.outputs[0]]
            kept, result = graph.tensors[operator.outputs[0]], graph.tensors[end.outputs[0]]
            kept.name, result.name = result.name, kept.name
            operator.inputs, operator.outputs = entry.inputs, end.outputs
            gone += [entry, end]
    assert gone, f"no {kind} in float"
    graph.operators = [op for op in graph.operators if all(op is not one for one in gone)]
    target.write_bytes(pack(model))
    return target
