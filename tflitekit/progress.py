"""How long work reports how far it is; the library's default says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Progress"]


class Progress:
    """Receives the progress of long work. This one is silent; the command line has one that draws bars."""

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Opens one task of ``total`` steps; the value is called with the number of steps just done."""
        del description, total
        yield lambda steps: None

    def note(self, message: str) -> None:
        """Tells people something that is not an error."""
        del message
