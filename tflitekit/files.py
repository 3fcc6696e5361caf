"""Files written whole, content hashes, and the lock that keeps two runs out of one folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tflitekit.errors import BusyError, disk_errors

__all__ = ["content_hash", "deflated_size", "hash_json", "locked", "write_json", "write_whole"]

_CHUNK_BYTES = 1 << 20


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a file under a temporary name and renames it, so that nobody ever sees half of it.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` as indented JSON, whole."""
    write_whole(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def content_hash(path: Path) -> str:
    """Returns the SHA-256 of a file, or of a folder's relative names and contents, as hex."""
    digest = hashlib.sha256()
    if path.is_dir():
        for child in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(str(child.relative_to(path)).encode() + b"\0" + content_hash(child).encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def hash_json(value: Any) -> str:
    """Returns the SHA-256 of a JSON value, independent of the order of its keys, as hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def deflated_size(path: Path) -> int:
    """Returns the size in bytes of a file after DEFLATE at level 9: what it costs inside an APK download."""
    compressor, size = zlib.compressobj(9, zlib.DEFLATED, -15), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            size += len(compressor.compress(chunk))
    return size + len(compressor.flush())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; the operating system releases it when the process ends, however it ends.

    Raises:
        BusyError: Another process holds it.
    """
    from filelock import FileLock, Timeout

    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    name = folder / ".lock"
    lock = FileLock(name, timeout=0)
    with disk_errors(name):
        try:
            lock.acquire()
        except Timeout as error:
            raise BusyError(
                f"Another tflitekit run is writing into {folder}.",
                fix="Wait until it has ended, or give this run a folder of its own with --out.",
            ) from error
    try:
        yield
    finally:
        lock.release()
