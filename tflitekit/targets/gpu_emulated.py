"""The runtime's own GPU accelerator on a graphics driver in software: what a GPU takes of a file, and what comes out of it.

A GPU computes quantized files in floating point, and an accelerator may have faults of its own: both show here. What does not show:
this driver computes in float32 where phones' GPUs compute in float16, it has no faults of theirs, and its time says nothing.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from tflitekit.core.errors import MissingDependencyError, ModelError
from tflitekit.environments.known.gpu import DRIVER, GPU
from tflitekit.results import Examination, Figure, TargetKind
from tflitekit.targets import register_target
from tflitekit.targets.float16 import beyond_float16
from tflitekit.targets.gpu_placement import read_placements
from tflitekit.targets.gpu_words import read_words
from tflitekit.targets.layers import layers_or_edges_of
from tflitekit.targets.remote import WORKER, Remote, RemoteModel, Start
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.runtime import runtime_name

__all__ = ["GpuEmulated"]

_UNSEEN = (
    "The driver computes in float32: overflow of float16, faults of real drivers and speed do not show. Activations beyond float16 are "
    "looked for by 'tflitekit evaluate' on float32 files."
)


@register_target("gpu-emulated")
class GpuEmulated:
    """The emulated GPU; operators that it cannot run are left to the CPU, as on a phone.

    Raises:
        MissingDependencyError: Its environment is not ready, or the runtime here has no GPU accelerator.
    """

    name = "gpu-emulated"
    kind: TargetKind = "emulator"
    good_for: tuple[Figure, ...] = ("accuracy",)
    parallel = True

    def __init__(self) -> None:
        self._driver = GPU.require("The target gpu-emulated").versions["chromium-common"]
        self._runtime = f"{runtime_name()}, GPU accelerator"
        if not any(
            file.name.startswith("libLiteRtWebGpuAccelerator") for file in metadata.files("ai-edge-litert") or ()
        ):
            raise MissingDependencyError(
                f"{runtime_name()} has no GPU accelerator for this machine.",
                fix="Install the version in constraints.txt: pip install ai-edge-litert==2.3.0",
            )
        self._start = Start(
            [sys.executable, "-B", str(WORKER), "litert_gpu"],
            "the emulated GPU",
            {"LD_LIBRARY_PATH": str(GPU.place), "VK_ICD_FILENAMES": str(GPU.place / DRIVER)},
        )

    def close(self) -> None:
        """There is nothing to end."""

    def identity(self) -> dict[str, Any]:
        return {"runtime": self._runtime, "driver": f"SwiftShader of Chromium {self._driver}"}

    def model(self, path: Path, *, graph: Graph) -> RemoteModel:
        return RemoteModel(self._start, path, graph)

    def examine(self, path: Path, *, graph: Graph) -> Examination:
        remote = Remote(self._start)
        try:
            told, _ = remote.ask("examine", path=str(path.resolve()))
            words = read_words(remote.log())
        except ModelError as error:
            said = " ".join(read_words(remote.log()).errors)
            raise ModelError(f"The GPU accelerator refuses {path.name}.", why=said or error.why) from error
        finally:
            remote.close()
        placements, notes = read_placements(
            path.name, graph.operators, layers_or_edges_of(path, graph), words, is_whole=told["whole"]
        )
        if words.faults:
            notes.append(
                f"The accelerator has a fault, and what it computes of the file cannot be trusted: {'; '.join(words.faults)}."
            )
        if names := beyond_float16(path):
            notes.append(
                f"Values of {path.name} are beyond the largest float16, 65,504, which GPUs of phones compute in: {', '.join(names)}."
            )
        return Examination(
            tool=self._runtime, configuration=words.adapter, placements=placements, notes=(*notes, _UNSEEN)
        )
