"""The verb *worker*: this machine, and the devices at it, join a cluster until they are stopped."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from tflitekit.cluster.kinds import import_dask
from tflitekit.cluster.pool import SLOT, device_resource
from tflitekit.cluster.tasks import SHARE
from tflitekit.core.errors import MachineError, UsageError
from tflitekit.core.lifetime import scratch
from tflitekit.core.machine import machine_name
from tflitekit.targets import is_device, open_target

__all__ = ["join_cluster"]

_CONNECT_S = 20.0
_START_S = 20.0
"""For each process that is started: many at once share this machine's cores while they import."""


def join_cluster(
    address: str,
    *,
    workers: int | None = None,
    devices: Sequence[str] = (),
    note: Callable[[str], object] = lambda line: None,
) -> None:
    """Works for a cluster until the process is stopped or the scheduler ends.

    A worker that dies is started again. Each works on one thing at a time, with its share of this machine's cores; devices have a worker of
    their own, which does nothing else.

    Args:
        address: The scheduler's, ``tcp://HOST:PORT``.
        workers: How many; one per core when not given, none where only devices join.
        devices: Targets that are at this machine, such as ``adb:SERIAL`` or ``ssh:pi@board``.
        note: Receives what people should know.

    Raises:
        UsageError: The address is none, or a target is no device.
        MachineError: The scheduler does not answer.
        DeviceError: A device cannot be reached.
    """
    if not address.startswith(("tcp://", "tls://")):
        raise UsageError(f"'{address}' is no address of a scheduler.", fix="Write tcp://HOST:8786.")
    for name in devices:
        _check_device(name)
    count = (os.cpu_count() or 1) if workers is None else workers
    if not count and not devices:
        raise UsageError(
            "A worker needs something to do: --workers is 0, and no --device is given.", fix="Leave out --workers 0."
        )
    asyncio.run(_work(address, count, list(devices), note))


def _check_device(name: str) -> None:
    """Raises where a target is no device, or cannot be reached."""
    if not is_device(name):
        raise UsageError(
            f"'{name}' is no device of its own.",
            fix="Name a phone or a board, such as adb:SERIAL or ssh:pi@board; --workers is for this machine.",
        )
    with open_target(name):
        pass


async def _work(address: str, count: int, devices: Sequence[str], note: Callable[[str], object]) -> None:
    distributed = import_dask()
    share = str(max(1, (os.cpu_count() or 1) // max(1, count)))
    common: dict[str, Any] = {
        "memory_limit": 0,
        "silence_logs": logging.ERROR,
        "local_directory": str(scratch()),
        "dashboard_address": None,
        "env": {SHARE: share},
    }
    wanted = [
        {"name": f"{machine_name()}-{os.getpid()}-{number}", "nthreads": 1, "resources": {SLOT: 1}}
        for number in range(count)
    ]
    if devices:
        resources = dict.fromkeys(map(device_resource, devices), 1)
        wanted.append(
            {"name": f"{machine_name()}-{os.getpid()}-devices", "nthreads": len(devices), "resources": resources}
        )
    nannies = [distributed.Nanny(address, **common, **one) for one in wanted]
    try:
        await (await distributed.core.connect(address, timeout=_CONNECT_S)).close()
        async with asyncio.timeout(_CONNECT_S + _START_S * len(nannies)):
            await asyncio.gather(*nannies)
    except (OSError, TimeoutError) as error:
        raise MachineError(
            f"The scheduler {address} does not answer.",
            why=str(error) or None,
            fix="Start it with 'dask scheduler', and look for a firewall between the two machines.",
        ) from error
    has = f" and {', '.join(devices)}" if devices else ""
    note(f"{machine_name()} works for {address}: {count} at a time{has}. Stop it with Ctrl-C.")
    try:
        await asyncio.gather(*(nanny.finished() for nanny in nannies))
    finally:
        await asyncio.gather(*(nanny.close(timeout=2) for nanny in nannies), return_exceptions=True)
    note(f"The scheduler {address} has ended.")
