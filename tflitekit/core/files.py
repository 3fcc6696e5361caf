"""Files written whole, the one place that opens files of users, content hashes, and the lock that keeps two runs out of one folder."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import shutil
import stat
import tempfile
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from tflitekit.core.errors import (
    MORE_MEMORY,
    OTHER_OUT,
    BusyError,
    OutOfMemoryError,
    StorageError,
    UnreadableError,
    disk_errors,
)
from tflitekit.core.lifetime import hold, is_own
from tflitekit.core.printable import dump_json

__all__ = [
    "MARK",
    "MODEL_LIMIT_BYTES",
    "TEXT_LIMIT_BYTES",
    "check_written",
    "content_hash",
    "decode_text",
    "deflated_size",
    "files_below",
    "hash_json",
    "is_file",
    "is_folder",
    "locked",
    "open_file",
    "read_bytes",
    "remove_partial",
    "require_inside",
    "require_path",
    "require_utf8",
    "shortened",
    "write_json",
    "write_same",
    "write_whole",
]

TEXT_LIMIT_BYTES = 64 << 20
"""A report with pictures of 400 classes takes a hundredth of it."""
MODEL_LIMIT_BYTES = 8 << 30
"""A FlatBuffer has at most 2 GiB; larger models keep their weights behind it, and no phone loads that many."""
_CHUNK_BYTES = 1 << 20
_PARTIAL = ".partial-"
MARK = ".seen-"
"""Begins the names of files by which machines know that a folder is the same one."""
_MOST_SHOWN = 120
_LONGEST_NAME_BYTES = 255
# The mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def open_file(path: str | Path, limit_bytes: int | None = None) -> BinaryIO:
    """Opens a regular file for reading. Pipes and devices, which wait or never end, are refused before they are opened.

    Raises:
        UnreadableError: It is missing, no regular file, larger than the limit, or may not be read.
    """
    name = str(path)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        _require_regular(name, Path(path).stat(), limit_bytes)
        stream = os.fdopen(os.open(path, flags), "rb")
    except FileNotFoundError:
        raise UnreadableError(name, "there is no such file", missing=True) from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UnreadableError(name, reason, missing=isinstance(error, NotADirectoryError)) from error
    try:
        _require_regular(name, os.fstat(stream.fileno()), limit_bytes)  # it may have been replaced in between
    except UnreadableError:
        stream.close()
        raise
    return stream


def _require_regular(name: str, found: os.stat_result, limit_bytes: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(found.st_mode), "a device")
        raise UnreadableError(name, f"it is {kind}, not a regular file")
    if limit_bytes is not None and found.st_size > limit_bytes:
        raise UnreadableError(name, f"it has {found.st_size:,} bytes, more than the {limit_bytes:,} that are read")


def is_folder(path: Path) -> bool:
    """Returns whether there is a folder of that name; a name that cannot be is that of none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Returns whether there is a file of that name; a name that cannot be is that of none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def require_inside(name: str) -> str:
    """Returns the name of a file that another file gives, if it lies in that one's folder or below, on every system.

    Raises:
        ValueError: It does not, or no system has such names.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise ValueError(f"'{shortened(name)}' is not a path inside the folder")
    return require_path(name)


def require_path(name: str) -> str:
    """Returns a path that another file gives, if there can be one.

    Raises:
        ValueError: No system has such names.
    """
    if (
        not name
        or "\0" in name
        or any(len(os.fsencode(part)) > _LONGEST_NAME_BYTES for part in PurePosixPath(name).parts)
    ):
        raise ValueError(f"'{shortened(name)}' cannot be the name of a file")
    return name


def read_bytes(path: str | Path, limit_bytes: int | None = None) -> bytes:
    """Returns the content of a regular file of at most ``limit_bytes`` (else `TEXT_LIMIT_BYTES`).

    Raises:
        UnreadableError: As `open_file`.
    """
    limit = TEXT_LIMIT_BYTES if limit_bytes is None else limit_bytes
    with open_file(path, limit) as stream:
        try:
            said = min(limit, os.fstat(stream.fileno()).st_size)
            content = stream.read(said + 1)  # no more than that is asked of memory
            if len(content) > said:  # a file of the kernel, or one that grows, may say less of itself
                content += stream.read(limit + 1 - len(content))
        except MemoryError as error:
            raise OutOfMemoryError(f"{path} cannot be read: there is not enough memory.", fix=MORE_MEMORY) from error
        except (OSError, OverflowError) as error:
            raise UnreadableError(str(path), str(getattr(error, "strerror", None) or error).lower()) from error
    if len(content) > limit:
        raise UnreadableError(str(path), f"it has more than {limit:,} bytes")
    return content


def decode_text(content: bytes, name: str) -> str:
    """Returns UTF-8 text, and UTF-16 or UTF-32 with a byte order mark, as editors on Windows write them.

    Raises:
        UnreadableError: It is in another encoding.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in content:
        reason = "its text has zero bytes, as UTF-16 without a byte order mark has, or a file that is not text"
        raise UnreadableError(name, reason, fix="Save it as UTF-8.")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        reason = (
            f"it is not {encoding.upper().removesuffix('-SIG')}: line {line} has the byte 0x{content[error.start]:02x}"
        )
        fix = "Save it as UTF-8; it is probably in an older encoding (Latin-1, Windows-1252)."
        raise UnreadableError(name, reason, fix=fix) from error


