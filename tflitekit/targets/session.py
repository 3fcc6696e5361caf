"""The side of a measuring process: holds one model and times it as it is told. Never imports TensorFlow.

The parent (`tflitekit.targets.host`) drives it over a connection: JSON messages there, JSON or raw int64 nanoseconds back.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tflitekit.core.errors import ModelError
from tflitekit.results import Accelerator
from tflitekit.targets import Loaded, SessionFacts
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model, zeros

__all__ = ["full_shapes", "random_inputs", "serve"]

_SEED = 7
_HARNESS_CALLS = 2000
_IO_CALLS = 50

clock = time.perf_counter_ns


def serve(*, address: str, path: str, threads: int, shapes: Mapping[str, Sequence[int]]) -> bool:
    """Loads a file and answers the parent until it says stop (runs in a worker).

    Args:
        shapes: As of `Target.open`.
    """
    graph = read_graph(path)  # the kit's own reading; a damaged file is an error before the runtime sees it
    gc.collect()
    reset_peak()
    start = clock()
    model = Model(path, threads=threads, graph=graph)
    model.resize(full_shapes(model, shapes))
    init = clock() - start
    inputs = random_inputs(model, shapes)
    model.set_inputs(inputs)
    start = clock()
    model.invoke()
    first = clock() - start
    memory = _memory(model)  # before there are samples, which take memory too
    model = Model(path, threads=threads, graph=graph)
    model.set_inputs(inputs)
    model.invoke()
    loaded = Loaded(init_us=init / 1e3, first_us=first / 1e3, harness_us=_harness_us(), timer_us=_timer_us())
    connection = Client(address)
    connection.send_bytes(loaded.model_dump_json().encode())
    while (message := json.loads(connection.recv_bytes()))["do"] != "stop":
        if message["do"] == "facts":
            connection.send_bytes(_facts(model, inputs, memory).model_dump_json().encode())
        else:
            samples = time_runs(model.invoke, message["runs"], message["seconds"])
            connection.send_bytes(samples.tobytes())
    return True


def full_shapes(model: Model, shapes: Mapping[str, Sequence[int]]) -> list[list[int]]:
    """Returns the shape of every input, with a batch of 1 where it is dynamic; ``shapes`` are those of open sizes."""
    return [[max(1, d) for d in shapes.get(spec.name, spec.shape)] for spec in model.inputs]


def random_inputs(model: Model, shapes: Mapping[str, Sequence[int]]) -> list[Any]:
    """Returns seeded values from 0 to 1 for every input that takes real values, zeros for indices, empty text.

    Raises:
        ModelError: An input takes neither.
    """
    generator = np.random.default_rng(_SEED)
    inputs = []
    for spec, shape in zip(model.inputs, full_shapes(model, shapes), strict=True):
        if spec.dtype in ("resource", "variant"):
            raise ModelError(
                f"The input '{spec.name}' of {model.path.name} takes {spec.dtype}s, which the kit cannot fill."
            )
        real = spec.quantization is not None or spec.dtype.startswith("float")
        values = zeros(spec, shape)
        inputs.append(generator.random(values.shape, np.float32) if real else values)
    return inputs


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


def _harness_us() -> float:
    def nothing() -> None:
        pass

    return float(np.median(time_runs(nothing, _HARNESS_CALLS, 0)[:-1])) / 1e3


def _timer_us() -> float:
    steps = np.diff([clock() for _ in range(_HARNESS_CALLS)])
    return float(steps[steps > 0].min(initial=10**9)) / 1e3


def _memory(model: Model) -> int | None:
    """Returns the highest resident set minus what stays when the model is released; it is of no use afterwards."""
    peak = peak_resident()
    model.release()
    _trim()
    return None if peak is None else max(0, peak - psutil.Process().memory_info().rss)


def _facts(model: Model, inputs: list[Any], memory: int | None) -> SessionFacts:
    def fetch() -> None:
        for index in range(len(model.outputs)):
            model.output(index)

    input_us = float(np.median(time_runs(lambda: model.set_inputs(inputs), _IO_CALLS, 0)[:-1])) / 1e3
    output_us = float(np.median(time_runs(fetch, _IO_CALLS, 0)[:-1])) / 1e3
    nodes, delegated, partitions = model.delegation()
    return SessionFacts(
        input_us=input_us,
        output_us=output_us,
        peak_memory_bytes=memory,
        arena_bytes=model.arena_bytes(),
        accelerator=Accelerator(
            requested="cpu",
            actual="cpu",
            delegate="XNNPACK" if partitions else None,
            nodes=nodes,
            delegated_nodes=delegated,
            partitions=partitions,
        ),
    )


def _trim() -> None:
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


def peak_resident() -> int | None:
    """Returns the highest resident set of this process in bytes; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return None
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
