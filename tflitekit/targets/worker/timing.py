"""How calls are timed, and what memory a process takes. Both sides use this file."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["clock", "harness_us", "median_us", "reset_peak", "resident_bytes", "time_runs", "timer_us", "trim"]

_CALLS = 2000
_STATUS = Path("/proc/self/status")

clock = time.perf_counter_ns


def time_runs(call: Callable[[], Any], runs: int, seconds: float) -> Any:
    """Calls at least so often **and** so long.

    Returns:
        int64 nanoseconds of each call, and last the time of all together.
    """
    samples: list[int] = []
    append = samples.append
    gc.disable()
    begin = clock()
    end = begin + int(seconds * 1e9)
    while True:
        start = clock()
        call()
        stop = clock()
        append(stop - start)
        if stop >= end and len(samples) >= runs:
            break
    gc.enable()
    append(stop - begin)
    return np.asarray(samples, np.int64)


def median_us(call: Callable[[], Any], calls: int) -> float:
    """Returns the median time of a call."""
    return float(np.median(time_runs(call, calls, 0)[:-1])) / 1e3


def harness_us() -> float:
    """Returns what the loop that measures adds to each call: its time around one that does nothing."""

    def nothing() -> None:
        pass

    return median_us(nothing, _CALLS)


def timer_us() -> float:
    """Returns the smallest step of the clock."""
    steps = np.diff([clock() for _ in range(_CALLS)])
    return float(steps[steps > 0].min(initial=10**9)) / 1e3


def trim() -> None:
    """Gives freed memory back to the system, so that what is still resident does not belong to the model."""
    gc.collect()
    if sys.platform == "linux":
        try:
            ctypes.CDLL(None).malloc_trim(0)
        except (OSError, AttributeError):  # a C library without it
            return


def reset_peak() -> None:
    """Sets the kernel's high-water mark back to what is resident now (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def resident_bytes(name: str) -> int | None:
    """Returns what Linux says of this process in a line of its status: 'VmHWM' is the peak, 'VmRSS' what is resident now; None elsewhere."""
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)
