"""What litert-quantizer stumbles over or gets wrong in a file, set right before and after it (as of 0.11.0)."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflitekit.source.prepared import SIGNATURE
from tflitekit.tflite.flatbuffer import Reader, pack, parse_with, unpack
from tflitekit.tflite.graph import parse_graph
from tflitekit.tflite.op_types import versions_by_types

__all__ = ["made_ready", "mended", "sized"]

_EQUAL_PARTS = {"SPLIT", "SPLIT_V", "UNPACK"}  # whose outputs have the scale of what is read


def made_ready(content: bytes, *, activations: str | None) -> bytes:
    """Returns a file that computes the same, in the form that litert-quantizer can take.

    It tells tensors apart by their names, so tensors that share one get numbers. A file without a signature gets one, with the tensors'
    own names: the quantizer gives the outputs other tensors.

    With integer activations each output becomes a tensor that nothing reads: the quantizer leaves an operator that reads an output in float,
    or loses the output. Operators without integer kernels are written with others (`_INSTEAD`).

    Args:
        activations: What type they are to be; None leaves them float.
    """
    model = unpack(content)
    changed = [
        _sign(model),
        activations is not None and _part_outputs(model),
        activations is not None and _write_otherwise(model, activations),
        _name_apart(model),
    ]
    return pack(model) if any(changed) else content


def sized(content: bytes, sample: Mapping[str, Any]) -> bytes:
    """Returns a file whose inputs of open size begin with the size that a sample has, and stay open: the quantizer plans the memory of a file,
    which fails at a size of 1 where a kernel is larger."""
    specs = parse_graph(content, "the model").inputs
    if not any(spec.is_open for spec in specs):
        return content
    model = unpack(content)
    graph = model.subgraphs[0]
    for index, spec in zip(graph.inputs, specs, strict=True):
        graph.tensors[index].shape = [int(size) for size in sample[spec.name].shape]
    return pack(model)


def mended(content: bytes) -> bytes:
    """Returns a quantized file that states the operator versions which its types ask for, and in which operators that part a tensor give
    all parts in integers.

    The quantizer leaves versions as they were, so that a runtime which is too old would take the file. It leaves a part that nothing
    reads in float, such as the forget gate in the first step of an unrolled LSTM.
    """
    codes, versions = parse_with(content, "the quantized file", _codes)
    model = unpack(content)
    for graph in model.subgraphs:
        _mend(graph, codes)
    for code, version in zip(model.operatorCodes, versions, strict=True):
        code.version = version
    return pack(model)


def _codes(reader: Reader) -> tuple[list[str], list[int]]:
    """Returns of each operator code its name, and the version that it states or the higher one that types ask for."""
    asked = dict(sorted(versions_by_types(reader)))  # of one name the highest comes last, and stays
    return [name for name, _, _ in reader.codes], [max(v, asked.get(name, 0)) for name, v, _ in reader.codes]


def _mend(graph: Any, codes: list[str]) -> None:
    for operator in graph.operators:
        given = graph.tensors[operator.inputs[-1 if codes[operator.opcodeIndex] == "SPLIT" else 0]]
        if codes[operator.opcodeIndex] not in _EQUAL_PARTS or given.type == schema.TensorType.FLOAT32:
            continue
        for part in (graph.tensors[index] for index in operator.outputs):
            if part.type == schema.TensorType.FLOAT32:
                part.type, part.quantization = given.type, given.quantization


def _sign(model: Any) -> bool:
    if model.signatureDefs:
        return False
    main, signature = model.subgraphs[0], schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE.encode(), 0
    signature.inputs = [_entry(main, index) for index in main.inputs]
    signature.outputs = [_entry(main, index) for index in main.outputs]
    model.signatureDefs = [signature]
    return True


def _entry(graph: Any, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = graph.tensors[index].name, int(index)
    return entry


def _part_outputs(model: Any) -> bool:
    """Gives each output that is read, or is an input or another output too, a copy of its own."""
    graph = model.subgraphs[0]
    before = [int(i) for i in graph.outputs]
    taken = {int(i) for operator in graph.operators for i in operator.inputs} | {int(i) for i in graph.inputs}
    taken |= {index for index in before if before.count(index) > 1}
    outputs: dict[int, list[int]] = {}
    for index in before:
        own = index not in taken or not _reshapes_to_itself(graph.tensors[index])
        outputs.setdefault(index, []).append(index if own else _add_copy(model, graph, index))
    graph.outputs = _renumbered(before, outputs)
    for signature in model.signatureDefs:
        if signature.subgraphIndex == 0:
            numbers = _renumbered([entry.tensorIndex for entry in signature.outputs], outputs)
            for entry, number in zip(signature.outputs, numbers, strict=True):
                entry.tensorIndex = number
    return bool(graph.outputs != before)


def _renumbered(indices: list[int], numbers: dict[int, list[int]]) -> list[int]:
    """Returns the new number of each; those of one that is there several times in turn."""
    left = {index: iter(found) for index, found in numbers.items()}
    return [next(left[index]) for index in indices]


def _reshapes_to_itself(tensor: Any) -> bool:
    """Whether a RESHAPE can have it as its result: of several open dimensions it cannot know which is which."""
    shape = list(_shape(tensor))
    return bool(shape) and shape.count(-1) <= 1


def _shape(tensor: Any) -> Any:
    if tensor.shapeSignature is not None and len(tensor.shapeSignature):
        return tensor.shapeSignature
    return [] if tensor.shape is None else tensor.shape


def _add_copy(model: Any, graph: Any, index: int) -> int:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    code.version = 1
    model.operatorCodes.append(code)
    shape = _add_constant(model, graph, np.asarray(_shape(graph.tensors[index]), np.int32))
    result = copy.copy(graph.tensors[index])
    result.buffer, result.name = 0, (result.name or b"") + b"/copy"
    graph.tensors.append(result)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = [index, shape], [len(graph.tensors) - 1]
    graph.operators.append(operator)
    return len(graph.tensors) - 1


def _write_otherwise(model: Any, activations: str) -> bool:
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    changed = False
    for graph in model.subgraphs:
        written = []
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            instead = _INSTEAD.get((names[max(code.builtinCode, code.deprecatedBuiltinCode)], activations))
            written += [operator] if instead is None else instead(model, graph, operator)
            changed |= instead is not None
        graph.operators = written
    return changed


def _negative(model: Any, graph: Any, operator: Any) -> list[Any]:
    return [
        _binary(model, "MUL", [operator.inputs[0], _add_constant(model, graph, np.float32(-1))], operator.outputs[0])
    ]


def _squared_difference(model: Any, graph: Any, operator: Any) -> list[Any]:
    difference = copy.copy(graph.tensors[operator.outputs[0]])
    difference.name = (difference.name or b"") + b"/difference"
    graph.tensors.append(difference)
    between = len(graph.tensors) - 1
    return [
        _binary(model, "SUB", operator.inputs, between),
        _binary(model, "MUL", [between, between], operator.outputs[0]),
    ]


_INSTEAD = {
    ("NEG", "int8"): _negative,
    ("NEG", "int16"): _negative,
    ("SQUARED_DIFFERENCE", "int16"): _squared_difference,
}
"""By operator and type of the activations: what computes the same and has integer kernels."""


def _binary(model: Any, name: str, inputs: Any, output: int) -> Any:
    code, made = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    code.version = 1
    model.operatorCodes.append(code)
    kind = f"{name.capitalize()}Options"
    made.opcodeIndex, made.inputs, made.outputs = len(model.operatorCodes) - 1, inputs, [output]
    made.builtinOptionsType, made.builtinOptions = getattr(schema.BuiltinOptions, kind), getattr(schema, f"{kind}T")()
    if name == "SUB":
        made.builtinOptions.potScaleInt16 = False
    return made


def _add_constant(model: Any, graph: Any, values: Any) -> int:
    tensor, buffer = schema.TensorT(), schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.name, tensor.shape, tensor.buffer = b"constant", list(values.shape), len(model.buffers) - 1
    tensor.type = {np.dtype(np.int32): schema.TensorType.INT32}.get(values.dtype, schema.TensorType.FLOAT32)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _name_apart(model: Any) -> bool:
    taken = Counter(tensor.name for graph in model.subgraphs for tensor in graph.tensors)
    shared = {name for name, count in taken.items() if count > 1}
    number = 0
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.name in shared:
                while (name := (tensor.name or b"tensor") + b"#%d" % number) in taken:
                    number += 1
                taken[name] += 1
                tensor.name = name
    return bool(shared)
