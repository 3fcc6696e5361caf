"""Answers one message after the other until standard input ends; see `tflitekit.targets.remote` for the other side."""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from frames import read_frame, write_frame
from meters import Meters

_CALLS = 2000
_IO_CALLS = 50

Answer = tuple[dict[str, Any], list[Any]]
clock = time.perf_counter_ns


class Worker:
    """One engine, and the file that it holds."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._make: Any = None
        self._model: Any = None
        self._inputs: list[Any] = []
        self._memory: int | None = None
        self._meters: Meters | None = None

    def hello(self, _message: dict[str, Any], _arrays: list[Any]) -> Answer:
        """Says what this is."""
        told = {
            "runtime": self._engine.runtime(),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "system": platform.system(),
            "cores": os.cpu_count(),
        }
        return told, []

    def load(self, message: dict[str, Any], arrays: list[Any]) -> Answer:
        """Loads a file and computes one batch, as the tensors have it, twice: fresh and again, as a benchmark wants it."""
        gc.collect()
        _reset_peak()
        start = clock()
        shapes = [list(array.shape) for array in arrays]
        self._make = functools.partial(self._engine, message["path"], threads=message["threads"], shapes=shapes)
        model = self._make()
        init = clock() - start
        model.set_inputs(arrays)
        start = clock()
        model.invoke()
        first = clock() - start
        peak = _memory("VmHWM")
        del model
        _trim()
        stays = _memory("VmRSS")
        self._memory = None if peak is None or stays is None else max(0, peak - stays)
        self._model, self._inputs = self._make(), arrays
        self._model.set_inputs(arrays)
        self._model.invoke()
        return {
            "init_us": init / 1e3,
            "first_us": first / 1e3,
            "harness_us": _harness_us(),
            "timer_us": _timer_us(),
        }, []

    def run(self, message: dict[str, Any], arrays: list[Any]) -> Answer:
        """Computes samples, batch by batch; what operators keep begins anew for each, where the file has such."""
        size, anew, parts = message["batch"], message["anew"], []
        for start in range(0, len(arrays[0]), size):
            if anew == "reset":
                self._model.reset()
            elif anew == "load":
                self._model = self._make()
            self._model.set_inputs([values[start : start + size] for values in arrays])
            self._model.invoke()
            parts.append(self._model.outputs())
        return {}, [np.concatenate(column) for column in zip(*parts, strict=True)]

    def time(self, message: dict[str, Any], _arrays: list[Any]) -> Answer:
        """Measures each `invoke()` for at least so many runs and so long."""
        return {}, [time_runs(self._model.invoke, message["runs"], message["seconds"])]

    def facts(self, _message: dict[str, Any], _arrays: list[Any]) -> Answer:
        """Says what is known of the file when its rounds are done."""
        store = time_runs(lambda: self._model.set_inputs(self._inputs), _IO_CALLS, 0)[:-1]
        fetch = time_runs(self._model.outputs, _IO_CALLS, 0)[:-1]
        told = {"input_us": float(np.median(store)) / 1e3, "output_us": float(np.median(fetch)) / 1e3}
        return {**told, "peak_memory_bytes": self._memory}, []

    def energy(self, _message: dict[str, Any], _arrays: list[Any]) -> Answer:
        """Reads the energy meters of this machine, from the first time on."""
        if self._meters is None:
            self._meters = Meters()
            self._meters.start()
        joules = self._meters.read()
        return {"time_s": time.monotonic(), "joules": joules, "locked": self._meters.locked}, []

    def examine(self, message: dict[str, Any], _arrays: list[Any]) -> Answer:
        """Says what the engine knows of a file without running samples."""
        return self._engine.examine(message["path"], message.get("options", {})), []


def time_runs(call: Callable[[], Any], runs: int, seconds: float) -> Any:
    """Calls at least so often and so long; returns int64 nanoseconds of each call, and last of all together."""
    samples: list[int] = []
    gc.disable()
    begin = clock()
    end = begin + int(seconds * 1e9)
    while True:
        start = clock()
        call()
        stop = clock()
        samples.append(stop - start)
        if stop >= end and len(samples) >= runs:
            break
    gc.enable()
    samples.append(stop - begin)
    return np.asarray(samples, np.int64)


def _harness_us() -> float:
    return float(np.median(time_runs(lambda: None, _CALLS, 0)[:-1])) / 1e3


def _timer_us() -> float:
    steps = np.diff([clock() for _ in range(_CALLS)])
    return float(steps[steps > 0].min(initial=10**9)) / 1e3


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _trim() -> None:
    """Gives freed memory back to the system, so that what is still resident does not belong to the file."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):  # a C library without it
        return


def _memory(name: str) -> int | None:
    """Returns a line of what Linux says of this process, in bytes; None elsewhere."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Returns the kit's two streams; what libraries print, also C++ ones, goes to standard error."""
    taken, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return taken, answers


def main() -> None:
    """Serves until the other side has ended."""
    taken, answers = _streams()
    worker = Worker(importlib.import_module(sys.argv[1]).Engine)
    known = (worker.hello, worker.load, worker.run, worker.time, worker.facts, worker.energy, worker.examine)
    actions = {act.__name__: act for act in known}
    while True:
        try:
            message, arrays = read_frame(taken)
        except EOFError:
            return
        try:
            told, found = actions[message["do"]](message, arrays)
        except Exception as error:  # noqa: BLE001 - told to the kit, whatever it is
            told, found = {"error": str(error).strip() or type(error).__name__, "kind": type(error).__name__}, []
        write_frame(answers, told, found)


if __name__ == "__main__":
    main()
