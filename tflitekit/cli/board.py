"""What is known of a run of many pieces, from its events: entries, tasks, workers, devices, and the time left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tflitekit.core.events import Event

__all__ = ["Board", "Row"]

_ENDED = ("done", "failed", "skipped")


@dataclass
class Row:
    """An entry of a suite, or a task where it is no entry's.

    Attributes:
        state: 'waiting', 'working', 'between' of two tasks of an entry, 'done', 'failed' or 'skipped'.
        worked_s: What its tasks took that are done.
        since: When the one that runs began, seconds since 1970; None where none does.
    """

    name: str
    is_entry: bool
    state: str = "waiting"
    machine: str | None = None
    worker: str | None = None
    devices: tuple[str, ...] = ()
    detail: str = ""
    worked_s: float = 0.0
    since: float | None = None

    def seconds(self, now: float) -> float:
        """Returns how long it was worked on until now."""
        return self.worked_s + (now - self.since if self.since is not None else 0.0)

    @property
    def ended(self) -> bool:
        return self.state in _ENDED

    def take(self, event: Event) -> None:
        """Takes an event of it, or of one of its tasks."""
        state: str = "waiting" if event.state == "again" else event.state
        if event.kind == "task" and self.is_entry and (event.state in _ENDED or (state == "waiting" and self.worked_s)):
            state = "between"
        if state == "working":
            fresh = (self.state, self.worker) != ("working", event.worker)
            self.since = event.time if fresh or self.since is None else self.since
            self.machine, self.worker, self.detail = (
                event.machine,
                event.worker,
                event.detail or self.detail * (not fresh),
            )
        elif self.since is not None:
            self.worked_s += event.seconds if event.seconds is not None else event.time - self.since
            self.since = None
        if event.kind == "task":
            self.devices = event.devices
        if state != "working":
            self.detail = event.detail or ""
        self.state = state


@dataclass
class Board:
    """What is known so far.

    Attributes:
        open: How many runs and clusters have started and not ended.
        rows: By name, in the order in which they were told.
        workers: Those that are there, by address.
    """

    open: int = 0
    title: str = ""
    dashboard: str | None = None
    began: float = field(default_factory=time.time)
    rows: dict[str, Row] = field(default_factory=dict)
    workers: dict[str, Event] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Takes what happened."""
        if event.kind in ("run", "cluster"):
            self.open += 1 if event.state == "started" else -1
            if event.state == "started":
                self.title = self.title or event.name
                self.dashboard = event.detail if event.kind == "cluster" else self.dashboard
        elif event.kind == "worker":
            if event.state == "joined":
                self.workers[event.name] = event
            else:
                self.workers.pop(event.name, None)
        else:
            self.rows.setdefault(event.name, Row(event.name, event.kind == "entry")).take(event)

    def of(self, *states: str) -> list[Row]:
        """Returns the rows in one of these states."""
        return [row for row in self.rows.values() if row.state in states]

    def busy(self, worker: str) -> list[Row]:
        """Returns what a worker has."""
        return [row for row in self.rows.values() if row.state == "working" and row.worker == worker]

    @property
    def slots(self) -> int:
        """How many are worked on at a time; workers that have devices do nothing else."""
        return max(1, sum(not worker.devices for worker in self.workers.values()))

    def left_s(self, now: float) -> float | None:
        """Returns about how long the entries take that have not ended: as long as the others on the average, so many at a time.

        None until one is done, and for tasks, of which more may come.
        """
        done = [row.worked_s for row in self.of("done") if row.is_entry]
        if not done:
            return None
        mean = sum(done) / len(done)
        left = [max(mean / 10, mean - row.seconds(now)) for row in self.rows.values() if row.is_entry and not row.ended]
        return max([sum(left) / min(self.slots, len(left)), *left]) if left else 0.0
