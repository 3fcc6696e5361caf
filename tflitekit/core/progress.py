"""How long work reports how far it is; the library's default says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # which needs pydantic, and most commands report no events
    from tflitekit.core.events import Event

__all__ = ["Advance", "PartProgress", "Progress"]


class Advance(Protocol):
    """Called with the number of steps just done, and with a few words on how it goes."""

    def __call__(self, steps: int, detail: str = "") -> None: ...


class Progress:
    """Receives the progress of long work. This one is silent; the command line has one that draws bars."""

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Advance]:
        """Opens one task of ``total`` steps; the value is called when some of them are done."""
        del description, total
        yield lambda steps, detail="": None

    def note(self, message: str) -> None:
        """Tells people something that is not an error."""
        del message

    def event(self, event: Event) -> None:
        """Tells what happened in a run of many pieces; may be called in any thread."""
        del event


class PartProgress(Progress):
    """The progress of one of several pieces that go on at the same time: what it tells begins with its name."""

    def __init__(self, name: str, whole: Progress) -> None:
        self._name, self._whole = name, whole

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Advance]:
        with self._whole.task(f"{self._name}: {description}", total) as advance:
            yield advance

    def note(self, message: str) -> None:
        self._whole.note(f"{self._name}: {message}")

    def event(self, event: Event) -> None:
        self._whole.event(event)
