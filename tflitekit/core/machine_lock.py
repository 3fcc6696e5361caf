"""Whether this machine is at work or measures: many may work at a time, and whoever measures is alone.

The locks are files in the system's folder for temporary files, one pair for each user: not that of ``TMPDIR``, which batch systems set anew for each
job. The operating system releases them when the process that holds them ends, however it ends, so that they also hold between programs that know
nothing of each other.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tflitekit.core.printable import printable

if sys.platform != "win32":
    import fcntl

__all__ = ["Told", "measuring", "working"]

_POLL_S, _TELL_S = 0.05, 3.0
_MOST_BYTES = 1 << 16
_FOLDER = Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir())

Told = Callable[[str], object]
"""Hears, every few seconds, for whom is waited: 'flowers (process 1234, since 14:05:10)'."""


@contextmanager
def working(what: str, told: Told = lambda who: None) -> Iterator[None]:
    """Waits until nobody measures on this machine, or waits to; within the block nobody starts to.

    Args:
        what: What is done, for those who wait for it.
    """
    with _open("work") as work:
        with _open("gate") as gate:
            _lock(gate, work, told, exclusive=True)
            _lock(work, work, told, exclusive=False)
            _note(work, what)
        yield


@contextmanager
def measuring(what: str, told: Told = lambda who: None) -> Iterator[None]:
    """Waits until all that work on this machine have ended their piece; within the block nobody starts another.

    Not within `working` of the same thread, which would wait for itself.
    """
    with _open("gate") as gate, _open("work") as work:
        _lock(gate, work, told, exclusive=True)
        _lock(work, work, told, exclusive=True)
        _note(work, what)
        yield


@contextmanager
def _open(name: str) -> Iterator[int]:
    """Opens a lock's file. An object owns what is locked, and so closes it also where the thread is stopped between two lines."""
    user = os.getuid() if hasattr(os, "getuid") else ""
    path = _FOLDER / f"tflitekit-{user}-{name}.lock"
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    with io.FileIO(path, "r+") as file:
        yield file.fileno()


def _lock(descriptor: int, work: int, told: Told, *, exclusive: bool) -> None:
    """Locks an open file until it is closed. Python opens files so that programs that it starts do not get them.

    It waits in short steps: a thread that waits in the operating system cannot be stopped. Who has the gate waits for those at work itself.
    """
    tell_at = time.monotonic() + _TELL_S
    while sys.platform != "win32":
        try:
            return fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_POLL_S)
        if time.monotonic() > tell_at:
            told(_holders(work))
            tell_at = time.monotonic() + _TELL_S


def _note(work: int, what: str) -> None:
    """Writes into the lock's file who has it. Only whoever has the gate writes; those that have ended are left out."""
    if sys.platform == "win32":
        return
    others = [line for pid, line in _notes(work) if pid != os.getpid() and psutil.pid_exists(pid)]
    mine = (
        f"{os.getpid()} {printable(' '.join(what.split()))} (process {os.getpid()}, since {time.strftime('%H:%M:%S')})"
    )
    with suppress(OSError):  # a full disk; who waits is told less
        os.ftruncate(work, 0)
        os.pwrite(work, "\n".join([*others, mine]).encode()[-_MOST_BYTES:], 0)


def _notes(work: int) -> Iterator[tuple[int, str]]:
    """Yields the processes that had the lock, and what they wrote."""
    for line in os.pread(work, _MOST_BYTES, 0).decode(errors="replace").splitlines():
        pid = line.partition(" ")[0]
        if pid.isdigit():
            yield int(pid), line


def _holders(work: int) -> str:
    """Returns who has the lock, as far as the system tells."""
    notes = dict(_notes(work))
    try:
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        inode = str(os.fstat(work).st_ino)
        pids = {int(lock[-4]) for lock in locks if "->" not in lock and lock[-3].rpartition(":")[2] == inode}
    except (OSError, ValueError, IndexError):  # not Linux
        pids = {pid for pid in notes if psutil.pid_exists(pid)}
    return (
        ", ".join(notes[pid].partition(" ")[2] if pid in notes else f"process {pid}" for pid in sorted(pids))
        or "another process"
    )
