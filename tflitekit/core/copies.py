"""Copies in the user's cache of what lies elsewhere: each object once, by its content, and trees of links to them for every place.

Any number of processes may use them at once. They are purged only while none does: who uses them holds a lock of the operating system's,
until its process, or the block of `copies_in_use`, ends.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tflitekit.core.caches import OTHER_CACHE, cache_folder
from tflitekit.core.errors import UsageError, disk_errors
from tflitekit.core.files import content_hash, hash_json, write_whole
from tflitekit.core.lifetime import hold

__all__ = [
    "Copy",
    "copies",
    "copies_folder",
    "copies_in_use",
    "copies_size",
    "keep_tree",
    "place_of",
    "purge_copies",
    "run_folder",
    "store_object",
    "use_copies",
]

_NAME = "place.json"
_LOCK = ".lock"
_POLL_S = 0.05
_guard = threading.Lock()
_locks: dict[Path, int] = {}
"""The open lock of each folder that this process uses."""
_blocks: set[object] = set()


class Copy(NamedTuple):
    """The copy of one place: its folder, its size, and when it was used last, in seconds since 1970."""

    place: str
    folder: Path
    size_bytes: int
    used: float


def copies_folder() -> Path:
    """Returns where copies lie. Nothing else is there."""
    return cache_folder() / "remote"


def use_copies() -> None:
    """Keeps what is in the cache from being purged, until this process, or the last block of `copies_in_use`, ends."""
    folder = copies_folder()
    with _guard, suppress(OSError):  # who cannot write there cannot purge there
        if folder not in _locks:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            while hold(descriptor, shared=True) is False:
                time.sleep(_POLL_S)
            _locks[folder] = descriptor


@contextmanager
def copies_in_use() -> Iterator[None]:
    """Lets what its block uses be purged afterwards, as long as no other block runs: for programs that run for months."""
    block = object()
    with _guard:
        _blocks.add(block)
    try:
        yield
    finally:
        with _guard:
            _blocks.discard(block)
            while not _blocks and _locks:
                os.close(_locks.popitem()[1])


def copies() -> list[Copy]:
    """Returns the copies in the cache, those that were used last first."""
    found = []
    for tree in (copies_folder() / "trees").glob("*"):
        with suppress(OSError, ValueError, KeyError):
            used = (tree / _NAME).stat().st_mtime
            found.append(Copy(place_of(tree), tree, _size(tree), used))
    return sorted(found, key=lambda copy: -copy.used)


def copies_size() -> int:
    """Returns how many bytes the cache takes; what several copies share counts once."""
    return _size(copies_folder())


def purge_copies(unused_days: float = 0) -> int:
    """Removes copies, and returns how many bytes that gave back.

    Args:
        unused_days: Keep what was used since.

    Raises:
        UsageError: A process uses the cache.
    """
    folder, last = copies_folder(), time.time() - unused_days * 86_400
    if not folder.is_dir():
        return 0
    with disk_errors(folder, OTHER_CACHE):
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if hold(descriptor) is False:
            raise UsageError(
                f"The cache {folder} is in use, and nothing was removed.",
                why="A run, or a task of a worker on this machine, may read its copies.",
                fix="Run the same command again when that is finished.",
            )
        before = copies_size()
        for tree in (folder / "trees").glob("*"):  # also those that stopped processes left half
            mark = tree / _NAME
            if not mark.is_file() or mark.stat().st_mtime <= last:
                shutil.rmtree(tree, ignore_errors=True)
        for path in (folder / "objects").glob("*"):
            status = path.lstat()
            if status.st_nlink == 1 and status.st_mtime <= last:  # no copy has it
                path.unlink()
        return before - copies_size()
    finally:
        os.close(descriptor)


def place_of(tree: Path) -> str:
    """Returns what the user calls the place that a tree is the copy of, without a password."""
    return str(json.loads((tree / _NAME).read_text(encoding="utf-8"))["place"])


def _size(folder: Path) -> int:
    sizes = {found.st_ino: found.st_size for path in folder.rglob("*") if (found := path.lstat()) and path.is_file()}
    return sum(sizes.values())


def store_object(key: str | None, write: Callable[[Path], object]) -> str:
    """Writes an object into the cache, whole, under its key, by default the hash of its content, and returns that."""
    use_copies()
    folder = copies_folder() / "objects"
    with disk_errors(folder, OTHER_CACHE):
        folder.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=folder, prefix=".partial-")
    os.close(number)
    target = Path(name)
    try:
        write(target)
        target.chmod(0o444)
        key = key or content_hash(target)
        target.replace(folder / key)
    finally:
        target.unlink(missing_ok=True)
    return key


def keep_tree(place: str, name: str, keys: Mapping[str, str]) -> Path:
    """Returns a file, or a folder, of objects in the cache.

    Args:
        place: What the user calls it.
        name: Its own name.
        keys: Of its objects, by their paths inside; that of a file is ''.
    """
    use_copies()
    home = copies_folder() / "trees" / hash_json([place, name, dict(keys)])[:32]
    with suppress(OSError):
        os.utime(home / _NAME)  # when it was used last
    if not home.is_dir():
        with disk_errors(home, OTHER_CACHE):
            home.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(dir=home.parent, prefix=".partial-"))
            try:
                for inside, key in keys.items():
                    target = made / name / inside if inside else made / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _link(copies_folder() / "objects" / key, target)
                write_whole(made / _NAME, json.dumps({"place": place}))
                with suppress(OSError):  # another process was first
                    made.rename(home)
            finally:
                shutil.rmtree(made, ignore_errors=True)
    return home / name


@contextmanager
def run_folder(place: str) -> Iterator[Path]:
    """Gives an empty folder that stands for a place on another machine, and removes it afterwards."""
    use_copies()
    (copies_folder() / "trees").mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=copies_folder() / "trees", prefix="run-"))
    try:
        write_whole(made / _NAME, json.dumps({"place": place}))
        (made / "run").mkdir()
        yield made / "run"
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
