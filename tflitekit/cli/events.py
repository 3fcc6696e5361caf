"""Events of a run as JSON lines, for other programs."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import click

from tflitekit.cli.shared import option
from tflitekit.core.errors import UsageError, disk_errors
from tflitekit.core.events import Event
from tflitekit.core.progress import Advance, Progress

__all__ = ["events_option", "written_events"]

events_option = option(
    "--events",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write what happens as JSON lines to this file, or with - to standard output (docs/events.md).",
)


@contextmanager
def written_events(path: Path | None, shown: Progress, *, as_json: bool) -> Iterator[Progress]:
    """Gives a progress that also writes events.

    Args:
        path: Where; None for nowhere, ``-`` for standard output. What the command shows in the end is then on standard error.
        shown: Receives everything, too.
        as_json: Whether standard output is the result's.

    Raises:
        UsageError: Events and the result would both go to standard output.
        StorageError: The file cannot be written.
    """
    if path is None:
        yield shown
        return
    if str(path) == "-" and as_json:
        raise UsageError("--events - and --json both write to standard output.", fix="Name a file: --events FILE.")
    if str(path) == "-":
        _show_on_stderr()
    with disk_errors(path, fix="Name another file: --events FILE."):
        opened: AbstractContextManager[BinaryIO] = (
            nullcontext(sys.stdout.buffer) if str(path) == "-" else path.open("wb", buffering=0)
        )
    with opened as file:
        yield _Written(file, shown)


def _show_on_stderr() -> None:
    """Shows tables on standard error until the command ends."""
    from tflitekit.cli.console import stdout

    if (command := click.get_current_context(silent=True)) is not None:
        stdout.stderr = True
        command.call_on_close(lambda: setattr(stdout, "stderr", False))


class _Written(Progress):
    """Writes each event as a line, at once, and passes all on."""

    def __init__(self, file: BinaryIO, shown: Progress) -> None:
        self._file, self._shown = file, shown
        self._lock = threading.Lock()
        self._broken = False

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Advance]:
        with self._shown.task(description, total) as advance:
            yield advance

    def note(self, message: str) -> None:
        self._shown.note(message)

    def event(self, event: Event) -> None:
        with self._lock:
            try:
                if not self._broken:
                    known = {
                        name: value for name, value in event.model_dump(mode="json").items() if value not in (None, [])
                    }
                    self._file.write(f"{json.dumps(known)}\n".encode())
                    self._file.flush()
            except OSError as error:  # a full disk, or a reader that ended: no reason to stop hours of work
                self._broken = True
                self._shown.note(f"Events are no longer written: {error.strerror or error}.")
        self._shown.event(event)
