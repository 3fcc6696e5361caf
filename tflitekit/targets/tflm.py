"""The interpreter of TensorFlow Lite for Microcontrollers on this machine: what its kernels compute, and how much memory it takes."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ModelError
from tflitekit.environments.known.tflm import TFLM
from tflitekit.results import Examination, Figure, TargetKind
from tflitekit.targets import register_target
from tflitekit.targets.layers import layers_of
from tflitekit.targets.remote import WORKER, Remote, RemoteModel, Start
from tflitekit.targets.tflm_words import Refusal, read_arena, read_refusal
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.micro_operators import MICRO_OPERATORS

__all__ = ["Tflm"]

_SHOWN = "TensorFlow Lite for Microcontrollers"
_TAKES = "It takes int8, int16x8 and float32 (--scheme), but neither dynamic ranges nor weights in float16."


@register_target("tflm")
class Tflm:
    """The reference kernels, whose results those of processors' makers reproduce.

    Raises:
        MissingDependencyError: The interpreter is not there.
    """

    name = "tflm"
    kind: TargetKind = "emulator"
    good_for: tuple[Figure, ...] = ("accuracy", "memory")
    parallel = True

    def __init__(self) -> None:
        TFLM.require("The target tflm")
        self._start = Start([str(TFLM.python), "-E", str(WORKER), "tflm"], where=_SHOWN)

    def identity(self) -> dict[str, Any]:
        return {"runtime": f"tflite-micro {TFLM.pins['tflite-micro']}", "machine": platform.machine()}

    def close(self) -> None:
        return

    def model(self, path: Path, *, graph: Graph) -> RemoteModel:
        with _refusing(path, graph):
            return RemoteModel(self._start, path, graph)

    def examine(self, path: Path, *, graph: Graph) -> Examination:
        remote = Remote(self._start)
        try:
            with _refusing(path, graph):
                told, _ = remote.ask("examine", path=str(path.resolve()))
        finally:
            remote.close()
        arena = read_arena(told["allocations"])
        if arena is None:
            raise ModelError(f"{_SHOWN} does not say what memory {path.name} takes.", why=told["allocations"])
        return Examination(
            tool=f"tflite-micro {TFLM.pins['tflite-micro']}",
            configuration=f"reference kernels on {platform.machine()}",
            arena_bytes=told["smallest"],
            flash_bytes=graph.size_bytes,
            notes=(
                f"{path.stem} uses {arena.total_bytes:,} bytes of its arena, in the interpreter's own words: {arena.tensor_bytes:,} for "
                f"tensors, and {arena.persistent_bytes:,} that persist.",
                "An arena is the smallest with which the file computes here. Structures take less on a 32-bit processor, and optimized "
                "kernels may take scratch memory besides.",
            ),
        )


@contextmanager
def _refusing(path: Path, graph: Graph) -> Iterator[None]:
    """Puts what the interpreter says of a file that it does not take in the user's names."""
    try:
        yield
    except ModelError as error:
        found = read_refusal(error.why or "")
        if not error.what.endswith("refuses it."):  # it crashed
            found = Refusal(f"{error.what} {error.why or ''}".strip())
        names, layers = [one.name for one in graph.operators], layers_of(path, graph)
        why, fix = found.why, _TAKES
        if found.lacks:
            lacking = sorted({one.name for one in graph.ops} - MICRO_OPERATORS)
            first = {name: layers[names.index(name)] if name in names else "" for name in lacking}
            why = f"It has no {', no '.join(_named(name, layer) for name, layer in first.items())}."
            fix = "Replace the layer, or take another runtime."
        elif found.index is not None and names[found.index : found.index + 1] == [found.operator]:
            why = f"{_named(names[found.index], layers[found.index])}: {found.why}"
        raise ModelError(f"{_SHOWN} does not take {path.name}.", why=why, fix=fix) from error


def _named(operator: str, layer: str) -> str:
    return f"{operator} (layer '{layer}')" if layer else operator
