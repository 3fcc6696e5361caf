"""Values per sample inside JSON: small enough to keep, so that two reports on the same data compare in pairs."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import ModelError

__all__ = ["pack_hits", "pack_labels", "unpack_hits", "unpack_labels"]

_MOST_BYTES = 1 << 30  # what a damaged report may make us allocate


def pack_hits(hits: NDArray[np.bool_]) -> str:
    """Returns base64 of bits, eight a byte, the first sample the highest bit."""
    return base64.b64encode(np.packbits(hits).tobytes()).decode()


def unpack_hits(text: str, n: int) -> NDArray[np.bool_]:
    """Returns what `pack_hits` packed, shape ``(n,)``.

    Raises:
        ModelError: It does not hold ``n`` bits.
    """
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except ValueError:
        packed = np.zeros(0, np.uint8)
    if packed.size != -(-n // 8):
        raise ModelError(f"The report is malformed: 'hits' does not hold {n:,} bits.")
    return np.unpackbits(packed, count=n).astype(np.bool_)


def pack_labels(labels: NDArray[Any]) -> str:
    """Returns base64 of DEFLATE-compressed little-endian 32-bit class numbers; data sorted by class take a few bytes."""
    return base64.b64encode(zlib.compress(labels.astype("<i4").tobytes(), 9)).decode()


def unpack_labels(text: str, n: int) -> NDArray[np.int32]:
    """Returns what `pack_labels` packed, shape ``(n,)``.

    Raises:
        ModelError: It does not hold ``n`` labels.
    """
    try:
        content = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), min(4 * n + 1, _MOST_BYTES))
    except (ValueError, zlib.error):
        content = b""
    if len(content) != 4 * n:
        raise ModelError(f"The report is malformed: 'labels' does not hold {n:,} classes.")
    return np.frombuffer(content, "<i4").astype(np.int32)
