"""The side of a measuring process: holds one model and times it as it is told. Never imports TensorFlow.

The parent (`tflitekit.targets.host`) drives it over a connection: JSON messages there, JSON or raw int64 nanoseconds back.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Client
from typing import Any

import psutil

from tflitekit.core.errors import ModelError
from tflitekit.results import Accelerator
from tflitekit.targets import Loaded, SessionFacts
from tflitekit.targets.worker.timing import (
    clock,
    harness_us,
    median_us,
    reset_peak,
    resident_bytes,
    time_runs,
    timer_us,
    trim,
)
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model, random_values

__all__ = ["full_shapes", "random_inputs", "serve"]

_IO_CALLS = 50


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
    loaded = Loaded(init_us=init / 1e3, first_us=first / 1e3, harness_us=harness_us(), timer_us=timer_us())
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
    for spec in model.inputs:
        if spec.dtype in ("resource", "variant"):
            raise ModelError(
                f"The input '{spec.name}' of {model.path.name} takes {spec.dtype}s, which the kit cannot fill."
            )
    return random_values(model.inputs, shapes)


def _memory(model: Model) -> int | None:
    """Returns the highest resident set minus what stays when the model is released; it is of no use afterwards."""
    peak = peak_resident()
    model.release()
    trim()
    return None if peak is None else max(0, peak - psutil.Process().memory_info().rss)


def _facts(model: Model, inputs: list[Any], memory: int | None) -> SessionFacts:
    def fetch() -> None:
        for index in range(len(model.outputs)):
            model.output(index)

    nodes, delegated, partitions = model.delegation()
    return SessionFacts(
        input_us=median_us(lambda: model.set_inputs(inputs), _IO_CALLS),
        output_us=median_us(fetch, _IO_CALLS),
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


def peak_resident() -> int | None:
    """Returns the highest resident set of this process in bytes; None where the system does not tell."""
    if sys.platform == "linux":
        return resident_bytes("VmHWM")
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
