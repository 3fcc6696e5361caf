"""Whether a worker sees the files that a task needs: folders that machines share go away, come back, and sometimes no longer answer."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tflitekit.core.errors import MachineError, disk_errors
from tflitekit.core.files import MARK, remove_partial
from tflitekit.core.lifetime import hold
from tflitekit.core.machine import machine_name
from tflitekit.core.process.threads import in_thread

__all__ = ["NotSeenError", "Sight", "marked"]

_ANSWER_S, _LOOK_S = 30.0, 1.0
_MOST_IN_VAIN = 120
"""Looks without an answer, not seconds by a clock: a machine that slept for an hour has asked nobody."""
_WHY = "All machines of a cluster work on the same files, under the same paths."
_FIX = "Mount that folder there, or name data and results by a URL that every machine can reach."
_known: set[str] = set()
"""What this process has seen."""


class NotSeenError(MachineError):
    """A place that a machine does not see.

    Attributes:
        lost: Whether it was there before, so that it may come back.
    """

    def __init__(self, what: str, *, why: str, fix: str, lost: bool) -> None:
        super().__init__(what, why=why, fix=fix)
        self.lost = lost


class Sight:
    """What this machine sees of the places of one task; within its block it keeps looking.

    Args:
        places: Paths that the machine has to see, as the one that asks does.
    """

    def __init__(self, places: Sequence[str]) -> None:
        self._places, self._done = places, threading.Event()
        self._went: NotSeenError | None = None
        self._looks, self._heard, self._in_vain = 0, 0, 0

    def check(self) -> None:
        """Raises `NotSeenError` where a place is not there, does not answer, or was not there for a moment of the block."""
        try:
            in_thread(self._look).result(_ANSWER_S)
        except TimeoutError:
            raise self._silent() from None
        if self._went is not None:
            raise self._went

    def silent(self) -> NotSeenError | None:
        """Returns what to say of places that have not answered for a minute of the block; somebody asks every half a second."""
        self._in_vain = self._in_vain + 1 if self._looks == self._heard else 0
        self._heard = self._looks
        return self._silent() if self._in_vain > _MOST_IN_VAIN else None

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(_LOOK_S):
            try:
                self._look()
            except NotSeenError as error:
                self._went = error
            self._looks += 1

    def _look(self) -> None:
        for place in self._places:
            what = _missing(Path(place))
            if what is not None:
                raise NotSeenError(f"{machine_name()} {what}", why=_WHY, fix=_FIX, lost=place in _known)
            _known.add(place)

    def _silent(self) -> NotSeenError:
        what = f"{machine_name()} gets no answer from the file system of {' or '.join(self._places)}."
        return NotSeenError(what, why="What it is mounted from may be down.", fix=_FIX, lost=True)


def _missing(place: Path) -> str | None:
    """Returns what is wrong with a place, as the end of a sentence; an empty folder is what is left of one that is not mounted."""
    try:
        if not place.is_dir():
            place.stat()
        elif next(os.scandir(place), None) is None:
            return f"sees nothing in {place}."
    except OSError as error:
        if place.name.startswith(MARK) and place.parent.is_dir():
            return f"sees another folder as {place.parent}."
        return f"does not see {place}{_reason(error)}."
    return None


def _reason(error: OSError) -> str:
    return "" if error.errno in (errno.ENOENT, errno.ENOTDIR) else f": {(error.strerror or str(error)).lower()}"


@contextmanager
def marked(folder: str) -> Iterator[str]:
    """Keeps an empty file in a folder, which is the same one on each machine that sees that file there, and gives its path.

    Raises:
        StorageError: The folder cannot be written.
    """
    with disk_errors(Path(folder)):
        Path(folder).mkdir(parents=True, exist_ok=True)
        remove_partial(Path(folder), MARK)
        descriptor, mark = tempfile.mkstemp(dir=folder, prefix=MARK)
    try:
        hold(descriptor)
        yield mark
    finally:
        os.close(descriptor)
        with suppress(OSError):
            Path(mark).unlink()
