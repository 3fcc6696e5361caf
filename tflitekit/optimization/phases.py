"""One run of *optimize* in two phases: what other work may run beside, and what needs a device or a machine for itself."""

from __future__ import annotations

import functools
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from tflitekit.cluster.at_work import AtWork
from tflitekit.cluster.crew import ClusterCrew
from tflitekit.cluster.pool import SLOT, device_resource, when_free
from tflitekit.cluster.tasks import attempt
from tflitekit.cluster.telling import Telling
from tflitekit.core.errors import TflitekitError, as_known
from tflitekit.core.events import Event
from tflitekit.core.machine import machine_name
from tflitekit.core.process.threads import in_thread
from tflitekit.core.process.workers import wait_for
from tflitekit.core.progress import PartProgress, Progress
from tflitekit.optimization.order import Order
from tflitekit.optimization.run import Prepared, finish, needs_clock, run
from tflitekit.results.report import Report, read_report
from tflitekit.targets import is_device

__all__ = ["Phases", "devices_of", "run_at_devices", "run_phase"]

_HERE = "tflitekit.optimization.phases:run_phase"


class Phases:
    """The two phases of runs on the workers of a cluster.

    Args:
        progress: Receives what is done from here.
    """

    def __init__(self, crew: ClusterCrew, progress: Progress) -> None:
        self._crew, self._progress = crew, progress
        self._pool = crew.pool(jobs=1, timeout_s=0.0, preload=None)
        self._parts: dict[str, ClusterCrew] = {}

    def ahead(self, name: str, order: Order) -> Future[Any]:
        """Works ahead, on one worker."""
        return self._submit(name, order, ahead=True, resources={SLOT: 1}, priority=0)

    def can_go_in_parts(self, order: Order) -> bool:
        """Whether workers could read what this machine has opened."""
        return self._crew.reads(order.model)

    def ahead_in_parts(self, name: str, order: Order) -> Future[Any]:
        """Works ahead with all workers: they get conversions, trainings and parts of evaluations, and this machine does the rest."""
        crew = self._parts[name] = self._crew.part(name)
        return in_thread(lambda: self._run_ahead(name, order, crew))

    def tasks(self, name: str) -> int:
        """Returns how many tasks of a run that is done in parts run or wait."""
        return self._parts[name].tasks

    def _run_ahead(self, name: str, order: Order, crew: ClusterCrew) -> None:
        told = functools.partial(Event, kind="task", name=name, machine=machine_name())
        self._progress.event(told(state="working"))
        try:
            when_free(lambda: run(order, crew, PartProgress(name, self._progress), ahead=True))
        except Exception as error:
            known = as_known(error) or TflitekitError(f"{name}: {type(error).__name__}: {error}")
            self._progress.event(told(state="failed", detail=str(known)))
            raise known from error
        self._progress.event(told(state="done"))

    def finish(self, name: str, order: Order) -> Future[Any]:
        """Does what remains where the devices are, or on a worker that has its machine for itself meanwhile.

        Raises:
            MachineError: No worker has these devices.
        """
        devices = devices_of(order)
        self._crew.require_devices(devices)
        resources = {device_resource(device): 1.0 for device in devices} or {SLOT: 1.0}
        return self._submit(name, order, ahead=False, resources=resources, priority=1 if devices else -1)

    def can_go_ahead(self, order: Order) -> bool:
        """Whether anything can be done before something is measured; a search for the fastest file measures all the time."""
        return not needs_clock(order.how)

    def _submit(
        self, name: str, order: Order, *, ahead: bool, resources: dict[str, float], priority: int
    ) -> Future[Any]:
        arguments = {"order": order.to_json(), "ahead": ahead}
        return self._pool.submit(
            _HERE, arguments, label=name, timeout_s=None, resources=resources, priority=priority, waits=False,
            alone=not ahead and SLOT in resources, needs=order.files(),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()


def devices_of(order: Order) -> list[str]:
    """Returns the devices that a run measures on."""
    return [name for name in dict.fromkeys((order.how.target, *order.how.also_on)) if is_device(name)]


def run_at_devices(order: Order, prepared: Prepared, crew: ClusterCrew, progress: Progress) -> Report:
    """Spreads a run over a cluster, and finishes it where its devices are."""
    crew.require_devices(devices_of(order))  # before anything takes time
    with Phases(crew, progress) as phases:
        if phases.can_go_ahead(order):
            finish(prepared, crew, progress, ahead=True)
        with progress.task(f"Measuring on {', '.join(devices_of(order))}", None):
            wait_for(phases.finish("what remains", order))
    return read_report(order.out / "report.json")


def run_phase(*, order: dict[str, Any], ahead: bool) -> None:
    """Runs a phase of an order (in a worker); results are in its folder."""
    wanted = Order.from_json(order)
    telling = Telling()
    with AtWork(telling, str(wanted.out), attempt()) as crew:
        run(wanted, crew, telling, ahead=ahead)
