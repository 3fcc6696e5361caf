"""Writes an APK: the same content gives the same bytes, and what Android maps into memory is stored at aligned offsets."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

__all__ = ["LIBRARY_ALIGNMENT", "MODEL_ALIGNMENT", "TABLE_ALIGNMENT", "alignment", "write_apk"]

LIBRARY_ALIGNMENT = 16_384
"""Of native libraries: the largest memory page that Android supports."""
MODEL_ALIGNMENT = 16
"""Of models: what flatbuffers and XNNPACK want of a buffer."""
TABLE_ALIGNMENT = 4
"""Of ``resources.arsc``; Android 11 refuses to install an app where it is compressed or elsewhere."""

_TIME = (1981, 1, 1, 1, 1, 2)  # what Android's own tools write
_HEADER_BYTES = 30
_ALIGNMENT_FIELD, _FIELD_BYTES = 0xD935, 6  # zipalign's extra field: id, size and the alignment, each two bytes


def alignment(name: str) -> int:
    """Returns what the offset of an entry's content must be a multiple of; 1 where it may be compressed."""
    if name.startswith("lib/") and name.endswith(".so"):
        return LIBRARY_ALIGNMENT
    if name.startswith("assets/") and name.endswith(".tflite"):
        return MODEL_ALIGNMENT
    return TABLE_ALIGNMENT if name == "resources.arsc" else 1


def write_apk(entries: Mapping[str, tuple[bytes, bool]]) -> bytes:
    """Returns a zip of ``entries``: by path the content, and whether it is compressed where it need not be aligned.

    Sorted by path, with a fixed time and no other attributes. Compressed bytes are zlib's, so another version of zlib may give
    others.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in sorted(entries):
            content, compressed = entries[name]
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = 0
            multiple = alignment(name)
            if multiple > 1:
                entry.extra = _padding(stream.tell() + _HEADER_BYTES + len(name.encode()), multiple)
            deflated = compressed and multiple == 1
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED)
    return stream.getvalue()


def _padding(position: int, multiple: int) -> bytes:
    """Returns the extra field after which, if it begins at ``position``, the next byte is at a multiple."""
    zeros = -(position + _FIELD_BYTES) % multiple
    return struct.pack("<HHH", _ALIGNMENT_FIELD, zeros + 2, multiple) + bytes(zeros)
