"""The flatbuffer of a ``.tflite`` file, opened without running it (and without TensorFlow)."""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflitekit.core.errors import ModelError, UnreadableError
from tflitekit.core.files import MODEL_LIMIT_BYTES, read_bytes
from tflitekit.core.tensor import Quantization, TensorSpec

__all__ = [
    "DTYPES",
    "FLOATS",
    "QUANTIZED",
    "Reader",
    "name_of",
    "pack",
    "parse_with",
    "read_with",
    "shape_of",
    "unpack",
]

FLOATS = {"float16", "float32", "float64", "bfloat16"}
QUANTIZED = {"int2", "int4", "uint4", "int8", "uint8", "int16"}


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OP_NAMES = _names(schema.BuiltinOperator)
DTYPES = {value: name.lower() for value, name in _names(schema.TensorType).items()}

_Found = TypeVar("_Found")


def read_with(path: Path, read: Callable[[Reader], _Found]) -> _Found:
    """Opens a ``.tflite`` file for a function that reads it, whose errors on a damaged file become a `ModelError`."""
    try:
        content = read_bytes(path, MODEL_LIMIT_BYTES)
    except UnreadableError as error:
        if error.missing:
            raise ModelError(f"There is no file {path}.") from error
        raise ModelError(f"The model {path} cannot be read: {error.reason}.", fix="Give a .tflite file.") from error
    return parse_with(content, str(path), read)


def parse_with(content: bytes, name: str, read: Callable[[Reader], _Found]) -> _Found:
    """Does as `read_with` on a file that is in memory; ``name`` stands for it in errors."""
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise ModelError(
            f"{name} is not a TensorFlow Lite model.",
            why=f"Its {len(content):,} bytes lack the identifier TFL3.",
            fix="Give a .tflite file; a Keras model or SavedModel is converted with 'tflitekit convert'.",
        )
    try:
        return read(Reader(content))
    except (
        struct.error, IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        cut = isinstance(error, struct.error)
        raise ModelError(
            f"The model {name} is damaged or truncated.",
            why=f"Its {len(content):,} bytes end before what they refer to."
            if cut
            else f"Reading its {len(content):,} bytes failed: {type(error).__name__}: {error}.",
            fix="Copy or convert it again.",
        ) from error


def unpack(content: bytes) -> Any:
    """Returns a file's content as objects that can be changed (`schema.ModelT`)."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content), 0))
    for buffer in model.buffers:
        if buffer.offset > 1:  # behind the flatbuffer, where `pack` writes nothing
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def pack(model: Any) -> bytes:
    """Returns the content of a file with these objects: the inverse of `unpack`."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class Reader:
    """The flatbuffer of a ``.tflite`` file.

    Attributes:
        subgraphs: The main graph first.
        buffer_bytes: Size of each buffer; 0 for tensors that are computed.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.model = schema.Model.GetRootAs(content, 0)
        self.subgraphs = [self.model.Subgraphs(i) for i in range(self.model.SubgraphsLength())]
        if not self.subgraphs:
            raise ValueError("no subgraph")
        self.buffer_bytes = [self._buffer_size(i) for i in range(self.model.BuffersLength())]

    def _buffer_size(self, index: int) -> int:
        buffer = self.model.Buffers(index)
        if buffer.Offset() > 1:  # larger than 2 GiB models keep buffers behind the flatbuffer
            if buffer.Offset() + buffer.Size() > len(self.content):
                raise ValueError(f"buffer {index} reaches beyond the end of the file")
            return int(buffer.Size())
        data = buffer.DataAsNumpy()
        return 0 if isinstance(data, int) else int(data.nbytes)

    @functools.cached_property
    def codes(self) -> list[tuple[str, int, bool]]:
        """Name and version of each operator code, and whether it is a custom one."""
        return [self._code(i) for i in range(self.model.OperatorCodesLength())]

    def _code(self, index: int) -> tuple[str, int, bool]:
        code = self.model.OperatorCodes(index)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if number == schema.BuiltinOperator.CUSTOM:
            return (code.CustomCode() or b"custom").decode(errors="replace"), code.Version(), True
        return _OP_NAMES.get(number, f"BUILTIN_{number}"), code.Version(), False

    def operator_name(self, operator: Any) -> str:
        """Returns 'CONV_2D', or the name of a custom operator."""
        name: str = self.codes[operator.OpcodeIndex()][0]
        return name

    def packed_constants(self, subgraph: Any) -> dict[int, int]:
        """Returns what each DEQUANTIZE reads, by what it writes: weights that become float32 before an operator computes."""
        operators = (subgraph.Operators(i) for i in range(subgraph.OperatorsLength()))
        return {one.Outputs(0): one.Inputs(0) for one in operators if self.operator_name(one) == "DEQUANTIZE"}

    def spec(self, subgraph: Any, index: int, names: dict[int, str]) -> TensorSpec:
        """Describes a tensor; ``names`` stand before its own."""
        tensor = subgraph.Tensors(index)
        parameters = tensor.Quantization()
        quantization = None
        if parameters is not None and parameters.ScaleLength():
            quantization = Quantization(
                scale=tuple(float(parameters.Scale(i)) for i in range(parameters.ScaleLength())),
                zero_point=tuple(int(parameters.ZeroPoint(i)) for i in range(parameters.ZeroPointLength())),
                axis=int(parameters.QuantizedDimension()) if parameters.ScaleLength() > 1 else None,
            )
        return TensorSpec(
            name=names.get(index) or name_of(tensor),
            shape=shape_of(tensor),
            dtype=DTYPES.get(tensor.Type(), f"type_{tensor.Type()}"),
            quantization=quantization,
        )

    def constant(self, tensor: Any) -> np.ndarray[Any, Any]:
        """Returns the values of a constant tensor, as they are stored; int4 as int8."""
        buffer = self.model.Buffers(tensor.Buffer())
        data = (
            self.content[buffer.Offset() : buffer.Offset() + buffer.Size()]
            if buffer.Offset() > 1
            else buffer.DataAsNumpy().tobytes()
        )
        shape = [tensor.Shape(i) for i in range(tensor.ShapeLength())]
        if DTYPES[tensor.Type()] == "int4":  # two in a byte, the lower half first
            packed = np.frombuffer(data, np.int8)
            return np.stack([(packed << 4) >> 4, packed >> 4], 1).reshape(-1)[: math.prod(shape)].reshape(shape)
        return np.frombuffer(data, np.dtype(DTYPES[tensor.Type()]).newbyteorder("<")).reshape(shape)

    def metadata(self) -> dict[str, int]:
        """Returns the buffer of each entry of metadata."""
        entries = (self.model.Metadata(i) for i in range(self.model.MetadataLength()))
        return {name_of(entry): entry.Buffer() for entry in entries}


def name_of(tensor: Any) -> str:
    """Returns the name of a tensor, or of an entry of metadata; '' without one."""
    name: bytes = tensor.Name() or b""
    return name.decode(errors="replace")


def shape_of(tensor: Any) -> tuple[int, ...]:
    """Returns the shape of a tensor; -1 for what is not fixed."""
    if tensor.ShapeSignatureLength():
        return tuple(int(tensor.ShapeSignature(i)) for i in range(tensor.ShapeSignatureLength()))
    return tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))
