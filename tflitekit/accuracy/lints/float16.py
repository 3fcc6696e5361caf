"""What a GPU could not hold: GPU delegates compute in float16, also for float32 files, and float16 ends at 65504."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.accuracy.scoring import RUNTIME, ScoringJob
from tflitekit.core.errors import TflitekitError
from tflitekit.core.lifetime import scratch
from tflitekit.core.process.workers import run_alone
from tflitekit.data.dataset import Dataset, UnreadableSampleError
from tflitekit.results import Finding
from tflitekit.tflite.graph import Graph, float_constants
from tflitekit.tflite.runtime import Model

__all__ = ["largest_values", "lint_float16"]

_LARGEST = 65504.0  # IEEE 754-2008, binary16
_SAMPLES = 16
_SHOWN = 3
_INTEGERS = {"int2", "int4", "uint4", "int8", "uint8", "int16"}


def is_float32(graph: Graph) -> bool:
    """Whether a file computes in float32 with float32 weights."""
    weights = set(graph.weight_bytes_by_dtype)
    return not weights & (_INTEGERS | {"float16", "bfloat16"}) and not graph.integer_op_fraction


def lint_float16(run: ScoringJob, dataset: Dataset) -> list[Finding]:
    """Runs a float32 file on a few samples and finds weights and activations beyond what float16 holds.

    It runs in a process of its own with all tensors kept, without the default delegate, which would hide them.
    """
    if not is_float32(run.graph) or dataset.size is None:
        return []
    positions = np.unique(np.linspace(0, dataset.size - 1, _SAMPLES).astype(int))
    pipeline, rows = run.pipeline(), []
    for sample in dataset.pick(positions.tolist()):
        try:
            rows.append(pipeline.prepare(sample.read(), sample.key))
        except UnreadableSampleError:
            continue
    if not rows:
        return []
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        samples = Path(folder) / "samples.npz"
        np.savez(samples, **{f"{i}-{j}": array for i, row in enumerate(rows) for j, array in enumerate(row)})  # type: ignore[arg-type]
        arguments = {"path": str(run.variant.path), "samples": str(samples), "count": len(rows)}
        try:
            found = run_alone(
                "tflitekit.accuracy.lints.float16:largest_values", arguments, label=run.variant.name, preload=RUNTIME
            )
        except TflitekitError as error:
            text = f"Whether values leave the range of float16 was not checked: {error.what}"
            return [Finding(kind="float16-not-checked", message=text)]
    return [
        *_finding("float16-weights", "weights of", found["weights"], "Rescale these layers"),
        *_finding(
            "float16-overflow",
            f"on {len(rows)} samples, activations of",
            found["activations"],
            "Normalize before these layers, or keep the model in float32",
        ),
    ]


def _finding(kind: str, what: str, beyond: Sequence[Sequence[Any]], advice: str) -> list[Finding]:
    if not beyond:
        return []
    # The converter joins the names of all layers that it fused into one operator by semicolons.
    shown = ", ".join(f"'{name.partition(';')[0]}' ({value:.3g})" for name, value in beyond[:_SHOWN])
    more = f" and {len(beyond) - _SHOWN} more" if len(beyond) > _SHOWN else ""
    return [
        Finding(
            kind=kind,
            message=f"Beyond the largest float16, 65,504: {what} {shown}{more}. GPU delegates compute in float16, also for "
            "float32 files, where they become infinity or NaN.",
            advice=f"{advice}, or do not ship this model to GPUs and NPUs that compute in float16.",
        )
    ]


def largest_values(*, path: str, samples: str, count: int) -> dict[str, list[tuple[str, float]]]:
    """Returns weights and activations beyond float16 by name, largest first (runs in a worker)."""
    model = Model(path, kernels="builtin", keep_tensors=True)
    constants = float_constants(path)
    largest: dict[str, float] = {}
    with np.load(samples, allow_pickle=False) as archive:
        for number in range(count):
            rows = [archive[f"{number}-{column}"] for column in range(len(model.inputs))]
            model.run([np.repeat(row[None], model.batch, axis=0) for row in rows], outputs=())
            for detail in model.tensor_details():
                # A tensor without a name is a kernel's scratch memory.
                if detail["name"] and detail["dtype"] is np.float32 and detail["index"] not in constants:
                    value = _largest(model, detail["index"])
                    largest[detail["name"]] = max(largest.get(detail["name"], 0.0), value)
    return {
        "weights": _beyond([(name, value) for name, value in constants.values()]),
        "activations": _beyond(list(largest.items())),
    }


def _largest(model: Model, index: int) -> float:
    try:
        values = model.tensor(index)
    except ValueError:  # a tensor without data: one that no operator needed
        return 0.0
    return float(np.nanmax(np.abs(values), initial=0.0)) if values.size else 0.0


def _beyond(values: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Keeps what float16 cannot hold; infinity as the largest float32, because JSON has no word for it."""
    beyond = [(name, min(value, float(np.finfo(np.float32).max))) for name, value in values if value > _LARGEST]
    return sorted(beyond, key=lambda pair: -pair[1])
