"""A graphics processor in software: SwiftShader, a Vulkan driver that Chromium brings."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tflitekit.environments import Status, register_environment
from tflitekit.environments.debian import DebianPackages
from tflitekit.environments.unpacked import UnpackedEnvironment

__all__ = ["DRIVER", "GPU"]

_PACKAGE, _FOLDER = "chromium-common", "usr/lib/chromium"
DRIVER = "vk_swiftshader_icd.json"
_FILES = tuple(f"{_FOLDER}/{name}" for name in ("libvk_swiftshader.so", "libvulkan.so.1", DRIVER))


@dataclass(frozen=True)
class _GpuEnvironment(UnpackedEnvironment):
    """Three files of Chromium: those of this machine where it is installed, else unpacked ones."""

    system: Path = Path("/")

    def status(self) -> Status:
        if not self._installed:
            return super().status()
        asked = ["dpkg-query", "--show", "--showformat=${Version}", _PACKAGE]
        try:
            told = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            told = "of this machine"
        return Status("ready", {_PACKAGE: told})

    @property
    def _installed(self) -> bool:
        return all((self.system / name).is_file() for name in _FILES)

    @property
    def place(self) -> Path:
        return (self.system if self._installed else self.folder / "root") / _FOLDER


GPU = _GpuEnvironment(
    "gpu", "the target gpu-emulated", 6e6, (DebianPackages("root", (_PACKAGE,), files=_FILES),), (_PACKAGE,)
)
register_environment(GPU, __name__)
