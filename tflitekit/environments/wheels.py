"""Python packages for another machine, unpacked: its Python finds them by ``PYTHONPATH``."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflitekit.core.errors import MissingDependencyError
from tflitekit.environments.python import read_pins
from tflitekit.environments.workshop import Workshop

__all__ = ["Wheels", "unpack_wheels"]


@dataclass(frozen=True)
class Wheels:
    """Wheels of all packages in a file of pins.

    Attributes:
        pins: The file: every package that is unpacked, with its version.
        platforms: What they are for, as pip calls it: the tags that are taken.
        uv_platform: The same, as uv calls it.
        python: The file of the Python that runs them, in the environment. What it is a link to has the version: ``python3.11``.
    """

    into: str
    pins: Path
    platforms: tuple[str, ...]
    uv_platform: str
    python: str

    def wanted(self) -> dict[str, Any]:
        return {"pins": dict(read_pins(self.pins)), "platforms": list(self.platforms)}

    def install(self, folder: Path, beside: Path, workshop: Workshop) -> Mapping[str, str]:
        pins = read_pins(self.pins)
        unpack_wheels(folder, pins, _version(beside / self.python), self.platforms, self.uv_platform, workshop)
        return pins


def unpack_wheels(
    folder: Path,
    pins: Mapping[str, str],
    python: str,
    platforms: Sequence[str],
    uv_platform: str,
    workshop: Workshop,
) -> None:
    """Unpacks wheels of pinned packages, and of nothing that they need, into a folder.

    Args:
        python: The version of the Python that runs them.
        platforms: As of `Wheels`; ``uv_platform`` likewise.

    Raises:
        MissingDependencyError: There is neither pip nor uv, or it fails.
    """
    packages = [f"{name}=={version}" for name, version in pins.items()]
    wanted = ["--no-deps", "--target", str(folder), "--python-version", python, *packages]
    if uv := shutil.which("uv"):
        workshop.run([uv, "pip", "install", "--only-binary", ":all:", "--python-platform", uv_platform, *wanted])
    elif importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile"]
        tags = [f"--platform={platform}" for platform in platforms]
        workshop.run([*pip, "--only-binary", ":all:", *tags, *wanted])
    else:
        raise MissingDependencyError(
            f"Making the environment for {workshop.purpose} needs pip or uv, and {sys.executable} has neither.",
            fix="Install one: python -m ensurepip.",
        )


def _version(python: Path) -> str:
    found = re.fullmatch(r"python(\d+\.\d+)", python.resolve().name)
    if found is None:
        raise MissingDependencyError(f"The version of {python} cannot be told.")
    return found[1]
