"""A worker of a cluster while it does one run: it shares its machine with others, and has it for itself while it measures there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from tflitekit.cluster.tasks import Attempt
from tflitekit.core.errors import OutOfMemoryError
from tflitekit.core.machine import machine_name
from tflitekit.core.machine_lock import Told, measuring, working
from tflitekit.core.process.crew import Crew
from tflitekit.core.progress import Progress

__all__ = ["AtWork"]


class AtWork(Crew):
    """This machine, of which others use a part.

    Args:
        progress: Is told that it waits, and for whom.
        what: What is done, for others who wait for it.
        attempt: What other machines said that tried it before.
    """

    def __init__(self, progress: Progress, what: str, attempt: Attempt) -> None:
        self._work, self._progress, self._what, self._attempt = ExitStack(), progress, what, attempt

    def __enter__(self) -> Self:
        self._begin()
        return self

    def _begin(self) -> None:
        self._work.enter_context(working(self._what, self._waits("measures")))

    def _waits(self, does: str) -> Told:
        def told(who: str) -> None:
            with self._progress.task(f"Waiting until nobody {does} on this machine, {who}", None):
                return

        return told

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.close()

    def short_of_memory(self, error: OutOfMemoryError) -> OutOfMemoryError:
        if not self._attempt.last:
            raise error
        here = " ".join(filter(None, (error.what, error.why)))
        said = dict.fromkeys((*self._attempt.said, f"{machine_name()}: {' '.join(here.split())}"))
        return OutOfMemoryError(error.what, why="\n".join(said), fix=error.fix)

    @contextmanager
    def alone(self, *, here: bool) -> Iterator[None]:
        """Waits for the work of others on this machine to end, where that matters, and lets none begin."""
        self._work.close()
        with ExitStack() as measured:
            if here:
                measured.enter_context(measuring(self._what, self._waits("works")))
            yield
        self._begin()
