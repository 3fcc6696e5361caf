"""What happens in a run of many pieces, for screens and other programs."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Event"]


class Event(BaseModel):
    """Something that happened in a run of many pieces; ``docs/events.md`` describes it for people.

    Attributes:
        kind: What it happened to: the suite (run), the cluster, a worker, an entry of the suite, or a task, which is a piece of work on a worker.
            An entry of a suite is one or two tasks of its name; their parts are called ``ENTRY: PART``.
        name: Of that: the address of a cluster or a worker.
        state: What it is since then.
        time: Seconds since 1970.
        machine: Where a task runs, or a worker is.
        worker: The address of the worker that has a task.
        devices: That a worker has, or that a task measures on.
        seconds: What a task took.
        detail: A few words: how a task goes, why it failed; of a cluster its dashboard.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["run", "cluster", "worker", "entry", "task"]
    name: str
    state: Literal["started", "ended", "joined", "left", "waiting", "working", "again", "done", "failed", "skipped"]
    time: float = Field(default_factory=time.time)
    machine: str | None = None
    worker: str | None = None
    devices: tuple[str, ...] = ()
    seconds: float | None = None
    detail: str | None = None
