"""Messages between the kit and a worker: a JSON object and arrays, over a pair of byte streams. Both sides use this file.

A frame is the length of its header (4 bytes, big-endian), the header as JSON, and the arrays' bytes one after the other; the header's
'arrays' lists type and shape of each. Nothing is pickled.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

__all__ = ["read_frame", "write_frame"]

_LARGEST_HEADER = 1 << 22
_LARGEST_ARRAY = 1 << 33
_TYPES = {"bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "complex64", "complex128"}  # fmt: skip


def write_frame(stream: BinaryIO, header: dict[str, Any], arrays: Sequence[Any] = ()) -> None:
    """Writes a message."""
    values = [np.ascontiguousarray(array) for array in arrays]
    described = [{"dtype": array.dtype.name, "shape": list(np.shape(array))} for array in arrays]
    text = json.dumps({**header, "arrays": described}).encode()
    stream.write(struct.pack(">I", len(text)) + text)
    for array in values:
        stream.write(array.data.cast("B") if array.size else b"")
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], list[Any]]:
    """Reads a message.

    Raises:
        EOFError: The other side has ended, at once or in the middle.
        ValueError: What came is no message.
    """
    (length,) = struct.unpack(">I", _exactly(stream, 4))
    if length > _LARGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    header = json.loads(_exactly(stream, length))
    if not isinstance(header, dict) or not isinstance(header.get("arrays"), list):
        raise ValueError("a header that is no object with arrays")
    return header, [_array(stream, described) for described in header.pop("arrays")]


def _array(stream: BinaryIO, described: Any) -> Any:
    if not isinstance(described, dict) or described.get("dtype") not in _TYPES:
        raise ValueError("an array of an unknown type")
    shape = described.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("an array without a shape")
    dtype = np.dtype(described["dtype"]).newbyteorder("<")
    size = math.prod(shape) * dtype.itemsize
    if size > _LARGEST_ARRAY:
        raise ValueError(f"an array of {size} bytes")
    return np.frombuffer(bytearray(_exactly(stream, size)), dtype).reshape(shape)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
