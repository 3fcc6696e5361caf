"""Entries of a suite on the workers of a cluster.

Each is worked ahead on any worker, several at a time. What then remains of it, latency above all, goes where the device is that it is
measured on, or to a worker that has its machine for itself for that time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from tflitekit.cluster.crew import ClusterCrew
from tflitekit.core.errors import ClusterLostError, TflitekitError
from tflitekit.optimization.order import Order
from tflitekit.optimization.phases import Phases
from tflitekit.render.suite_text import EntryResult
from tflitekit.results.report import read_report

__all__ = ["run_on_cluster"]


def run_on_cluster(orders: dict[str, Order], crew: ClusterCrew) -> Iterator[EntryResult]:
    """Yields what becomes of each entry, in the order in which they end."""
    with Phases(crew) as phases:
        waiting = deque(orders.items())
        pending: dict[Future[Any], tuple[str, Order, bool]] = {}
        while waiting or pending:
            room = max(1, crew.spread) if waiting else 0
            while waiting and sum(first for *_, first in pending.values()) < room:
                name, order = waiting.popleft()
                first = phases.can_go_ahead(order)
                try:
                    asked = phases.ahead(name, order) if first else phases.finish(name, order)
                except ClusterLostError:
                    raise
                except TflitekitError as error:
                    yield EntryResult(name=name, status="failed", error=str(error))
                    continue
                pending[asked] = name, order, first
            for future in wait(pending, timeout=0.2, return_when=FIRST_COMPLETED).done:
                name, order, first = pending.pop(future)
                try:
                    future.result()
                    if first:
                        pending[phases.finish(name, order)] = name, order, False
                        continue
                except ClusterLostError:  # the next entries would fare no better
                    raise
                except TflitekitError as error:
                    yield EntryResult(name=name, status="failed", error=str(error))
                    continue
                yield EntryResult(
                    name=name, status="ok", report=read_report(order.out / "report.json"), folder=str(order.out)
                )
