"""Entries of a suite on the workers of a cluster.

Each is worked ahead on any worker, as long as every worker gets one. The last ones, which are fewer than there are workers, are done in parts, so that all
have something to do. What then remains of an entry, latency above all, goes where the device is that it is measured on, or to a worker that has its
machine for itself for that time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tflitekit.cluster.crew import ClusterCrew
from tflitekit.core.errors import ClusterLostError, TflitekitError
from tflitekit.core.progress import Progress
from tflitekit.optimization.order import Order
from tflitekit.optimization.phases import Phases, devices_of
from tflitekit.optimization.suites.entries import Before, failed, finished
from tflitekit.optimization.suites.sharing import alike, begin_like
from tflitekit.render.suite_text import EntryResult
from tflitekit.results.report import read_report

__all__ = ["are_in_parts", "run_on_cluster"]

_MOST_IN_PARTS = 16
"""Entries that are done in parts at a time: of each, this machine does a few seconds itself."""


@dataclass(frozen=True)
class _Step:
    """One phase of an entry.

    Attributes:
        others: Entries that need the same files and scores, and begin when these are there.
        like: The folder of the entry that made these.
        in_parts: Whether all workers do it together, each a conversion, a training or a part of an evaluation at a time.
    """

    name: str
    order: Order
    ahead: bool
    in_parts: bool = False
    others: Mapping[str, Order] = field(default_factory=dict)
    like: Path | None = None

    @property
    def takes_slot(self) -> bool:
        """Whether any worker could do it; others wait at their devices."""
        return self.ahead or not devices_of(self.order)

    @property
    def names(self) -> tuple[str, ...]:
        """The entries for which nothing is left to do if it fails."""
        return self.name, *self.others

    def ask(self, phases: Phases) -> Future[Any]:
        """Sends it to the cluster; the future also has the error of one that nobody could do."""
        try:
            if self.like is not None:
                begin_like(self.like, self.order.out)
            if self.in_parts:
                return phases.ahead_in_parts(self.name, self.order)
            return (phases.ahead if self.ahead else phases.finish)(self.name, self.order)
        except TflitekitError as error:
            refused: Future[Any] = Future()
            refused.set_exception(error)
            return refused

    def next(self) -> Iterator[_Step]:
        """Yields what can be done after it."""
        if self.ahead:
            yield _Step(self.name, self.order, ahead=False)
        for name, order in self.others.items():
            yield _Step(name, order, ahead=False, like=self.order.out)


def run_on_cluster(orders: dict[str, Order], crew: ClusterCrew, progress: Progress) -> Iterator[EntryResult]:
    """Yields what becomes of each entry, in the order in which they end."""
    groups = alike(orders)
    before: dict[str, Before] = {}
    with Phases(crew, progress) as phases:
        waiting = [_first_step(group, phases) for group in groups]
        entries = sum(step.ahead for step in waiting)
        pending: dict[Future[Any], _Step] = {}
        ended: list[tuple[_Step, TflitekitError | None]] = []
        while waiting or pending or ended:
            for step in _startable(waiting, pending.values(), crew, phases):
                left = sum(one.ahead for one in waiting)
                in_parts = (
                    step.ahead and are_in_parts(left, entries, crew.spread) and phases.can_go_in_parts(step.order)
                )
                if in_parts and sum(one.in_parts for one in pending.values()) >= _MOST_IN_PARTS:
                    continue
                waiting.remove(step)
                if step.name not in before:
                    before[step.name] = Before.of(step.order.out)
                begun = replace(step, in_parts=in_parts)
                pending[begun.ask(phases)] = begun
            for step, error in ended:  # after others were started: the report takes a moment
                yield from _results(step, error, before)
            ended = []
            for future in wait(pending, timeout=0.2, return_when=FIRST_COMPLETED).done:
                step, error = pending.pop(future), _error(future)
                if error is None:
                    waiting.extend(step.next())
                if error is not None or not step.ahead:
                    ended.append((step, error))


def _first_step(group: Mapping[str, Order], phases: Phases) -> _Step:
    (name, order), *others = group.items()
    return _Step(name, order, ahead=phases.can_go_ahead(order), others=dict(others))


def _error(ended: Future[Any]) -> TflitekitError | None:
    """Returns why a step failed; raises what ends the whole suite."""
    try:
        ended.result()
    except ClusterLostError:  # the next entries would fare no better
        raise
    except TflitekitError as error:
        return error
    return None


def _results(step: _Step, error: TflitekitError | None, before: Mapping[str, Before]) -> Iterator[EntryResult]:
    if error is not None:
        yield from (failed(name, error) for name in step.names)
        return
    yield finished(step.name, step.order.out, before[step.name], read_report(step.order.out / "report.json"))


def are_in_parts(left: int, entries: int, workers: int) -> bool:
    """Whether an entry is done in parts: it is one of the last, which would leave workers idle.

    Many entries go as a whole where most workers have one: there is little to win, and all parts pass through this machine.

    Args:
        left: Entries that nobody has begun, this one included.
        entries: All.
    """
    return left <= entries % max(1, workers) <= max(_MOST_IN_PARTS, workers // 2)


def _startable(
    waiting: Collection[_Step], running: Collection[_Step], crew: ClusterCrew, phases: Phases
) -> list[_Step]:
    """Returns what is to start now: all that waits for devices, and as much as there are slots free.

    Dask gives a task to a worker when it is submitted, and seldom moves one to a worker that is free earlier; an entry in parts begins when
    workers have nothing to do. What remains of entries goes last, because all work on its machine has to stop for it.
    """
    at_devices = [step for step in waiting if not step.takes_slot]
    ahead = [step for step in waiting if step.ahead]
    alone = [step for step in waiting if step.takes_slot and not step.ahead]
    parts = [phases.tasks(step.name) for step in running if step.in_parts]
    room = max(1, crew.spread) - sum(step.takes_slot and not step.in_parts for step in running)
    room -= sum(max(1, tasks) for tasks in parts)
    if alone and parts:  # a machine that measures would keep them waiting
        alone = alone[: crew.quiet_machines()]
    return at_devices + (ahead + alone)[: max(0, room)]
