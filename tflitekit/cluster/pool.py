"""Tasks on a cluster, from the side of who asks: what a machine could not do is tried on another, and given up after a few."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tflitekit.cluster.tasks import Answer, Task, kit_identity, run_task
from tflitekit.core.errors import ConversionError, MachineError, TflitekitError

if TYPE_CHECKING:
    import distributed

__all__ = ["ATTEMPTS", "SLOT", "ClusterPool", "device_resource"]

ATTEMPTS = 3
"""Machines that one task is tried on."""
SLOT = "slot"
"""The resource of a worker that takes tasks; one that only has devices has none."""


def device_resource(name: str) -> str:
    """Returns the resource of a worker that has a device."""
    return f"device {name}"


@dataclass
class _Asked:
    """One task until it is done."""

    task: Task
    resources: Mapping[str, float]
    priority: int
    answer: Future[Any]
    told: Callable[[Answer], object]
    tried: list[tuple[str, str]] = field(default_factory=list)
    avoid: set[str] = field(default_factory=set)
    running: Any = None


class ClusterPool:
    """The workers of a cluster, in the place of `tflitekit.core.process.workers.WorkerPool`.

    Args:
        jobs: How many the cluster runs at a time.
        timeout_s: A task that takes longer is ended and recorded as a failure.
        preload: Modules that the process of a task needs.
        places: Paths that workers have to see.
        told: Receives how each task went, also those of which another attempt follows.
    """

    def __init__(
        self,
        client: distributed.Client,
        *,
        jobs: int,
        timeout_s: float,
        preload: tuple[str, ...] | None,
        places: tuple[str, ...] = (),
        told: Callable[[Answer], object] = lambda answer: None,
    ) -> None:
        self.jobs = jobs
        self._client, self._timeout_s, self._preload = client, timeout_s, preload
        self._places, self._told = places, told
        self._asked: dict[int, _Asked] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def submit(
        self,
        call: str,
        arguments: dict[str, Any],
        *,
        label: str,
        timeout_s: float | None = 0.0,
        gpu: bool = False,
        resources: Mapping[str, float] | None = None,
        priority: int = 0,
        waits: bool = True,
    ) -> Future[Any]:
        """Runs ``module:function`` of the kit with JSON arguments on some worker.

        Args:
            timeout_s: Instead of the pool's; None for no limit.
            resources: What the worker needs to have free, such as a device; a slot when not given.
            priority: Higher ones go first.
            waits: Whether it waits for whoever measures on that machine.

        Returns:
            A future of its JSON value; its exception is a `TflitekitError`.
        """
        task = Task(
            call=call, arguments=arguments, label=label, kit=kit_identity(), preload=self._preload, gpu=gpu, waits=waits,
            timeout_s=self._timeout_s if timeout_s == 0.0 else timeout_s, places=self._places,
        )  # fmt: skip
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        number = next(self._numbers)
        asked = self._asked[number] = _Asked(task, resources or {SLOT: 1}, priority, future, self._told)
        self._try(number, asked)
        return future

    def _try(self, number: int, asked: _Asked) -> None:
        """Sends a task to a worker that it was not tried on yet."""
        allowed = None
        if asked.avoid:
            allowed = [name for name in self._client.scheduler_info()["workers"] if name not in asked.avoid]
            if not allowed:
                return self._give_up(number, asked)
        try:
            running: Any = self._client.submit(
                run_task,
                asked.task.model_dump(mode="json"),
                key=f"{asked.task.label}-{id(self):x}-{number}-{len(asked.tried)}",
                workers=allowed,
                resources=dict(asked.resources),
                priority=asked.priority,
                pure=False,
            )
        except Exception as error:  # noqa: BLE001 - whatever a client raises whose scheduler is gone
            return self._end(number, asked, scheduler_gone(error))
        asked.running = running  # one that nobody holds is cancelled
        running.add_done_callback(lambda done: self._done(number, asked, done))

    def _done(self, number: int, asked: _Asked, done: Any) -> None:
        from distributed.scheduler import KilledWorker

        if number not in self._asked:  # closed meanwhile
            return
        try:
            if done.cancelled():
                raise scheduler_gone(None)
            answer = Answer.model_validate(done.result())
        except KilledWorker as error:
            words = f"Workers died while it ran, {error.allowed_failures + 1} in all, the last on {error.last_worker.address}."
            return self._end(number, asked, poisonous(asked.task.label, words))
        except MachineError as error:
            return self._end(number, asked, error)
        except Exception as error:  # noqa: BLE001 - whatever a client raises whose scheduler is gone
            return self._end(number, asked, scheduler_gone(error))
        asked.told(answer)
        if answer.error is None:
            return self._end(number, asked, None, answer.value)
        refusal = TflitekitError.from_json(answer.error)
        if answer.blame == "task":
            return self._end(number, asked, refusal)
        asked.tried.append((answer.machine, str(refusal)))
        asked.avoid.add(answer.worker)
        if len(asked.tried) < ATTEMPTS:
            return self._try(number, asked)
        return self._give_up(number, asked)

    def _give_up(self, number: int, asked: _Asked) -> None:
        words = "\n".join(f"{machine}: {' '.join(said.splitlines())}" for machine, said in asked.tried)
        self._end(number, asked, poisonous(asked.task.label, words))

    def _end(self, number: int, asked: _Asked, error: TflitekitError | None, value: Any = None) -> None:
        with self._lock:
            if self._asked.pop(number, None) is None:
                return
        if error is not None:
            asked.answer.set_exception(error)
        else:
            asked.answer.set_result(value)

    def close(self) -> None:
        """Takes back what was not done yet."""
        with self._lock:
            left, self._asked = list(self._asked.values()), {}
        for asked in left:
            if asked.running is not None:
                asked.running.cancel()
            asked.answer.set_exception(MachineError(f"{asked.task.label} was taken back."))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def poisonous(label: str, tried: str) -> ConversionError:
    """Returns the error for a task that several machines could not do."""
    return ConversionError(
        f"{label}: no machine of the cluster could do it.",
        why=tried or None,
        fix="Run the same command again when the cause is mended: it continues where it stopped.",
    )


def scheduler_gone(error: BaseException | None) -> MachineError:
    """Returns the error for a cluster that no longer answers."""
    return MachineError(
        "The scheduler of the cluster went away.",
        why=f"{type(error).__name__}: {error}" if error is not None and str(error) else None,
        fix="Run the same command again when it is back: it continues where it stopped.",
    )
