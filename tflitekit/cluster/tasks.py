"""What a worker of a cluster does with one task: it runs one function of the kit and says how that went.

Dask carries a function's name and JSON only. Nothing is raised for what the kit knows how to say, so that it also arrives where the
versions of packages differ.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tflitekit.cluster.depot import Parcel, unpacked
from tflitekit.cluster.seen import NotSeenError, Sight
from tflitekit.cluster.telling import Telling
from tflitekit.cluster.wanted import UnwantedError, begin_anew, while_wanted
from tflitekit.core.clock import set_right
from tflitekit.core.copies import copies_in_use
from tflitekit.core.errors import (
    BusyError,
    MachineError,
    OutOfMemoryError,
    StorageError,
    TflitekitError,
    as_known,
)
from tflitekit.core.files import content_hash, hash_json
from tflitekit.core.machine import SHARE, machine_name
from tflitekit.core.machine_lock import working
from tflitekit.core.printable import printable
from tflitekit.core.process.workers import WorkerPool, wait_for

__all__ = ["LOG", "Answer", "Attempt", "Task", "attempt", "kit_identity", "run_task"]

LOG = "tflitekit.cluster"
"""The logger of what a worker takes and finishes; `tflitekit worker` shows it."""
Blame = Literal["machine", "unfit", "unseen", "lost", "busy", "task"]


_log = logging.getLogger(LOG)


class Attempt(BaseModel):
    """Which attempt at a task it is.

    Attributes:
        said: What machines said that could not do it, each with its name.
        last: Whether no other is made: what this machine cannot do is then left out, where the rest is worth something without.
    """

    model_config = ConfigDict(frozen=True)

    said: tuple[str, ...] = ()
    last: bool = False


class Task(BaseModel):
    """One piece of work.

    Attributes:
        call: ``module:function`` of the kit.
        arguments: JSON; paths are the same on all machines.
        label: What it is for, in the user's names.
        kit: The versions of who asks (see `kit_identity`).
        timeout_s: After which a process of its own is ended; None for no limit.
        preload: Modules that such a process needs; None runs the function in the worker itself, which only the kit's own
            verbs need: they start processes by themselves.
        waits: Whether it only starts while nobody measures on that machine. What measures there waits by itself.
        places: Paths that the machine has to see, as the one that asks does (see `tflitekit.cluster.seen`).
        parcel: What travels through a depot, where machines share no folder.
    """

    model_config = ConfigDict(frozen=True)

    call: str
    arguments: dict[str, Any]
    label: str
    kit: str
    timeout_s: float | None = None
    preload: tuple[str, ...] | None = None
    gpu: bool = False
    waits: bool = True
    places: tuple[str, ...] = ()
    parcel: Parcel | None = None
    attempt: Attempt = Attempt()


class Answer(BaseModel):
    """How a task went.

    Attributes:
        machine: Its name, for people.
        worker: The address of the worker.
        seconds: How long it took.
        clock_s: By how many seconds that machine's clock is behind the scheduler's; 0 where they agree.
        value: What the function returned, JSON.
        error: What it raised, as `TflitekitError.to_json` has it.
        blame: 'machine' where another one may well be able to, 'unfit' where this one can do no task of this run, 'unseen' where it does not
            see the files of this one, 'lost' where it did before, 'busy' where somebody else has what it needs.
        files: Hash of the list of what a task with a parcel made, also one that failed after a part of its work.
    """

    machine: str
    worker: str
    seconds: float
    clock_s: float
    value: Any = None
    error: dict[str, Any] | None = None
    blame: Blame = "task"
    files: str | None = None


_attempt: ContextVar[Attempt] = ContextVar("attempt")


def attempt() -> Attempt:
    """Returns which attempt the task is that this thread runs in the worker itself."""
    return _attempt.get()


@functools.cache
def kit_identity() -> str:
    """Returns the versions that shape results, and a hash of the kit's own code, as a sentence for people."""
    from tflitekit.tflite.variant import tool_versions

    home = Path(__file__).resolve().parents[1]
    code = hash_json({str(p.relative_to(home)): content_hash(p) for p in sorted(home.rglob("*.py"))})
    return ", ".join(f"{name} {version}" for name, version in tool_versions().items()) + f", code {code[:8]}"


