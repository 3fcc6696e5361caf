"""A cluster as the crew of a run (`tflitekit.core.process.crew.Crew`), and how it is opened."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from tflitekit.cluster.depot import Depot
from tflitekit.cluster.kinds import TAKES_TASKS, import_dask, open_kind
from tflitekit.cluster.pool import SLOT, ClusterPool, device_resource, scheduler_gone
from tflitekit.cluster.seen import marked
from tflitekit.cluster.tasks import kit_identity
from tflitekit.cluster.telling import Listener
from tflitekit.cluster.there import machine_at, tasks_there, workers_there
from tflitekit.core.errors import MachineError
from tflitekit.core.machine_lock import measuring
from tflitekit.core.process.crew import THIS_MACHINE, Crew
from tflitekit.core.process.workers import TENSORFLOW
from tflitekit.core.progress import Progress
from tflitekit.core.remote import is_url

if TYPE_CHECKING:
    import distributed

__all__ = ["ClusterCrew", "crew_of", "open_cluster"]

_CONNECT_S = 20.0
_POLL_S = 0.2
_BEGINS_S = 20.0
"""How long workers are waited for that begin anew: those whose tasks were stopped (`tflitekit.cluster.wanted`)."""
_COUNTED_S = 2.0
"""How long a count of workers holds: the scheduler answers with all that it knows of each."""


class ClusterCrew(Crew):
    """The workers of a cluster.

    Args:
        places: Paths that all workers have to see: where results go.
        depot: Through which files travel where machines share no folder.
        listener: Hears of each task.
    """

    def __init__(
        self,
        client: distributed.Client,
        listener: Listener,
        *,
        places: tuple[str, ...] = (),
        depot: Depot | None = None,
    ) -> None:
        self.client, self._listener, self._places, self._depot = client, listener, places, depot
        self._prefix = ""
        self._pools: list[ClusterPool] = []
        self._spread, self._counted = 0, -math.inf
        self._had: set[frozenset[str]] = set()

    @property
    def spread(self) -> int:  # type: ignore[override]
        """How many tasks the cluster does at a time, as of two seconds ago at most."""
        if time.monotonic() - self._counted >= _COUNTED_S:
            self._spread = sum(int(worker["resources"].get(SLOT, 0)) for worker in self.workers().values())
            self._counted = time.monotonic()
        return self._spread

    def part(self, name: str) -> Self:
        """Returns the same crew for one of several pieces that go on at the same time: its tasks are called ``NAME: TASK``."""
        found = copy.copy(self)
        found._prefix = f"{name}: "
        return found

    @property
    def tasks(self) -> int:
        """How many of its tasks run or wait."""
        return sum(pool.open for pool in list(self._pools) if pool.prefix == self._prefix)

    def quiet_machines(self) -> int:
        """Returns how many machines with workers have nothing to do."""
        machines = {machine_at(worker) for worker in self.workers()}
        try:
            tasks = tasks_there(self.client)
        except OSError as error:
            raise scheduler_gone(error) from error
        return sum(not tasks[machine] for machine in machines)

    def reads(self, place: object) -> bool:
        """Whether workers get what this machine copies from behind a URL."""
        return self._depot is not None or not is_url(place)

    def workers(self) -> dict[str, Any]:
        """Returns what the scheduler knows of each worker, by address.

        Raises:
            ClusterLostError: It no longer answers.
        """
        if self.client.status != "running":
            raise scheduler_gone(None)
        try:
            found = workers_there(self.client)
        except OSError as error:
            raise scheduler_gone(error) from error
        self._had.update(frozenset(worker["resources"]) for worker in found.values())
        return found

    def takes_work(self) -> bool:
        """Whether any worker takes tasks, which those that only have devices do not."""
        return any(SLOT in worker["resources"] for worker in self.workers().values())

    def pool(self, *, jobs: int, timeout_s: float, preload: tuple[str, ...] | None = TENSORFLOW) -> ClusterPool:
        del jobs  # which are of one machine
        return ClusterPool(
            self.client,
            jobs=max(1, self.spread),
            timeout_s=timeout_s,
            preload=preload,
            prefix=self._prefix,
            places=self._places,
            depot=self._depot,
            listener=self._listener,
            beside=self._pools,
        )

    def require_devices(self, names: Sequence[str]) -> None:
        """Raises `MachineError` where no worker has all of these devices, nor had them: one that ended is started again, and tasks wait for it."""
        wanted = {device_resource(name) for name in names}
        there = [set(worker["resources"]) for worker in self.workers().values()]
        if any(wanted <= resources for resources in self._had):
            return
        found = sorted({name.removeprefix("device ") for one in there for name in one if name.startswith("device ")})
        raise MachineError(
            f"No worker of the cluster has {' and '.join(names)}.",
            why=f"There are: {', '.join(found)}." if found else "No worker has a device.",
            fix=f"On a machine that has it: tflitekit worker --cluster ADDRESS {' '.join(f'--device {name}' for name in names)}",
        )

    @contextmanager
    def alone(self, *, here: bool) -> Iterator[None]:
        with ExitStack() as measured:
            if here:
                with self._listener.progress.task("Waiting until nobody works on this machine", None) as advance:
                    measured.enter_context(measuring("a measurement", lambda who: advance(0, who)))
            yield


@contextmanager
def open_cluster(
    name: str, *, places: tuple[str, ...] = (), depot: str | None = None, progress: Progress | None = None
) -> Iterator[ClusterCrew]:
    """Connects to a cluster, or starts one.

    Args:
        name: ``tcp://HOST:PORT`` of a scheduler, ``local:N``, or another kind (see `tflitekit.cluster.kinds`).
        places: Paths that all workers have to see; with a depot the folder of the run, which they need not.
        depot: URL through which files travel then.
        progress: Receives what is waited for, and what happens there (see `tflitekit.core.progress.Event`).

    Raises:
        UsageError: There is no such kind, or the depot is no URL.
        MachineError: Nobody answers, no worker can take work, or nothing can be stored in the depot.
        MissingDependencyError: Dask is not installed.
    """
    distributed = import_dask()
    store = Depot(depot) if depot is not None else None
    if store is not None:
        store.check()
    with ExitStack() as marks, open_kind(name) as cluster:
        if store is None:
            places = (*places, *[marks.enter_context(marked(place)) for place in places])
        try:
            client = distributed.Client(cluster, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise MachineError(
                f"The scheduler {name} does not answer.",
                why=str(error) or None,
                fix="Start it with 'dask scheduler', and look for a firewall between the two machines.",
            ) from error
        with _no_tracebacks(), client:
            listener = Listener(client, progress or Progress())
            crew = ClusterCrew(client, listener, places=places, depot=store)
            started = cluster != name  # and its workers may be jobs in a queue
            _await_worker(crew, name, progress or Progress(), math.inf if started else _BEGINS_S)
            _check_workers(crew, name)
            with listener.listening(name):
                yield crew


@contextmanager
def _no_tracebacks() -> Iterator[None]:
    """Leaves it to the kit to say, in one sentence, that a scheduler went away; Dask's client logs a traceback as well."""
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def crew_of(
    name: str | None, places: tuple[str, ...], progress: Progress, *, depot: str | None = None
) -> Iterator[Crew]:
    """Opens the cluster of that name; this machine where there is none."""
    if name is None:
        yield THIS_MACHINE
        return
    with open_cluster(name, places=places, depot=depot, progress=progress) as crew:
        yield crew


def _await_worker(crew: ClusterCrew, name: str, progress: Progress, most_s: float) -> None:
    if crew.takes_work():
        return
    until = time.monotonic() + most_s
    with progress.task(f"Waiting for the first worker of {name}", None):
        while not crew.takes_work() and time.monotonic() < until:
            time.sleep(_POLL_S)


def _check_workers(crew: ClusterCrew, name: str) -> None:
    """Raises where nobody could take work: there is no worker, or none with the kit's version."""
    if not crew.takes_work():
        raise MachineError(
            f"The cluster {name} has no workers that take work.",
            fix=f"Start some with: tflitekit worker --cluster {crew.client.scheduler_info()['address']}. Dask's own take work with {' '.join(TAKES_TASKS)}.",
        )
    here = kit_identity()
    found = crew.client.run(kit_identity, on_error="return")
    others = {address: said for address, said in found.items() if said != here}
    if len(others) == len(found):
        address, said = next(iter(others.items()))
        raise MachineError(
            "No worker of the cluster has the versions that this machine has.",
            why=f"Here: {here}. At {address}: {said}.",
            fix="Install the same ones everywhere, and start workers again that ran meanwhile.",
        )
