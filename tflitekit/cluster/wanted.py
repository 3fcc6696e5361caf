"""A task that nobody waits for any more is stopped: Dask lets what runs go on.

An exception is raised in its thread, as Ctrl-C raises one. It lands anywhere, and not everything can be stopped there: `threading.Thread.start`
then waits for ever, and a lock of the whole process stays locked, such as that of `logging` at a fork. So a process in which a thread was stopped
does nothing else: it ends, and is started again, by the nanny that Dask gives it, or by whoever started a worker without one. One that does not stop
is ended, and so is one that waits for a file system that no longer answers.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["UnwantedError", "begin_anew", "while_wanted"]

_LOOK_S = 0.5
_AGAIN, _MOST = 20, 60
"""Looks after which a thread is stopped again, and its process ended."""
_CLOSE_S = 5.0
_ENDING = ("closing", "closed", "stopping", "stopped", "failed")
_stopped = threading.Event()


class UnwantedError(BaseException):
    """Nobody waits for the task any more."""


@contextmanager
def while_wanted(worker: Any, label: str, hopeless: Callable[[], str | None]) -> Iterator[None]:
    """Stops the block where its task is taken back, its client is gone, or the worker ends.

    Args:
        worker: Dask's.
        label: What the task is for.
        hopeless: Returns why the block will not end, where that is so.

    Raises:
        UnwantedError: It was stopped.
    """
    thread = threading.get_ident()
    key, done, lock = worker.get_current_task(), threading.Event(), threading.Lock()

    def stop(error: type[BaseException] | None) -> None:
        what = None if error is None else ctypes.py_object(error)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)

    def look() -> None:
        unwanted = 0
        while not done.wait(_LOOK_S) and worker.active_threads.get(thread) == key:
            state = worker.state.tasks.get(key)
            gone = state is None or state.state == "cancelled" or worker.status.name in _ENDING
            unwanted = unwanted + 1 if gone else 0
            with lock:
                if unwanted and unwanted % _AGAIN == 1 and not done.is_set():  # again where a library dropped it
                    _stopped.set()
                    stop(UnwantedError)
            if unwanted >= _MOST:
                _end(worker, f"{label} does not stop ({_place(thread)}): its process is ended")
            if why := hopeless():
                _end(worker, f"{label} does not go on, and its process is ended. {why}")

    threading.Thread(target=look, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            done.set()
            stop(None)


def begin_anew(worker: Any) -> None:
    """Ends this process where a thread of it was stopped and no other task runs."""
    if _stopped.is_set() and len(worker.active_threads) == 1 and worker.status.name not in _ENDING:
        _end(worker)


def _end(worker: Any, why: str | None = None) -> None:
    """Lets the scheduler give what waits here to others, and ends the process, where it is the worker's own; there this does not return."""
    shared = _shares_process()
    if why:
        _say(why)
    if shared:
        _say(
            f"The worker {worker.address} takes no more tasks: a task of it was stopped, and it is part of a program that goes on"
        )
    elif not worker.nanny:
        _say(
            f"The worker {worker.address} ends: a task of it was stopped. It has no nanny of Dask's, so start it again"
        )
    if not shared:
        atexit.register(os._exit, 1)  # where Dask's own program ends first, too: supervisors start again what failed
    close = functools.partial(worker.close, nanny=False, executor_wait=False, reason="a task was stopped")
    worker.loop.add_callback(close)
    until = time.monotonic() + _CLOSE_S
    while worker.status.name != "closed" and time.monotonic() < until:
        time.sleep(0.05)
    if not shared:
        os._exit(1)


def _shares_process() -> bool:
    """Whether there is a client, a scheduler or another worker in this process, which are not to end with a worker."""
    from distributed import Client, Scheduler, Worker

    return len({*Client._instances, *Scheduler._instances, *Worker._instances}) > 1


def _place(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    return "it has just ended" if frame is None else f"{frame.f_code.co_filename}, line {frame.f_lineno}"


def _say(what: str) -> None:
    """Writes to standard error without `logging`, which may be what hangs."""
    os.write(2, f"{time.strftime('%H:%M:%S')} {what}\n".encode())
