"""Tasks on a cluster, from the side of who asks: what a machine could not do is tried on another, and given up after a few."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from tflitekit.cluster.depot import Depot, Parcel, pack, patiently, take
from tflitekit.cluster.places import absolute
from tflitekit.cluster.tasks import Answer, Attempt, Task, kit_identity, run_task
from tflitekit.cluster.there import machine_at, tasks_there, workers_there
from tflitekit.core.errors import (
    BusyError,
    ClusterLostError,
    ConversionError,
    MachineError,
    OutOfMemoryError,
    TflitekitError,
)
from tflitekit.core.events import Event

if TYPE_CHECKING:
    import distributed

    from tflitekit.cluster.telling import Listener

__all__ = ["ATTEMPTS", "SLOT", "ClusterPool", "device_resource", "when_free"]

ATTEMPTS = 3
"""Machines that one task is tried on."""
SLOT = "slot"
"""The resource of a worker that takes tasks; one that only has devices has none."""
BUSY_S = 1800.0
"""How long a task waits for what somebody else has: a device, or the folder that it writes to."""
ABSENT_S = 600.0
"""How long a task waits where every worker that could do it has gone, or has lost its files: both may come back."""
_AGAIN_S = 5.0
_DEVICE = "device "


def device_resource(name: str) -> str:
    """Returns the resource of a worker that has a device."""
    return f"{_DEVICE}{name}"


@dataclass
class _Asked:
    """One task until it is done.

    Attributes:
        alone: Whether nothing else may run on its machine while it measures.
        last: Whether what a machine lacks the memory for is to be left out: nobody else will try.
        lacked_memory: Whether the last one did, and something is worth having without.
        unseen: What workers said that do not see its files.
        lost: Whether one of them did before.
        refusal: Why the last machine could not do it.
        waited_s: How long it has waited for those.
    """

    task: Task
    resources: Mapping[str, float]
    priority: int
    answer: Future[Any]
    told: Callable[[Answer], object]
    alone: bool = False
    tried: list[tuple[str, str]] = field(default_factory=list)
    avoid: set[str] = field(default_factory=set)
    allowed: list[str] | None = None
    running: Any = None
    busy_since: float | None = None
    absent_since: float | None = None
    last: bool = False
    lacked_memory: bool = False
    unseen: dict[str, tuple[str, str]] = field(default_factory=dict)
    lost: bool = False
    refusal: str | None = None
    waited_s: float = 0.0

    @property
    def attempt(self) -> Attempt:
        return Attempt(said=_in_lines(self.tried), last=self.last)


class ClusterPool:
    """The workers of a cluster, in the place of `tflitekit.core.process.workers.WorkerPool`.

    Args:
        jobs: How many the cluster runs at a time.
        timeout_s: A task that takes longer is ended and recorded as a failure.
        preload: Modules that the process of a task needs.
        prefix: Of the labels of all tasks.
        places: Paths that workers have to see; with a depot the folder of the run.
        depot: Through which files travel where machines share no folder.
        listener: Hears of each task.
        told: Receives how each task went, also those of which another attempt follows.
        beside: The open pools of its crew, to which it belongs until it is closed.
    """

    def __init__(
        self,
        client: distributed.Client,
        *,
        jobs: int,
        timeout_s: float,
        preload: tuple[str, ...] | None,
        listener: Listener,
        prefix: str = "",
        places: tuple[str, ...] = (),
        depot: Depot | None = None,
        told: Callable[[Answer], object] = lambda answer: None,
        beside: list[ClusterPool],
    ) -> None:
        self.jobs, self.prefix, self._depot, self._beside = jobs, prefix, depot, beside
        self.threads: int | None = None
        self._client, self._timeout_s, self._preload = client, timeout_s, preload
        self._places, self._listener, self._told = places, listener, told
        self._asked: dict[int, _Asked] = {}
        self._numbers, self._name = itertools.count(), uuid.uuid4().hex[:12]
        beside.append(self)
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._unfit: dict[str, tuple[str, str]] = {}
        threading.Thread(target=self._look, daemon=True).start()

    @property
    def open(self) -> int:
        """How many tasks run or wait."""
        return len(self._asked)

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
        alone: bool = False,
        needs: Iterable[str] = (),
    ) -> Future[Any]:
        """Runs ``module:function`` of the kit with JSON arguments on some worker.

        Args:
            timeout_s: Instead of the pool's; None for no limit.
            resources: What the worker needs to have free, such as a device; a slot when not given.
            priority: Higher ones go first.
            waits: Whether it waits for whoever measures on that machine.
            alone: Whether it measures there, and so waits for all that runs: it goes where the least does.
            needs: Paths that the worker has to see besides the pool's places.

        Returns:
            A future of its JSON value; its exception is a `TflitekitError`.
        """
        arguments = absolute(arguments)
        parcel = self._packed(arguments)
        task = Task(
            call=call, arguments=arguments, label=f"{self.prefix}{label}", kit=kit_identity(), preload=self._preload, gpu=gpu, waits=waits,
            timeout_s=self._timeout_s if timeout_s == 0.0 else timeout_s, places=() if parcel is not None else (*self._places, *needs),
            parcel=parcel,
        )  # fmt: skip
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        number = next(self._numbers)
        asked = self._asked[number] = _Asked(task, resources or {SLOT: 1}, priority, future, self._told, alone)
        self._try(number, asked)
        return future

    def _packed(self, arguments: dict[str, Any]) -> Parcel | None:
        return pack(self._depot, Path(self._places[0]), arguments) if self._depot is not None else None

    def _try(self, number: int, asked: _Asked) -> None:
        """Sends a task to a worker that it was not tried on yet."""
        if self._closed.is_set():
            return
        if self._client.status != "running":  # it would keep the task for itself
            return self._end(number, asked, scheduler_gone(None))
        try:
            measuring = set(self._measuring())
            left_out = asked.avoid or asked.unseen or self._unfit or measuring
            asked.allowed = self._allowed(asked, measuring) if left_out else None
            if asked.allowed == [] and asked.lacked_memory and not asked.last:
                asked.last, asked.allowed = True, [name for name in self._able(asked.resources) if name in asked.avoid]
            if asked.allowed == [] and asked.lost and asked.waited_s < ABSENT_S:
                return self._wait_for_files(number, asked)
            if asked.allowed == []:
                return self._give_up(number, asked)
            if asked.alone:
                asked.allowed = self._quietest(asked.allowed or self._able(asked.resources)) or None
            asked.last = asked.last or len(asked.tried) == ATTEMPTS - 1
            self._tell(number, asked, "waiting" if asked.running is None else "again", detail=asked.refusal)
            running: Any = self._client.submit(
                run_task,
                asked.task.model_copy(update={"attempt": asked.attempt}).model_dump(mode="json"),
                key=f"{self._key(number, asked)}-{next(self._numbers)}",
                workers=asked.allowed,
                resources=dict(asked.resources),
                priority=asked.priority,
                pure=False,
            )
        except Exception as error:  # noqa: BLE001 - whatever a client raises whose scheduler is gone
            return self._end(number, asked, scheduler_gone(error))
        asked.running = running  # one that nobody holds is cancelled
        running.add_done_callback(lambda done: self._done(number, asked, done))

    def _key(self, number: int, asked: _Asked) -> str:
        return f"{asked.task.label}-{self._name}-{number}"

    def _tell(
        self, number: int, asked: _Asked, state: Literal["waiting", "again", "done", "failed"], **found: Any
    ) -> None:
        devices = tuple(name.removeprefix(_DEVICE) for name in asked.resources if name.startswith(_DEVICE))
        event = Event(kind="task", name=asked.task.label, state=state, devices=devices, **found)
        self._listener.task(self._key(number, asked), event)

    def _allowed(self, asked: _Asked, measuring: Collection[str]) -> list[str]:
        """Returns the workers that could do a task and were not found unable to; those of other machines where there are any, and of machines that do not measure."""
        able = self._able(asked.resources)
        left = [name for name in able if name not in {*asked.avoid, *asked.unseen, *self._unfit}]
        machines = set(map(machine_at, asked.avoid))
        left = [name for name in left if machine_at(name) not in machines] or left
        return [name for name in left if SLOT not in asked.resources or machine_at(name) not in measuring] or left

    def _able(self, resources: Mapping[str, float]) -> list[str]:
        """Returns the addresses of workers that have these resources."""
        found = workers_there(self._client)
        return [name for name, worker in found.items() if resources.keys() <= worker["resources"].keys()]

    def _quietest(self, workers: list[str]) -> list[str]:
        """Returns those workers that are on the machine with the fewest tasks."""
        tasks = tasks_there(self._client) + Counter(self._measuring())
        quietest = min(map(machine_at, workers), key=lambda machine: tasks[machine], default=None)
        return [worker for worker in workers if machine_at(worker) == quietest]

    def _measuring(self) -> list[str]:
        """Returns the machine of each measurement that was asked for by this crew."""
        asked = [one for pool in list(self._beside) for one in list(pool._asked.values())]
        return [machine_at(one.allowed[0]) for one in asked if one.alone and one.allowed]

    def _done(self, number: int, asked: _Asked, done: Any) -> None:
        from distributed.scheduler import KilledWorker

        if number not in self._asked or asked.running is not done:  # closed, or sent elsewhere meanwhile
            return
        try:
            if done.cancelled():
                raise scheduler_gone(None)
            answer = Answer.model_validate(done.result())
        except KilledWorker as error:
            last = error.last_worker
            words = f"Workers died while it ran, {error.allowed_failures + 1} in all, the last {last.name} at {last.address}."
            return self._end(number, asked, poisonous(asked.task.label, words))
        except MachineError as error:
            return self._end(number, asked, error)
        except Exception as error:  # noqa: BLE001 - whatever a client raises whose scheduler is gone
            return self._end(number, asked, scheduler_gone(error))
        asked.told(answer)
        self._listener.clock(answer.machine, answer.clock_s)
        try:
            self._take(answer)
        except TflitekitError as error:
            return self._end(number, asked, error)
        if answer.error is None:
            self._tell(number, asked, "done", machine=answer.machine, worker=answer.worker, seconds=answer.seconds)
            return self._end(number, asked, None, answer.value)
        refusal = TflitekitError.from_json(answer.error)
        said = answer.machine, str(refusal)
        asked.refusal = _in_lines([said])[0]
        if answer.blame == "task":
            return self._end(number, asked, refusal)
        if answer.blame == "busy":
            return self._try_later(number, asked, refusal)
        if answer.blame == "unfit":
            self._unfit[answer.worker] = said
            return self._try(number, asked)
        if answer.blame in ("unseen", "lost"):
            asked.unseen[answer.worker] = said
            asked.lost = asked.lost or answer.blame == "lost"
            return self._try(number, asked)
        asked.tried.append(said)
        asked.avoid.add(answer.worker)
        asked.lacked_memory = isinstance(refusal, OutOfMemoryError) and asked.task.preload is None
        if len(asked.tried) < ATTEMPTS:
            return self._try_anew(number, asked)
        return self._give_up(number, asked)

    def _try_anew(self, number: int, asked: _Asked) -> None:
        """Sends a task to another machine, with all that it needs: what the depot had of that may be gone."""
        if self._depot is not None:
            self._depot.forget()
            try:
                asked.task = asked.task.model_copy(update={"parcel": self._packed(asked.task.arguments)})
            except TflitekitError as error:
                return self._end(number, asked, error)
        return self._try(number, asked)

    def _take(self, answer: Answer) -> None:
        """Takes the files that a task made, also those of an attempt that failed: the next one begins with them."""
        if self._depot is not None and answer.files is not None:
            home, depot, files = Path(self._places[0]), self._depot, answer.files
            patiently(lambda: take(depot, home, files), self._listener.progress.note, self._closed)

    def _try_later(self, number: int, asked: _Asked, refusal: TflitekitError) -> None:
        """Waits for whoever has what the task needs."""
        now = time.monotonic()
        asked.busy_since = asked.busy_since or now
        if now - asked.busy_since > BUSY_S:
            return self._end(number, asked, refusal)
        return self._try_soon(number, asked)

    def _wait_for_files(self, number: int, asked: _Asked) -> None:
        """Waits until a machine that has lost the files of a task may have them again."""
        words = f"Waiting for its files. {' '.join(dict.fromkeys(_in_lines(asked.unseen.values())))}"
        self._tell(number, asked, "again", detail=words)
        if not asked.waited_s:
            self._listener.progress.note(f"{asked.task.label}: {words}")
        asked.waited_s += _AGAIN_S
        asked.unseen = {}
        self._try_soon(number, asked)

    def _try_soon(self, number: int, asked: _Asked) -> None:
        again = threading.Timer(_AGAIN_S, self._try, (number, asked))
        again.daemon = True
        again.start()

    def _look(self) -> None:
        """Sends tasks again whose workers have all gone: Dask would wait for these very ones. Ends those that nobody could do for long."""
        while not self._closed.wait(_AGAIN_S):
            for number, asked in list(self._asked.items()):
                if asked.running is None or asked.running.done():
                    continue
                try:
                    able = self._able(asked.resources)
                except Exception as error:  # noqa: BLE001 - it is slow for a moment, or gone
                    if self._client.status != "running":
                        self._end(number, asked, scheduler_gone(error))
                    continue
                self._look_at(number, asked, set(able) - self._unfit.keys())

    def _look_at(self, number: int, asked: _Asked, able: set[str]) -> None:
        if able & set(able if asked.allowed is None else asked.allowed):
            asked.absent_since = None
            return
        if able:
            self._take_back(asked)
            return self._try(number, asked)
        asked.absent_since = asked.absent_since or time.monotonic()
        if time.monotonic() - asked.absent_since > ABSENT_S:
            self._take_back(asked)
            self._end(number, asked, nobody_left(asked.task.label, asked.resources))

    def _take_back(self, asked: _Asked) -> None:
        running, asked.running = asked.running, None
        with suppress(Exception):  # the scheduler is gone, and everything with it
            running.cancel()

    def _give_up(self, number: int, asked: _Asked) -> None:
        tried = dict.fromkeys([*asked.tried, *asked.unseen.values(), *self._unfit.values()])
        words = "\n".join(_in_lines(tried))
        self._end(number, asked, poisonous(asked.task.label, words))

    def _end(self, number: int, asked: _Asked, error: TflitekitError | None, value: Any = None) -> None:
        with self._lock:
            if self._asked.pop(number, None) is None:
                return
        if error is not None:
            self._tell(number, asked, "failed", detail=str(error))
            asked.answer.set_exception(error)
        else:
            asked.answer.set_result(value)

    def close(self) -> None:
        """Takes back what was not done yet."""
        self._closed.set()
        with suppress(ValueError):
            self._beside.remove(self)
        with self._lock:
            left, self._asked = list(self._asked.values()), {}
        for asked in left:
            if asked.running is not None:
                self._take_back(asked)
            asked.answer.set_exception(MachineError(f"{asked.task.label} was taken back."))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def when_free(do: Callable[[], object]) -> None:
    """Does something here, and waits as a task does for what somebody else has."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            do()
        except BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


