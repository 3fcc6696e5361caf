"""Which signature schemes an APK carries.

The signing block lies before the central directory; see https://source.android.com/docs/security/features/apksigning/v2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from tflitekit.apk.archive import Archive
from tflitekit.apk.report import Signing
from tflitekit.core.errors import ApkError

__all__ = ["read_signing"]

_MAGIC = b"APK Sig Block 42"
_SCHEMES = {0x7109871A: "v2", 0xF05368C0: "v3", 0x1B93AD61: "v3.1"}
_LIMIT_BYTES = 32 * 2**20
_V1 = re.compile(r"META-INF/[^/]+\.(RSA|DSA|EC)", re.IGNORECASE)
_DEBUG_NAME = b"Android Debug"
"""The common name of the certificates that Android's tools make for debugging."""


def read_signing(archive: Archive) -> Signing:
    """Finds the schemes; their signatures are not verified.

    Raises:
        ApkError: The signing block is damaged.
    """
    blocks = [(_SCHEMES[key], value) for key, value in _signing_block(archive) if key in _SCHEMES]
    v1 = [entry for name, entry in archive.entries.items() if _V1.fullmatch(name)]
    has_v1 = bool(v1) and any(re.fullmatch(r"META-INF/[^/]+\.SF", name, re.IGNORECASE) for name in archive.entries)
    certificates = [value for _, value in blocks] + [archive.read(entry, _LIMIT_BYTES) for entry in v1]
    return Signing(
        schemes=("v1",) * has_v1 + tuple(sorted({scheme for scheme, _ in blocks})),
        debug_certificate=any(_DEBUG_NAME in certificate for certificate in certificates),
    )


def _signing_block(archive: Archive) -> Iterator[tuple[int, bytes]]:
    """Yields the numbered values in the block, if there is one."""
    end = archive.directory_offset
    footer = archive.bytes_at(end - 24, 24) if end >= 32 else b""
    if len(footer) < 24 or footer[8:] != _MAGIC:
        return
    size = struct.unpack_from("<Q", footer)[0]
    if not 24 <= size <= min(end - 8, _LIMIT_BYTES):
        raise _damaged(archive)
    block = archive.bytes_at(end - size - 8, size - 16)
    if struct.unpack_from("<Q", block)[0] != size:
        raise _damaged(archive)
    position = 8
    while position < len(block):
        if position + 12 > len(block):
            raise _damaged(archive)
        length, key = struct.unpack_from("<QI", block, position)
        if not 4 <= length <= len(block) - position - 8:
            raise _damaged(archive)
        yield key, block[position + 12 : position + 8 + length]
        position += 8 + length


def _damaged(archive: Archive) -> ApkError:
    return ApkError(
        f"The signing block of {archive.path} is damaged.",
        why="Android refuses to install it.",
        fix="Sign it again with apksigner.",
    )
