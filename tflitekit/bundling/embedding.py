"""Puts metadata and files into a ``.tflite`` file without touching a byte of the model that is there.

A flatbuffer's offsets point forward only, so what is added goes in front: a new root table that shares all parts of the
model's, a list of buffers with one more, and a list of metadata with one more. The given file follows whole. Files are a
zip archive at the end, as ``metadata_schema.fbs`` of TensorFlow Lite Support has it::

    [root table, lists, metadata][the model, byte for byte][zip archive]

Field numbers: ``schema.fbs`` of TensorFlow Lite (``tensorflow/compiler/mlir/lite/schema``), Apache-2.0.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tflitekit.core.errors import ModelError

__all__ = ["METADATA_NAME", "embed", "extract_model"]

METADATA_NAME = "TFLITE_METADATA"

_IDENTIFIER = b"TFL3"
_MARK = b"tflitekit.md"  # follows the identifier in a file of ours; the next 4 bytes say where the model begins
_MODEL_FIELDS = 10
_BUFFERS, _METADATA = 4, 6  # fields of Model
_BUFFER_OFFSET = 1  # field of Buffer
_LARGE_CUSTOM_OPTIONS_OFFSET = 9  # field of Operator
_ALIGNMENT = 64  # of the model in the new file; buffers are aligned to 16 in the flatbuffer, and to 64 behind it
_LIMIT = 2**31 - 1  # bytes of a flatbuffer
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


def embed(model: bytes, metadata: bytes, files: Mapping[str, bytes]) -> bytes:
    """Returns the model with metadata and files in it; those that are there already are replaced.

    Args:
        model: Content of a ``.tflite`` file.
        metadata: The flatbuffer for the entry ``TFLITE_METADATA``.
        files: Content by name.

    Raises:
        ModelError: The model is damaged, of a newer schema, or too large.
    """
    model = extract_model(model)
    try:
        head = _head(model, metadata)
        shifted = _shifted(model, len(head))
    except (struct.error, IndexError, ValueError, TypeError) as error:
        raise ModelError("The model is damaged or truncated.", why=f"{type(error).__name__}: {error}.") from error
    return _with_archive(head + shifted, files)


def extract_model(content: bytes) -> bytes:
    """Returns the model that metadata and files were put into: for a file of `embed`, what was given to it.

    Of other files an archive at the end is taken off.

    Raises:
        ModelError: This is not a ``.tflite`` file.
    """
    if content[4:8] != _IDENTIFIER:
        raise ModelError("The model is not a TensorFlow Lite model: it lacks the identifier TFL3.")
    content = content[: _archive_start(content)]
    if content[8 : 8 + len(_MARK)] != _MARK:
        return content
    (begin,) = struct.unpack_from("<I", content, 8 + len(_MARK))
    if content[begin + 4 : begin + 8] != _IDENTIFIER:
        raise ModelError("The model is damaged: its metadata do not say where the model starts.")
    return _shifted(content[begin:], -begin)


def _archive_start(content: bytes) -> int:
    """Returns where an appended zip archive begins; the content's length where there is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            intact = archive.testzip() is None
            start = min((entry.header_offset for entry in entries), default=len(content))
            return start if intact and start > 8 else len(content)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, struct.error):
        return len(content)  # what looked like an archive's end was something else


def _head(model: bytes, metadata: bytes) -> bytes:
    """Builds everything that goes in front of the model; its length is a multiple of the alignment."""
    table, fields = _fields(model, struct.unpack_from("<I", model)[0])
    if len(fields) > _MODEL_FIELDS and any(fields[_MODEL_FIELDS:]):
        raise ModelError(
            "The model has a newer schema than this kit knows: its root has fields that cannot be copied.",
            fix="Update tflitekit and ai-edge-litert.",
        )
    fields = (*fields, *[0] * _MODEL_FIELDS)[:_MODEL_FIELDS]
    targets = {i: _target(model, table + field) for i, field in enumerate(fields) if field and i > 0}
    buffers = _references(model, targets.get(_BUFFERS))
    entries = [e for e in _references(model, targets.get(_METADATA)) if _entry_name(model, e) != METADATA_NAME.encode()]

    # The layout, front to back; every number is 4 bytes wide and every part begins at a multiple of 4.
    vtable = 8 + len(_MARK) + 4
    root = vtable + 2 * (2 + _MODEL_FIELDS)
    buffer_list = root + 4 * (1 + _MODEL_FIELDS)
    entry_list = buffer_list + 4 * (2 + len(buffers))
    new_entry = entry_list + 4 * (2 + len(entries)) + 8  # behind its vtable
    name = new_entry + 12
    new_buffer = name + 4 + len(METADATA_NAME) + 1 + 8
    data = _aligned(new_buffer + 8 + 4, 16)
    begin = _aligned(data + len(metadata), _ALIGNMENT)
    _check_size(model, begin, max([*targets.values(), *buffers, *entries, 0]))

    content = bytearray(begin)
    content[4 : 8 + len(_MARK)] = _IDENTIFIER + _MARK
    struct.pack_into("<I", content, 0, root)
    struct.pack_into("<I", content, vtable - 4, begin)

    present = [bool(field) or i in (_BUFFERS, _METADATA) for i, field in enumerate(fields)]
    offsets = [4 * (1 + i) if there else 0 for i, there in enumerate(present)]
    struct.pack_into(f"<{2 + _MODEL_FIELDS}H", content, vtable, root - vtable, buffer_list - root, *offsets)
    struct.pack_into("<i", content, root, root - vtable)
    if fields[0]:
        content[root + 4 : root + 8] = model[table + fields[0] : table + fields[0] + 4]
    ours = {i: begin + target for i, target in targets.items()} | {_BUFFERS: buffer_list, _METADATA: entry_list}
    for i, target in ours.items():
        _refer(content, root + 4 * (1 + i), target)

    _write_list(content, buffer_list, [*(begin + b for b in buffers), new_buffer])
    _write_list(content, entry_list, [*(begin + e for e in entries), new_entry])

    struct.pack_into("<4H", content, new_entry - 8, 8, 12, 4, 8)  # Metadata: name, buffer
    struct.pack_into("<i", content, new_entry, 8)
    _refer(content, new_entry + 4, name)
    struct.pack_into("<I", content, new_entry + 8, len(buffers))
    struct.pack_into("<I", content, name, len(METADATA_NAME))
    content[name + 4 : name + 4 + len(METADATA_NAME)] = METADATA_NAME.encode()

    struct.pack_into("<3H", content, new_buffer - 6, 6, 8, 4)  # Buffer: data
    struct.pack_into("<i", content, new_buffer, 6)
    _refer(content, new_buffer + 4, data - 4)
    struct.pack_into("<I", content, data - 4, len(metadata))
    content[data : data + len(metadata)] = metadata
    return bytes(content)


