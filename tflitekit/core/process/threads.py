"""Work in threads that nothing waits for at the end of the program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["in_thread"]

_Result = TypeVar("_Result")


def in_thread(call: Callable[[], _Result]) -> Future[_Result]:
    """Calls a function in a thread of its own.

    Those of an executor would keep a program that is stopped from ending; this one ends with it.
    """
    future: Future[_Result] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
