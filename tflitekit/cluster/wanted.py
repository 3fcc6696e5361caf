"""A task that nobody waits for any more is stopped: Dask lets what runs go on.

An exception is raised in its thread, as Ctrl-C raises one. It lands anywhere, and not everything can be stopped there: `threading.Thread.start`
then waits for ever, and a lock of the whole process stays locked, such as that of `logging` at a fork. So a process in which a thread was stopped
does nothing else: it ends, and is started again. One that does not stop is ended.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
import time
from collections.abc import Iterator
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
def while_wanted(worker: Any, label: str) -> Iterator[None]:
    """Stops the block where its task is taken back, its client is gone, or the worker ends.

    Args:
        worker: Dask's.
        label: What the task is for.

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
            if unwanted >= _MOST and worker.nanny:
                _say(f"{label} does not stop ({_place(thread)}): its process is ended")
                _end(worker)

    threading.Thread(target=look, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            done.set()
            stop(None)


def begin_anew(worker: Any) -> None:
    """Ends this process where a thread of it was stopped and no other task runs; the worker's nanny, which Dask gives it, starts another."""
    if _stopped.is_set() and worker.nanny and len(worker.active_threads) == 1 and worker.status.name not in _ENDING:
        _end(worker)


def _end(worker: Any) -> None:
    """Lets the scheduler give what waits here to others, and ends. This thread does not return, so that nothing else begins."""
    close = functools.partial(worker.close, nanny=False, executor_wait=False, reason="a task was stopped")
    worker.loop.add_callback(close)
    until = time.monotonic() + _CLOSE_S
    while worker.status.name != "closed" and time.monotonic() < until:
        time.sleep(0.05)
    os._exit(1)


def _place(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    return "it has just ended" if frame is None else f"{frame.f_code.co_filename}, line {frame.f_lineno}"


def _say(what: str) -> None:
    """Writes to standard error without `logging`, which may be what hangs."""
    os.write(2, f"{time.strftime('%H:%M:%S')} {what}\n".encode())