def _check_size(model: bytes, begin: int, last: int) -> None:
    """Refuses a model that would be too large behind ``begin`` bytes; ``last`` is the last place in it that is referred to."""
    if begin + last > _LIMIT or (begin + len(model) > _LIMIT and not any(_absolute_offsets(model))):
        raise ModelError(
            f"The model has {len(model):,} bytes; with metadata in it, it would be larger than the format allows (2 GiB).",
        )


def _shifted(model: bytes, by: int) -> bytes:
    """Returns the model for a place ``by`` bytes further back: models above 2 GiB hold places in the file."""
    positions = list(_absolute_offsets(model))
    if not positions:
        return model
    content = bytearray(model)
    for position in positions:
        struct.pack_into("<Q", content, position, struct.unpack_from("<Q", content, position)[0] + by)
    return bytes(content)


def _absolute_offsets(model: bytes) -> Iterator[int]:
    """Yields where a number says how far from the file's beginning a buffer or an operator's options lie."""
    root = schema.Model.GetRootAs(model, 0)
    tables = [(root.Buffers(i), _BUFFER_OFFSET) for i in range(root.BuffersLength())]
    for i in range(root.SubgraphsLength()):
        graph = root.Subgraphs(i)
        operators = (graph.Operators(j) for j in range(graph.OperatorsLength()))
        tables += [(operator, _LARGE_CUSTOM_OPTIONS_OFFSET) for operator in operators]
    for owner, number in tables:
        table: Any = owner._tab
        field = table.Offset(4 + 2 * number)
        if field and struct.unpack_from("<Q", model, table.Pos + field)[0] > 1:  # 0 and 1: nothing there
            yield table.Pos + field


def _with_archive(model: bytes, files: Mapping[str, bytes]) -> bytes:
    if not files:
        return model
    stream = io.BytesIO(model)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "w") as archive:  # its offsets count from the file's beginning
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, files[name], zipfile.ZIP_STORED)
    return stream.getvalue()


def _fields(content: bytes, table: int) -> tuple[int, tuple[int, ...]]:
    """Returns the table's place, and each field's distance from it; 0 where it is absent."""
    vtable = table - struct.unpack_from("<i", content, table)[0]
    size = struct.unpack_from("<H", content, vtable)[0]
    return table, struct.unpack_from(f"<{size // 2 - 2}H", content, vtable + 4)


def _target(content: bytes, position: int) -> int:
    return position + int(struct.unpack_from("<I", content, position)[0])


def _references(content: bytes, vector: int | None) -> list[int]:
    """Returns where the tables of a vector lie."""
    if vector is None:
        return []
    count = struct.unpack_from("<I", content, vector)[0]
    if vector + 4 * (1 + count) > len(content):
        raise ValueError("a list reaches beyond the end of the file")
    return [_target(content, vector + 4 * (1 + i)) for i in range(count)]


def _entry_name(content: bytes, entry: int) -> bytes:
    table, fields = _fields(content, entry)
    if not fields or not fields[0]:
        return b""
    name = _target(content, table + fields[0])
    return content[name + 4 : name + 4 + struct.unpack_from("<I", content, name)[0]]


def _refer(content: bytearray, position: int, target: int) -> None:
    struct.pack_into("<I", content, position, target - position)


def _write_list(content: bytearray, position: int, targets: list[int]) -> None:
    struct.pack_into("<I", content, position, len(targets))
    for i, target in enumerate(targets):
        _refer(content, position + 4 * (1 + i), target)


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment
