"""Who does the work of a run: this machine, or whoever follows `Crew`, such as a cluster (`tflitekit.cluster`)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self

from tflitekit.core.errors import OutOfMemoryError
from tflitekit.core.process.workers import TENSORFLOW, WorkerPool

__all__ = ["THIS_MACHINE", "Crew", "Pool"]


class Pool(Protocol):
    """Runs functions of the kit with JSON arguments, each in a process of its own; see `WorkerPool`."""

    @property
    def jobs(self) -> int:
        """How many run at a time."""

    @property
    def threads(self) -> int | None:
        """How many threads one of them may have that runs alone; None for what its machine gives it (`tflitekit.core.machine.usable_cores`)."""

    def submit(
        self,
        call: str,
        arguments: dict[str, Any],
        *,
        label: str,
        timeout_s: float | None = 0.0,
        gpu: bool = False,
    ) -> Future[Any]:
        """Runs one; see `WorkerPool.submit`."""

    def close(self) -> None:
        """Ends what still runs."""

    def __enter__(self) -> Self:
        """Returns itself; is closed at the end."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""


class Crew:
    """This machine, all of it.

    Attributes:
        spread: How many pieces of work other machines can do at a time; 0 where all is done on this one.
    """

    spread = 0

    def pool(self, *, jobs: int, timeout_s: float, preload: tuple[str, ...] = TENSORFLOW) -> Pool:
        """Returns workers; see `WorkerPool`."""
        return WorkerPool(jobs=jobs, timeout_s=timeout_s, preload=preload)

    @contextmanager
    def alone(self, *, here: bool) -> Iterator[None]:
        """Within the block something is measured, on this machine or, unless ``here``, from it. One run on one machine waits for nobody."""
        del here
        yield

    def short_of_memory(self, error: OutOfMemoryError) -> OutOfMemoryError:
        """Returns what a part of a run fails with for which the memory of this machine does not suffice; raises it where another one is to try."""
        return error


THIS_MACHINE = Crew()
