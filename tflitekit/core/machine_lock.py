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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["measuring", "working"]

_POLL_S = 0.05
_FOLDER = Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir())


@contextmanager
def working() -> Iterator[None]:
    """Waits until nobody measures on this machine, or waits to; within the block nobody starts to."""
    with _open("work") as work:
        with _held("gate", exclusive=True):
            _lock(work, exclusive=False)
        yield


@contextmanager
def measuring() -> Iterator[None]:
    """Waits until all that work on this machine have ended their piece; within the block nobody starts another.

    Not within `working` of the same thread, which would wait for itself.
    """
    with _held("gate", exclusive=True), _held("work", exclusive=True):
        yield


@contextmanager
def _held(name: str, *, exclusive: bool) -> Iterator[None]:
    with _open(name) as descriptor:
        _lock(descriptor, exclusive=exclusive)
        yield


@contextmanager
def _open(name: str) -> Iterator[int]:
    """Opens a lock's file. An object owns what is locked, and so closes it also where the thread is stopped between two lines."""
    user = os.getuid() if hasattr(os, "getuid") else ""
    path = _FOLDER / f"tflitekit-{user}-{name}.lock"
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    with io.FileIO(path, "r+") as file:
        yield file.fileno()


def _lock(descriptor: int, *, exclusive: bool) -> None:
    """Locks an open file until it is closed. Python opens files so that programs that it starts do not get them.

    It waits in short steps: a thread that waits in the operating system cannot be stopped.
    """
    while sys.platform != "win32":
        try:
            return fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_POLL_S)