def shortened(text: str, most: int = _MOST_SHOWN) -> str:
    """Returns a text of at most ``most`` characters, for messages that name what a file holds."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a file under a temporary name and renames it, so that nobody ever sees half of it.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_partial(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_PARTIAL)
        while not is_own(handle, Path(temporary)):
            os.close(handle)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_PARTIAL)
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


def write_same(path: Path, source: Path) -> None:
    """Gives a file the content of another one, as `write_whole` does: one content with two names where the file system can, a copy elsewhere.

    Both may only ever be replaced as a whole then.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    temporary = path.parent / f"{_PARTIAL}{uuid.uuid4().hex}"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            try:
                temporary.hardlink_to(source)
            except OSError:
                shutil.copyfile(source, temporary)
            temporary.replace(path)  # which leaves it where both were names of one content already
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` as indented JSON, whole."""
    write_whole(path, dump_json(value) + "\n")


def remove_partial(folder: Path, prefix: str = _PARTIAL) -> None:
    """Removes files of a folder that killed processes left, half written by default; those that another process has are locked."""
    for path in folder.glob(f"{prefix}*"):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                if hold(descriptor):
                    path.unlink()
            finally:
                os.close(descriptor)


def files_below(folder: Path) -> dict[str, Path]:
    """Returns the files of a run's folder by their paths in it, without its lock, its marks and what is half written."""
    return {
        str(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith((".lock", MARK, _PARTIAL))
    }


def check_written(paths: Iterable[Path]) -> None:
    """Makes sure that files are where a run wrote them, before it says so.

    Raises:
        StorageError: Some are gone.
    """
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise _vanished(f"{missing[0]} is gone" + (f", and {len(missing) - 1} more" if len(missing) > 1 else ""))


def _vanished(what: str) -> StorageError:
    return StorageError(
        f"{what}: something else removed or replaced it while this run was writing.",
        fix="Run the same command again into a folder that nothing else changes.",
    )


def require_utf8(path: Path, *, why: str) -> None:
    """Refuses a place whose name is not UTF-8, for a library that cannot write there.

    Raises:
        StorageError: It is not; ``why`` says who cannot.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise StorageError(
            f"The name of the folder {path} is not UTF-8.", why=why, fix="Choose another folder with --out."
        ) from None


def content_hash(path: Path) -> str:
    """Returns the SHA-256 of a file, or of a folder's relative names and contents, as hex."""
    digest = hashlib.sha256()
    if path.is_dir():
        for child in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(os.fsencode(child.relative_to(path)) + b"\0" + content_hash(child).encode())
        return digest.hexdigest()
    with open_file(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def hash_json(value: Any) -> str:
    """Returns the SHA-256 of a JSON value, independent of the order of its keys and of that of sets, as hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=_spelled).encode()).hexdigest()


def _spelled(value: Any) -> str | list[str]:
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)


def deflated_size(path: Path) -> int:
    """Returns the size in bytes of a file after DEFLATE at level 9: what it costs inside an APK download."""
    compressor, size = zlib.compressobj(9, zlib.DEFLATED, -15), 0
    with open_file(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            size += len(compressor.compress(chunk))
    return size + len(compressor.flush())


@contextmanager
def locked(folder: Path, fix: str = OTHER_OUT) -> Iterator[None]:
    """Holds the folder's lock; the operating system releases it when the process ends, however it ends.

    Args:
        fix: What to do where the folder must not be written.

    Raises:
        BusyError: Another process holds it.
    """
    from filelock import FileLock, Timeout

    with disk_errors(folder, fix):
        folder.mkdir(parents=True, exist_ok=True)
    for inside in (folder, folder / ".tflitekit"):
        remove_partial(inside)
    name = folder / ".lock"
    lock = FileLock(name, timeout=0)
    with disk_errors(name, fix):
        try:
            lock.acquire()
        except Timeout as error:
            raise BusyError(
                f"Another tflitekit run is writing into {folder}.",
                fix="Wait until it has ended, or give this run a folder of its own with --out.",
            ) from error
    held = name.stat()
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        _check_same(folder, name, held, error)
        raise
    else:
        _check_same(folder, name, held)
    finally:
        lock.release()


def _check_same(folder: Path, name: Path, held: os.stat_result, cause: Exception | None = None) -> None:
    """Makes sure that the folder is the one that was locked: what was written into it is lost otherwise, and that is why."""
    try:
        same = os.path.samestat(name.stat(), held)
    except OSError:
        same = False
    if not same:
        raise _vanished(f"The folder {folder} is no longer the one that this run began with") from cause
