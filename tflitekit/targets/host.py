"""This machine, through ai-edge-litert, in a fresh process per variant."""

from __future__ import annotations

import gc
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tflitekit.machine import cpu_model
from tflitekit.runtime import Model, runtime_name
from tflitekit.targets import BenchmarkProtocol, Run, register_target
from tflitekit.workers import WorkerPool, wait_for

__all__ = ["HostTarget"]

_SEED = 7
_TIMEOUT_S = 900.0


@register_target("host")
class HostTarget:
    """This machine."""

    name = "host"
    is_deployment = False

    def __init__(self) -> None:
        self._pool = WorkerPool(jobs=1, timeout_s=_TIMEOUT_S, preload=(__name__,))

    def close(self) -> None:
        self._pool.close()

    def identity(self) -> dict[str, Any]:
        return {
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "system": platform.system(),
            "runtime": runtime_name(),
        }

    def measure(self, path: Path, *, threads: int, protocol: BenchmarkProtocol) -> Run:
        arguments = {"path": str(path.resolve()), "threads": threads, "protocol": protocol.model_dump(mode="json")}
        value = wait_for(self._pool.submit("tflitekit.targets.host:measure", arguments, label=path.name))
        return Run.model_validate({**value, "target": self.name, "machine": self.identity()})


def measure(*, path: str, threads: int, protocol: dict[str, Any]) -> dict[str, Any]:
    """Benchmarks one file in this process (runs in a worker)."""
    import numpy as np

    rules = BenchmarkProtocol.model_validate(protocol)
    process = psutil.Process()
    gc.collect()
    _reset_peak()
    before = process.memory_info().rss
    clock = time.perf_counter_ns
    start = clock()
    model = Model(path, threads=threads)
    init = clock() - start
    generator = np.random.default_rng(_SEED)
    inputs = []
    for spec in model.inputs:
        shape = [max(1, d) for d in spec.shape]
        real = spec.quantization is not None or spec.dtype.startswith("float")
        inputs.append(generator.random(shape, np.float32) if real else np.zeros(shape, spec.dtype))
    model.set_inputs(inputs)
    invoke = model.invoke
    start = clock()
    invoke()
    first = clock() - start
    begin, warmups = time.perf_counter(), 1
    while warmups < rules.warmup_runs or time.perf_counter() - begin < rules.warmup_s:
        invoke()
        warmups += 1
        if time.perf_counter() - begin > rules.most_s:
            break
    samples: list[int] = []
    begin = time.perf_counter()
    gc.disable()
    while True:
        start = clock()
        invoke()
        samples.append(clock() - start)
        elapsed = time.perf_counter() - begin
        if (len(samples) >= rules.runs and elapsed >= rules.run_s) or elapsed > rules.most_s:
            break
    gc.enable()
    return {
        "threads": threads,
        "protocol": rules.name,
        "runtime": runtime_name(),
        "init_us": init / 1000,
        "first_us": first / 1000,
        "warmup_runs": warmups,
        "samples_us": [round(sample / 1000, 2) for sample in samples],
        "peak_memory_bytes": max(0, _peak(process) - before),
        "baseline_memory_bytes": before,
    }


def _reset_peak() -> None:
    """Sets the kernel's high-water mark back to what is resident now (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak(process: psutil.Process) -> int:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(process.memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
