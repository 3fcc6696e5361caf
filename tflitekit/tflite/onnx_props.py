"""The properties that exporters write into an ONNX file, read without the package ``onnx``, which is in an environment of its own.

A file is a protocol buffer (``ModelProto`` of ``onnx.proto``): fields follow one another, each a tag and a value, so that the graph can be stepped over.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from tflitekit.core.errors import UnreadableError
from tflitekit.core.files import open_file

__all__ = ["onnx_properties"]

_PROPERTIES = 14  # ModelProto.metadata_props
_KEY, _VALUE = 1, 2  # StringStringEntryProto
_LIMIT = 1 << 20
"""Bytes of one property."""


def onnx_properties(path: Path) -> dict[str, str]:
    """Returns the properties of an ONNX file by key; nothing of one that is damaged."""
    found = {}
    try:
        with open_file(path) as file:
            while (tag := _number(file)) is not None:
                content = _field(file, tag, wanted=tag == (_PROPERTIES << 3 | 2))
                if content is not None:
                    key, value = _entry(content)
                    found[key] = value
    except (UnreadableError, OSError, OverflowError, ValueError):
        return {}
    return found


def _number(file: BinaryIO) -> int | None:
    """Reads a number of 7 bits a byte, the lowest first; None at the end of the file."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            if shift:
                raise ValueError("a number is cut off")
            return None
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise ValueError("a number is too long")


def _field(file: BinaryIO, tag: int, *, wanted: bool) -> bytes | None:
    """Steps over a field, or returns its content."""
    kind = tag & 7
    length = {1: 8, 5: 4}.get(kind, 0)
    if kind in (0, 2):
        value = _number(file)
        if value is None:
            raise ValueError("a field is cut off")
        length = value if kind == 2 else 0
    elif not length:
        raise ValueError("no such kind of field")
    if wanted and length <= _LIMIT:
        return file.read(length)
    file.seek(length, 1)
    return None


def _entry(content: bytes) -> tuple[str, str]:
    parts: dict[int, str] = {}
    inner = io.BytesIO(content)
    while (tag := _number(inner)) is not None:
        text = _field(inner, tag, wanted=tag & 7 == 2)
        if text is not None:
            parts[tag >> 3] = text.decode()
    return parts.get(_KEY, ""), parts.get(_VALUE, "")
