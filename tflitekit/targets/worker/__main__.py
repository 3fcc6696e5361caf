"""Answers one message after the other until standard input ends; see `tflitekit.targets.remote` for the other side."""

from __future__ import annotations

import functools
import gc
import importlib
import os
import platform
import sys
import time
from typing import Any, BinaryIO

import numpy as np
from frames import read_frame, write_frame
from meters import Meters
from timing import clock, harness_us, median_us, reset_peak, resident_bytes, time_runs, timer_us, trim

_IO_CALLS = 50

Answer = tuple[dict[str, Any], list[Any]]


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
        reset_peak()
        start = clock()
        shapes = [list(array.shape) for array in arrays]
        self._make = functools.partial(self._engine, message["path"], threads=message["threads"], shapes=shapes)
        model = self._make()
        init = clock() - start
        model.set_inputs(arrays)
        start = clock()
        model.invoke()
        first = clock() - start
        peak = resident_bytes("VmHWM")
        del model
        trim()
        stays = resident_bytes("VmRSS")
        self._memory = None if peak is None or stays is None else max(0, peak - stays)
        self._model, self._inputs = self._make(), arrays
        self._model.set_inputs(arrays)
        self._model.invoke()
        return {
            "init_us": init / 1e3,
            "first_us": first / 1e3,
            "harness_us": harness_us(),
            "timer_us": timer_us(),
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
        return {
            "input_us": median_us(lambda: self._model.set_inputs(self._inputs), _IO_CALLS),
            "output_us": median_us(self._model.outputs, _IO_CALLS),
            "peak_memory_bytes": self._memory,
        }, []

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
