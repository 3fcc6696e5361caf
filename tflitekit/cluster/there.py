"""Who is there: the workers that a scheduler knows of, and what they do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["machine_at", "tasks_there", "workers_there"]


def machine_at(address: str) -> str:
    """Returns the machine in a worker's address."""
    return address.rpartition(":")[0]


def tasks_there(client: Client) -> Counter[str]:
    """Returns how many tasks run or wait on each machine, whoever asked for them."""
    tasks: Counter[str] = Counter()
    for worker, keys in client.processing().items():  # type: ignore[no-untyped-call]
        tasks[machine_at(worker)] += len(keys)
    return tasks


def workers_there(client: Client) -> dict[str, Any]:
    """Returns what the scheduler knows of each worker, by address.

    Not by `Client.scheduler_info`, which returns what it keeps: every two seconds the client writes an answer without workers there, also between a question and its
    answer, and a scheduler that does not answer leaves an old one.

    Raises:
        OSError: The scheduler does not answer.
    """
    if client.scheduler is None:
        raise ConnectionError("There is no connection to the scheduler.")
    answer = client.sync(client.scheduler.identity, n_workers=-1)  # type: ignore[no-untyped-call]
    return dict(answer["workers"])
