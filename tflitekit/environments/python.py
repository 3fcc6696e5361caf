"""Environments of the first kind: a Python of its own with pinned packages."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tflitekit.core.errors import MissingDependencyError
from tflitekit.environments.environment import Environment, Status
from tflitekit.environments.interpreter import Interpreter, read_interpreter
from tflitekit.environments.workshop import Workshop

__all__ = ["PINS", "PythonEnvironment", "read_pins", "shown_list"]

PINS = Path(__file__).resolve().parent / "pins"
"""By environment, the pinned version of each package."""
_PYTHON = (3, 11)
"""The pinned versions are those for this one."""
_MOST_SHOWN = 3


@dataclass(frozen=True)
class PythonEnvironment(Environment):
    """A virtual environment.

    Attributes:
        packages: The main ones; the file of constraints pins these and all that they bring.
    """

    packages: tuple[str, ...]

    @property
    def constraints(self) -> Path:
        """The pinned versions of everything."""
        return PINS / f"{self.name}.txt"

    @cached_property
    def pins(self) -> Mapping[str, str]:
        """The version of each package that was tested."""
        return read_pins(self.constraints)

    @property
    def requirements(self) -> list[str]:
        """The main packages as an installer takes them."""
        return [f"{name}=={self.pins[name]}" for name in self.packages]

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def look(self) -> Status:
        """Asks its Python what is there."""
        try:
            found = read_interpreter(self.python, self.pins)
        except MissingDependencyError as error:
            return Status("broken", why=" ".join(filter(None, (error.what, error.why))))
        versions = {name: found.packages[name] for name in self.packages if name in found.packages}
        if lacking := self.lacking(found):
            return Status("broken", versions, f"It lacks {', '.join(lacking)}.")
        if other := self.other(found, self.pins):
            return Status("outdated", versions, f"It has {shown_list(other)}.")
        return Status("ready", versions)

    def lacking(self, found: Interpreter) -> list[str]:
        """Returns the main packages that a Python lacks."""
        return [name for name in self.packages if name not in found.packages]

    def other(self, found: Interpreter, names: Iterable[str]) -> list[str]:
        """Says which packages have another version than the tested one; '2.14.1+cpu' is 2.14.1."""
        have = {name: found.packages[name].partition("+")[0] for name in names if name in found.packages}
        return [
            f"{name} {version} where {self.pins[name]} was tested"
            for name, version in have.items()
            if version != self.pins[name].partition("+")[0]
        ]

    def wanted(self) -> dict[str, Any]:
        return {"packages": self.requirements}

    def make(self, workshop: Workshop) -> None:
        if not _has_installer(self):
            shutil.rmtree(self.folder, ignore_errors=True)
            workshop.require_space(self.size_bytes, self.size)
            workshop.run(_creation(self.folder))
        _remove_halves(self.folder)
        workshop.run(_installation(self))


def read_pins(constraints: Path) -> Mapping[str, str]:
    """Returns the versions that a file of constraints pins."""
    lines = constraints.read_text(encoding="utf-8").split()
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def shown_list(things: list[str]) -> str:
    """Returns the first few of a list for a sentence."""
    more = f" and {len(things) - _MOST_SHOWN} more" if len(things) > _MOST_SHOWN else ""
    return ", ".join(things[:_MOST_SHOWN]) + more


def _has_installer(environment: PythonEnvironment) -> bool:
    """Whether packages can be installed: not where its Python lost that of the system, or has no pip, as uv leaves it."""
    try:
        found = read_interpreter(environment.python, ["pip"])
    except MissingDependencyError:
        return False
    return "pip" in found.packages or shutil.which("uv") is not None


def _remove_halves(folder: Path) -> None:
    """Removes packages that pip was about to replace when it was killed: it puts them aside under such names."""
    for packages in (*folder.glob("lib/*/site-packages"), folder / "Lib" / "site-packages"):
        for left in packages.glob("~*"):
            shutil.rmtree(left, ignore_errors=True)


def _creation(folder: Path) -> list[str]:
    if uv := shutil.which("uv"):
        return [uv, "venv", "--python", _shown_version(), str(folder)]
    return [_base_python(), "-m", "venv", str(folder)]


def _installation(environment: PythonEnvironment) -> list[str]:
    wanted = [*environment.requirements, "--constraint", str(environment.constraints)]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", str(environment.python), *wanted]
    return [str(environment.python), "-I", "-m", "pip", "install", "--disable-pip-version-check", *wanted]


def _base_python() -> str:
    if sys.version_info[:2] == _PYTHON:
        return sys.executable
    found = shutil.which(f"python{_shown_version()}")
    if found is None:
        raise MissingDependencyError(
            f"The environment needs Python {_shown_version()}, and there is none.",
            why="Its packages are tested here with this version.",
            fix="Install it, or install uv (https://docs.astral.sh/uv), which brings it.",
        )
    return found


def _shown_version() -> str:
    return ".".join(map(str, _PYTHON))
