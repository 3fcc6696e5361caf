"""Standard input, output and error of the command line, whatever they are: closed, full, ASCII, or a pipe nobody reads."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tflitekit.core.errors import StorageError
from tflitekit.core.printable import printable

__all__ = ["standard_streams"]

_ERRORS = "tflitekit"
_SIMPLER = str.maketrans(
    {
        "–": "-", "—": "-", "−": "-", "•": "*", "★": "*", "≥": ">=", "≤": "<=", "×": "x", "…": "...", "±": "+-", "µ": "u",
        "→": "->", "’": "'", "─": "-", "━": "-", "╸": "-", "╺": "-", "│": "|", "┃": "|",
    }
)  # fmt: skip


class _Sink(io.FileIO):
    """A descriptor that is written to until it fails: from then on nothing is, so that the end of the process is quiet."""

    def __init__(self, descriptor: int, *, must_work: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._must_work, self._failed = must_work, False

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        if self._failed:
            return size
        try:
            return super().write(data) or 0
        except OSError as error:
            self._failed = True
            if not self._must_work or isinstance(error, BrokenPipeError):  # its reader has seen enough
                return size
            closed = error.errno == 9  # EBADF
            reason = "it is closed" if closed else (error.strerror or str(error))
            raise StorageError(
                f"Cannot write to standard output: {reason}.",
                why="Files that were written are kept.",
                fix="Send it to a terminal, to a file on a disk with room, or to /dev/null.",
            ) from error


@contextmanager
def standard_streams() -> Iterator[None]:
    """Within the block what is written to standard output arrives or is an error, and nothing else about streams is one.

    Raises:
        StorageError: Standard output is closed or its disk is full.
    """
    codecs.register_error(_ERRORS, _encode)
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: the next file that is opened would take its number
            # One that cannot be written to, for standard output: it must not pass for written.
            os.open(os.devnull, os.O_WRONLY if descriptor == 2 else os.O_RDONLY)
    sys.stdout = _stream(1, sys.stdout, must_work=True)
    sys.stderr = _stream(2, sys.stderr, must_work=False)
    try:
        yield
    finally:
        sys.stdout.flush()


def _stream(descriptor: int, before: Any, *, must_work: bool) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(_Sink(descriptor, must_work=must_work))
    encoding = getattr(before, "encoding", None) or "utf-8"
    lines = not must_work or bool(before is not None and before.line_buffering)
    return io.TextIOWrapper(buffer, encoding, _ERRORS, line_buffering=lines)


def _encode(error: UnicodeError) -> tuple[str | bytes, int]:
    """Spells out what an encoding does not have."""
    assert isinstance(error, UnicodeEncodeError)
    text = printable(error.object[error.start : error.end].translate(_SIMPLER))
    return text.encode("ascii", "backslashreplace").decode(), error.end