def _in_lines(tried: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Returns what each machine said, in a line."""
    return tuple(f"{machine}: {' '.join(map(_sentence, said.splitlines()))}" for machine, said in tried)


def _sentence(words: str) -> str:
    return words if words.endswith((".", ":", ";", ",", "!", "?")) else f"{words}."


def poisonous(label: str, tried: str) -> ConversionError:
    """Returns the error for a task that several machines could not do."""
    return ConversionError(
        f"{label}: no machine of the cluster could do it.",
        why=tried or None,
        fix="Run the same command again when the cause is mended: it continues where it stopped.",
    )


def nobody_left(label: str, wanted: Iterable[str]) -> MachineError:
    """Returns the error for a task that no worker could do any more."""
    return MachineError(
        f"{label}: no worker of the cluster is left that could do it.",
        why=f"It needs one with {' and '.join(wanted)}, and none came for {ABSENT_S / 60:.0f} minutes.",
        fix="Start one with 'tflitekit worker', and run the same command again: it continues where it stopped.",
    )


def scheduler_gone(error: BaseException | None) -> ClusterLostError:
    """Returns the error for a cluster that no longer answers."""
    return ClusterLostError(
        "The scheduler of the cluster went away.",
        why=f"{type(error).__name__}: {error}" if error is not None and str(error) else None,
        fix="Run the same command again when it is back: it continues where it stopped.",
    )
