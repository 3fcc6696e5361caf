"""Runs the entries of a suite.

Each is one run of *optimize* into a folder of its own, so a suite resumes as *optimize* does, and an entry that breaks leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tflitekit.cluster.crew import open_cluster
from tflitekit.core.events import Event
from tflitekit.core.files import locked, write_whole
from tflitekit.core.machine import machine_name
from tflitekit.core.process.crew import THIS_MACHINE
from tflitekit.core.progress import Progress
from tflitekit.optimization.order import Order
from tflitekit.optimization.run import run
from tflitekit.optimization.suites.entries import Before, failed, finished
from tflitekit.optimization.suites.file import Suite
from tflitekit.optimization.suites.looking import look_at, look_behind_urls
from tflitekit.optimization.suites.on_cluster import run_on_cluster
from tflitekit.optimization.suites.places import Places, order_of, root_of
from tflitekit.optimization.suites.reading import read_suite
from tflitekit.optimization.suites.sharing import alike, begin_like
from tflitekit.options.cluster import ClusterOptions
from tflitekit.render import suite_text
from tflitekit.render.suite_text import EntryResult

__all__ = ["run_suite"]


def run_suite(
    path: str | Path,
    *,
    out: str | Path,
    data_root: str | Path | None = None,
    cluster: str | None = None,
    depot: str | None = None,
    progress: Progress | None = None,
    ended: Callable[[EntryResult], None] | None = None,
) -> list[EntryResult]:
    """Runs all entries of a suite, each into ``out/<suite>/<entry>``, and writes ``out/<suite>/README.md``.

    What an earlier run finished is reused. An entry that breaks is recorded with its error, one whose files are absent is
    skipped; both do not stop the others.

    Args:
        path: The suite file.
        out: Folder for the results of all suites.
        data_root: Where the paths of the suite start; the variable TFLITEKIT_DATA, else the suite's own, when not given.
        cluster: Who runs the entries, as ``--cluster``; this machine, one after the other, when not given.
        depot: URL through which files travel where the machines of the cluster share no folder, as ``--depot``.
        ended: Called with each entry as it ends, also with those that an earlier run finished.

    Raises:
        UsageError: The suite file is wrong.
        BusyError: Another run of the suite writes into that folder.
        StorageError: It cannot be written.
        MachineError: The cluster does not answer, or has nobody who could do the work.
    """
    path = Path(path)
    ClusterOptions(cluster=cluster, depot=depot)  # refuses a depot without a cluster
    suite, progress = read_suite(path, data_root), progress or Progress()
    home = Path(out) / path.stem
    places = Places(root_of(path, suite, data_root), home / ".embedded", progress)
    models = {entry.name: entry.model.name for entry in suite.entries()}
    names = list(models)
    orders, results = _orders(suite, home, places, progress, here=cluster is None, depot=depot)
    with locked(home), _told(path.stem, names, results, progress):
        for made in _run(orders, home, cluster, depot, progress):
            results[made.name] = result = made.model_copy(update={"model": models[made.name]})
            _tell(result, progress)
            _write(home, path.stem, suite.description, [results[name] for name in names if name in results])
            if ended is not None:
                ended(result)
        found = [results[name] for name in names]
        _write(home, path.stem, suite.description, found)
    return found


def _orders(
    suite: Suite, home: Path, places: Places, progress: Progress, *, here: bool, depot: str | None
) -> tuple[dict[str, Order], dict[str, EntryResult]]:
    """Returns what each entry asks, and what became of those of which it is known already that nobody could do them.

    Args:
        here: Whether this machine is to do them.
        depot: Through which their files travel to others.
    """
    orders: dict[str, Order] = {}
    fallen: dict[str, EntryResult] = {}
    for entry in suite.entries():
        with _recorded([entry.name], fallen):
            orders[entry.name] = order_of(suite, entry, home / entry.name, places)
    groups = alike(orders)
    there = look_behind_urls(orders.values(), progress, here=here)
    with progress.task("Looking at models and data", len(groups)) as advance:
        for group in groups:  # which have the same
            with _recorded(group, fallen):
                look_at(next(iter(group.values())), there, here=here, depot=depot)
            advance(1)
    return {name: order for name, order in orders.items() if name not in fallen}, fallen


@contextmanager
def _recorded(names: Iterable[str], fallen: dict[str, EntryResult]) -> Iterator[None]:
    """Records what goes wrong with entries, whatever it is; the rest of the suite goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        fallen |= {name: failed(name, error) for name in names}


def _run(
    orders: dict[str, Order], home: Path, cluster: str | None, depot: str | None, progress: Progress
) -> Iterator[EntryResult]:
    """Yields what becomes of the entries; where there are none to do, no cluster is opened."""
    if cluster is None or not orders:
        yield from _one_by_one(orders, progress)
        return
    with open_cluster(cluster, places=(str(home.resolve()),), depot=depot, progress=progress) as crew:
        yield from run_on_cluster(orders, crew, progress)


def _write(home: Path, name: str, description: str, results: list[EntryResult]) -> None:
    write_whole(home / "README.md", suite_text.render(name, description, results))


@contextmanager
def _told(suite: str, names: Sequence[str], early: Mapping[str, EntryResult], progress: Progress) -> Iterator[None]:
    """Tells that a suite runs within the block, of its entries, and of those that ended before."""
    progress.event(Event(kind="run", name=suite, state="started"))
    for name in names:
        progress.event(Event(kind="entry", name=name, state="waiting"))
    for result in early.values():
        _tell(result, progress)
    try:
        yield
    finally:
        progress.event(Event(kind="run", name=suite, state="ended"))


def _tell(result: EntryResult, progress: Progress) -> None:
    state: Literal["done", "failed", "skipped"] = "done" if result.status == "ok" else result.status
    detail = result.error or (str(result.taken) if result.taken is not None else None)
    progress.event(Event(kind="entry", name=result.name, state=state, detail=detail))


def _one_by_one(orders: dict[str, Order], progress: Progress) -> Iterator[EntryResult]:
    for group in alike(orders):
        first: Path | None = None
        for name, order in group.items():
            progress.event(Event(kind="task", name=name, state="working", machine=machine_name()))
            before = Before.of(order.out)
            try:
                if first is not None:
                    begin_like(first, order.out)
                report = run(order, THIS_MACHINE, progress)
            except Exception as error:  # noqa: BLE001 - recorded, whatever it is; the rest of the suite goes on
                yield failed(name, error)
            else:
                first = order.out
                yield finished(name, order.out, before, report)
