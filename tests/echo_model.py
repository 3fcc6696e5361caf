"""Makes a ``.tflite`` file that gives back what it gets: any shape and type, without a conversion."""

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


def echo_model(
    path: Path,
    shape: tuple[int, ...],
    dtype: str,
    *,
    scale: float | None = None,
    zero_point: int = 0,
    names: tuple[str, str] = ("image", "echo"),
) -> Path:
    """Writes a model of one reshape, from ``shape`` to ``(shape[0], the rest)``; -1 in front is a dynamic batch."""
    fixed = [max(1, size) for size in shape]
    output = [fixed[0], int(np.prod(fixed[1:]))]

    def tensor(name: str, shape: list[int], kind: str, buffer: int, dynamic: bool = False) -> schema.TensorT:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, getattr(schema.TensorType, kind.upper()), buffer
        if dynamic:
            made.shapeSignature = [-1, *shape[1:]]
        if scale is not None and kind == dtype:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [scale], [zero_point]
        return made

    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0, 1], [2]
    graph = schema.SubGraphT()
    dynamic = shape[0] < 0
    graph.tensors = [
        tensor(names[0], fixed, dtype, 0, dynamic),
        tensor("shape", [2], "int32", 1),
        tensor(names[1], output, dtype, 0, dynamic),
    ]
    graph.inputs, graph.outputs, graph.operators = [0], [2], [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    code.version = 1
    constant = schema.BufferT()
    constant.data = np.array([-1, output[1]], "<i4").view(np.uint8)
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT(), constant]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
