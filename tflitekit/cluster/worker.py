"""The verb *worker*: this machine, and the devices at it, join a cluster until they are stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tflitekit.cluster.kinds import import_dask
from tflitekit.cluster.kinds.address import check_address, connection_arguments
from tflitekit.cluster.pool import SLOT, device_resource
from tflitekit.cluster.settings import SETTINGS
from tflitekit.cluster.tasks import LOG, kit_identity
from tflitekit.core.errors import UsageError
from tflitekit.core.lifetime import Stopped, scratch
from tflitekit.core.machine import SHARE, machine_name
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.targets import is_device, open_target

__all__ = ["join_cluster"]

_ANSWER_S, _PAUSE_S = 5.0, 1.0


def join_cluster(
    address: str,
    *,
    workers: int | None = None,
    devices: Sequence[str] = (),
    note: Callable[[str], object] = lambda line: None,
) -> None:
    """Works for a cluster until the process is stopped or the scheduler ends.

    A scheduler that is not there yet is waited for. A worker that dies is started again. Each works on one thing at a time, with its share of this machine's cores; devices have a worker of
    their own, which does nothing else.

    Args:
        address: The scheduler's, ``tcp://HOST:PORT``.
        workers: How many; one per core when not given, none where only devices join.
        devices: Targets that are at this machine, such as ``adb:SERIAL`` or ``ssh:pi@board``.
        note: Receives what people should know.

    Raises:
        UsageError: The address is none, or a target is no device.
        MachineError: The scheduler's machine is not known.
        DeviceError: A device cannot be reached.
    """
    if not address.startswith(("tcp://", "tls://")):
        raise UsageError(f"'{address}' is no address of a scheduler.", fix="Write tcp://HOST:8786.")
    import_dask()
    check_address(address)
    for name in devices:
        _check_device(name)
    count = (os.cpu_count() or 1) if workers is None else workers
    if not count and not devices:
        raise UsageError(
            "A worker needs something to do: --workers is 0, and no --device is given.", fix="Leave out --workers 0."
        )
    asyncio.run(_until_stopped(_work(address, count, list(devices), note)))


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Ends what runs on a signal. An exception that a signal raises in a callback is taken by the event loop, which would go on."""
    task, loop, heard = asyncio.ensure_future(work), asyncio.get_running_loop(), list[int]()

    def stop(number: int) -> None:
        heard.append(number)
        task.cancel()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if heard:
            raise Stopped(heard[0]) from None
        raise


def dask_setup(worker: Any) -> None:
    """Lets a worker say on standard error what it takes and finishes; Dask calls it in the worker's process.

    Its versions are looked up now: those that are installed while it waits for its first task are not the ones that it has loaded.
    Ctrl-C in a terminal reaches that process too: what it means is decided by the one that started it.
    """
    del worker
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("distributed", "distributed.nanny"):  # what a lost connection means, the other processes tell
        logging.getLogger(name).setLevel(logging.CRITICAL)
    _show(LOG, logging.INFO)
    kit_identity()


class _OneLine(logging.Formatter):
    """A message without its traceback, which would be one of Dask's inside."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        why = "" if error is None else f" ({type(error).__name__}: {' '.join(str(error).split())})"
        return f"{self.formatTime(record, '%H:%M:%S')} {record.getMessage()}{why}"


def _show(name: str, level: int) -> None:
    """Writes what a logger says to standard error, a line each."""
    log, handler = logging.getLogger(name), logging.StreamHandler()
    handler.setFormatter(_OneLine())
    log.handlers, log.propagate = [handler], False
    log.setLevel(level)


def _check_device(name: str) -> None:
    """Raises where a target is no device, or cannot be reached."""
    if not is_device(name):
        raise UsageError(
            f"'{name}' is no device of its own.",
            fix="Name a phone or a board, such as adb:SERIAL or ssh:pi@board; --workers is for this machine.",
        )
    with open_target(name) as target:
        target.check(BenchmarkOptions(target=name, protocol="quick"))


async def _scheduler(address: str, note: Callable[[str], object]) -> None:
    """Waits until the scheduler is there."""
    distributed = import_dask()
    security = connection_arguments(address, "worker")
    waits = False
    while True:
        try:
            greeting = distributed.comm.connect(address, timeout=_ANSWER_S, **security)
            comm = await asyncio.wait_for(greeting, _ANSWER_S + _PAUSE_S)
        except Exception as error:  # noqa: BLE001 - also what comes of the words of another program
            if not waits:
                note(
                    f"No scheduler answers at {address}: it is waited for. Start it with 'dask scheduler'. ({str(error) or 'another program may listen there'})"
                )
                waits = True
            await asyncio.sleep(_PAUSE_S)
        else:
            await comm.close()
            return


async def _work(address: str, count: int, devices: Sequence[str], note: Callable[[str], object]) -> None:
    distributed = import_dask()
    _show("distributed", logging.ERROR)
    import_dask("dask").config.set(SETTINGS)
    share = str(max(1, (os.cpu_count() or 1) // max(1, count)))
    common: dict[str, Any] = {
        "memory_limit": 0,
        "silence_logs": logging.ERROR,
        "local_directory": str(scratch()),
        "dashboard_address": None,
        "preload": [__name__],
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
    await _scheduler(address, note)
    await asyncio.gather(*nannies)
    has = f" and {', '.join(devices)}" if devices else ""
    note(f"{machine_name()} works for {address}: {count} at a time{has}. Stop it with Ctrl-C.")
    try:
        await asyncio.gather(*(nanny.finished() for nanny in nannies))
    finally:
        await asyncio.gather(*(nanny.close(timeout=2) for nanny in nannies), return_exceptions=True)
    note(f"The scheduler {address} has ended.")
