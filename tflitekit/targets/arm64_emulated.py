"""An ARM64 processor in software: the runtime's real kernels for aarch64, under QEMU.

Outputs are those of such a processor, to the bit; time says nothing. The processor is named: QEMU's ``max`` has the newest
instructions, and integer kernels that use them give wrong outputs there (of QEMU 7.2).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tflitekit.environments.known.arm64 import ARM64, PYTHON, QEMU, ROOT, WHEELS
from tflitekit.results import Figure, TargetKind
from tflitekit.targets import register_target
from tflitekit.targets.remote import WORKER, RemoteModel, Start
from tflitekit.tflite.graph import Graph

__all__ = ["Arm64Emulated"]

_CPU = "cortex-a76"


@register_target("arm64-emulated")
class Arm64Emulated:
    """The emulated processor.

    Raises:
        MissingDependencyError: Its environment is not ready.
    """

    name = "arm64-emulated"
    kind: TargetKind = "emulator"
    good_for: tuple[Figure, ...] = ("accuracy",)
    parallel = True

    def __init__(self) -> None:
        self._versions = ARM64.require("The target arm64-emulated").versions
        folder = ARM64.folder
        root, python = folder / ROOT, folder / PYTHON
        self._start = Start(
            [str(folder / QEMU), "-cpu", _CPU, "-L", str(root), str(python), str(WORKER), "litert"],
            "the emulated ARM64 processor",
            {"PYTHONPATH": str(folder / WHEELS), "PYTHONHOME": ""},
        )

    def close(self) -> None:
        """There is nothing to end."""

    def identity(self) -> dict[str, Any]:
        return {
            "runtime": f"ai-edge-litert {self._versions['ai-edge-litert']}",
            "cpu": _CPU,
            "machine": "aarch64",
            "emulator": f"QEMU {self._versions['qemu-user-static']}",
        }

    def model(self, path: Path, *, graph: Graph) -> RemoteModel:
        return RemoteModel(self._start, path, graph)
