"""What workers tell of the tasks that they have, by Dask's events, and what a client makes of it."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tflitekit.cluster.there import workers_there
from tflitekit.core.events import Event
from tflitekit.core.machine import machine_name
from tflitekit.core.progress import Advance, Progress

if TYPE_CHECKING:
    import distributed

__all__ = ["Listener", "Telling"]

_TOPIC = "tflitekit"
"""Of Dask's events."""
_MOST_WORDS = 160
_EVERY_S, _SHARE = 1.0, 0.01
"""Between two messages on how one task goes: a second, and from a hundred on a share of its time, so that a task of a day tells some 700."""
_LOOK_EVERY_S, _ANSWER_S = 2.0, 2.0
_DEVICE = "device "


class Telling(Progress):
    """The progress of the task that this thread of a worker has."""

    def __init__(self) -> None:
        from distributed import get_worker

        self._worker = get_worker()
        self._key = str(self._worker.get_current_task())
        self._began, self._told = time.monotonic(), 0.0

    def say(self, detail: str | None = None) -> None:
        """Tells that it is at work, and how that goes."""
        self._told = time.monotonic()
        told = {"key": self._key, "machine": machine_name(), "worker": str(self._worker.address)}
        self._worker.log_event(_TOPIC, told | ({} if detail is None else {"detail": detail[:_MOST_WORDS]}))

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Advance]:
        done = 0
        lock = threading.Lock()

        def advance(steps: int, detail: str = "") -> None:
            nonlocal done
            with lock:
                done += steps
                now = time.monotonic()
                if now - self._told < max(_EVERY_S, _SHARE * (now - self._began)):
                    return
                of = "" if total is None else f" {done:,}/{total:,}"
                self.say(f"{description}{of}{', ' if detail else ''}{detail}")

        self.say(description)
        yield advance


class Listener:
    """What a client hears of its tasks and of who works, as events.

    Args:
        progress: Receives them.
    """

    def __init__(self, client: distributed.Client, progress: Progress) -> None:
        self._client, self.progress = client, progress
        self._tasks: dict[str, Event] = {}
        self._workers: dict[str, Event] = {}
        self._clocks: set[str] = set()
        self._ended = threading.Event()

    def task(self, key: str, event: Event) -> None:
        """Tells of a task, and listens until it is done to what workers say under this key and the number of the attempt."""
        if event.state in ("waiting", "again"):
            self._tasks[key] = event
        else:
            self._tasks.pop(key, None)
        self.progress.event(event)

    def clock(self, machine: str, behind_s: float) -> None:
        """Tells once of a machine whose clock is wrong, by so many seconds."""
        if behind_s and machine not in self._clocks:
            self._clocks.add(machine)
            way = "behind" if behind_s > 0 else "ahead of"
            self.progress.note(
                f"The clock of {machine} is {timedelta(seconds=round(abs(behind_s)))} {way} the scheduler's, by which the times in its reports are set right. Set that clock, as NTP does."
            )

    @contextmanager
    def listening(self, name: str) -> Iterator[None]:
        """Hears what happens on a cluster within the block."""
        cluster = Event(kind="cluster", name=name, state="started", detail=_dashboard(self._client))
        self.progress.event(cluster)
        self._look()
        self._client.subscribe_topic(_TOPIC, self._heard)  # type: ignore[no-untyped-call]
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            watcher.join(_LOOK_EVERY_S)
            if self._client.status == "running":
                self._client.unsubscribe_topic(_TOPIC)  # type: ignore[no-untyped-call]
            self.progress.event(Event(kind="cluster", name=name, state="ended"))

    def _heard(self, event: tuple[float, dict[str, Any]]) -> None:
        _, told = event
        known = self._tasks.get(str(told.get("key")).rpartition("-")[0])
        if known is not None:  # those of other clients are on the same topic
            found = {name: told.get(name) for name in ("machine", "worker", "detail")}
            self.progress.event(known.model_copy(update=found | {"state": "working", "time": time.time()}))

    def _watch(self) -> None:
        """Looks who is there; less often where they are many, since each is a few kilobytes."""
        while not self._ended.wait(max(_LOOK_EVERY_S, _LOOK_EVERY_S * len(self._workers) / 100)):
            try:
                self._look()
            except Exception:  # noqa: BLE001 - whatever a client raises whose scheduler is gone, which the tasks tell of
                return

    def _look(self) -> None:
        there = workers_there(self._client)
        new = [address for address in there if address not in self._workers]
        names = self._client.run(machine_name, workers=new, on_error="return") if new else {}
        for address in new:
            said = names.get(address)
            self._workers[address] = Event(
                kind="worker",
                name=address,
                state="joined",
                machine=said if isinstance(said, str) else there[address]["host"],
                devices=tuple(
                    name.removeprefix(_DEVICE) for name in there[address]["resources"] if name.startswith(_DEVICE)
                ),
            )
            self.progress.event(self._workers[address])
        for address in [address for address in self._workers if address not in there]:
            gone = self._workers.pop(address)
            self.progress.event(gone.model_copy(update={"state": "left", "time": time.time()}))


def _dashboard(client: distributed.Client) -> str | None:
    """Returns the address of the scheduler's dashboard; None where it has none, though Dask names its address."""
    link = client.dashboard_link
    if link is None:
        return None
    try:
        with urllib.request.urlopen(link, timeout=_ANSWER_S):
            return str(link)
    except OSError as error:  # others may reach it, or know the password
        return None if isinstance(error, urllib.error.HTTPError) and error.code == HTTPStatus.NOT_FOUND else str(link)