def run_task(content: dict[str, Any]) -> dict[str, Any]:
    """Runs a `Task` and returns an `Answer`, both as JSON."""
    begin_anew(_worker())
    began, clock_s = time.monotonic(), set_right(functools.partial(_behind_s, _worker()))
    task = Task.model_validate(content)
    Telling().say()
    os.environ.setdefault(SHARE, str(_worker().state.nthreads))  # of Dask's own workers
    label = printable(task.label)
    _log.info("took %s", label)
    sight = Sight(task.places)
    try:
        _check_kit(task.kit)
        sight.check()
        with sight:
            found = _outcome(task, sight)
    except NotSeenError as error:
        found = {"error": error.to_json(), "blame": "lost" if error.lost else "unseen"}
    except MachineError as error:
        found = {"error": error.to_json(), "blame": "unfit"}
    said = f"failed {label}: {printable(found['error']['what'])}" if "error" in found else f"finished {label}"
    _log.info("%s (%.0f s)", said, time.monotonic() - began)
    return Answer(
        machine=machine_name(),
        worker=str(_worker().address),
        seconds=time.monotonic() - began,
        clock_s=clock_s,
        **found,
    ).model_dump(mode="json")


def _behind_s(worker: Any) -> float:
    """Returns by how much a worker's clock is behind the scheduler's, as Dask finds out with each sign of life."""
    return float(worker.scheduler_delay)


def _outcome(task: Task, sight: Sight) -> dict[str, Any]:
    """Returns what a task came to, as `Answer` has it; raises `NotSeenError` where its files went away meanwhile."""
    try:
        with (
            copies_in_use(),
            while_wanted(_worker(), printable(task.label), functools.partial(_silent, sight, Telling())),
            _working(task.label) if task.waits else nullcontext(),
        ):
            found = _run_anywhere(task)
    except UnwantedError:
        _log.info("%s was taken back; this worker's process makes way for another", printable(task.label))
        begin_anew(_worker())
        return {"error": MachineError(f"{task.label} was taken back.").to_json()}
    except Exception as error:  # noqa: BLE001 - recorded, whatever it is
        found = _failure(task, error)
    sight.check()  # that is why, where they went away meanwhile; what was written then is elsewhere
    return found


def _failure(task: Task, error: Exception) -> dict[str, Any]:
    known = as_known(error) or TflitekitError(f"{task.label}: {type(error).__name__}: {error}")
    return {"error": known.to_json(), "blame": _blame(known)}


def _silent(sight: Sight, telling: Telling) -> str | None:
    """Returns, and tells, what to say of files that no longer answer."""
    error = sight.silent()
    if error is None:
        return None
    telling.say(error.what)
    return error.what


def _working(label: str) -> AbstractContextManager[None]:
    return working(label, lambda who: Telling().say(f"Waiting until nobody measures on this machine, {who}"))


def _check_kit(wanted: str) -> None:
    if wanted != kit_identity():
        raise MachineError(
            f"The worker on {machine_name()} has other versions than the machine that asks.",
            why=f"There: {kit_identity()}. Wanted: {wanted}.",
            fix="Install the same ones on both, and start workers again that ran meanwhile.",
        )


def _worker() -> Any:
    from distributed import get_worker

    return get_worker()


def _run_anywhere(task: Task) -> dict[str, Any]:
    """Runs a task in the folder that all machines see, or in one of its own, of which others get what it finished before it failed."""
    if task.parcel is None:
        return {"value": _run(task)}
    with unpacked(task.parcel, task.arguments, Telling().say) as (arguments, pack_back):
        try:
            found = {"value": _run(task.model_copy(update={"arguments": arguments}))}
        except Exception as error:  # noqa: BLE001 - recorded, whatever it is
            found = _failure(task, error)
            with suppress(TflitekitError, OSError):  # the disk is full, or the depot is away: that may be why it failed
                found["files"] = pack_back(None, waits=False)[1]
            return found
        value, files = pack_back(found["value"])
    return {"value": value, "files": files}


def _run(task: Task) -> Any:
    if task.preload is None:
        _attempt.set(task.attempt)
        module, _, function = task.call.partition(":")
        return getattr(importlib.import_module(module), function)(**task.arguments)
    with WorkerPool(jobs=1, timeout_s=0.0, preload=task.preload) as pool:
        future = pool.submit(task.call, task.arguments, label=task.label, timeout_s=task.timeout_s, gpu=task.gpu)
        return wait_for(future)


def _blame(error: TflitekitError) -> Blame:
    """Returns whether another machine may well be able to: this one's disk is full or gone, its memory, or its installation."""
    if isinstance(error, BusyError):
        return "busy"
    return "machine" if isinstance(error, MachineError | StorageError | OutOfMemoryError) else "task"
