"""The Python environments that convert models of other frameworks: which there are, whether they are whole, and which one is taken."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from shutil import which
from typing import Any, Literal

from tflitekit.core.errors import MissingDependencyError, UsageError
from tflitekit.core.files import content_hash
from tflitekit.source.foreign.interpreter import SCRIPTS, Interpreter, read_interpreter

__all__ = ["ENVIRONMENTS", "Choice", "Environment", "State", "Status", "cache_folder", "environment"]

State = Literal["ready", "missing", "unfinished", "broken", "outdated"]
_MARK = "tflitekit.json"


@dataclass(frozen=True)
class Status:
    """What there is of an environment.

    Attributes:
        versions: Of its main packages.
        why: What is wrong with it, as a sentence.
    """

    state: State
    versions: Mapping[str, str] = field(default_factory=dict)
    why: str | None = None


@dataclass(frozen=True)
class Choice:
    """The Python that converts a model.

    Attributes:
        repair: The command that gives it what it lacks.
        notes: What the report should say of it.
    """

    python: Path
    repair: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Environment:
    """An environment with a name.

    Attributes:
        shown: What it is for, as sentences say it.
        packages: The main ones, which our script imports; the file of constraints pins these and all that they bring.
        size_bytes: What it takes on disk, about (on Linux; PyTorch brings CUDA's libraries there).
    """

    name: str
    shown: str
    packages: tuple[str, ...]
    size_bytes: float

    @property
    def constraints(self) -> Path:
        """The pinned versions of everything."""
        return SCRIPTS.parent / f"constraints_{self.name}.txt"

    @cached_property
    def pins(self) -> Mapping[str, str]:
        """The version of each package that was tested."""
        lines = self.constraints.read_text(encoding="utf-8").split()
        return {name: version for name, _, version in (line.partition("==") for line in lines)}

    @property
    def requirements(self) -> list[str]:
        """The main packages as an installer takes them."""
        return [f"{name}=={self.pins[name]}" for name in self.packages]

    @property
    def script(self) -> Path:
        """What converts."""
        return SCRIPTS / f"convert_{self.name}.py"

    @property
    def setup_command(self) -> str:
        """The command that makes or repairs it."""
        return f"tflitekit setup {self.name}"

    @property
    def size(self) -> str:
        return f"{self.size_bytes / 1e9:.1f} GB"

    @property
    def folder(self) -> Path:
        return cache_folder() / "environments" / self.name

    @property
    def mark(self) -> Path:
        """What `tflitekit setup` leaves last."""
        return self.folder / _MARK

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def status(self) -> Status:
        """Asks its Python what is there."""
        if not self.folder.is_dir():
            return Status("missing")
        if not self.mark.is_file():
            return Status("unfinished", why="Its installation was not finished.")
        try:
            found = read_interpreter(self.python, self.pins)
        except MissingDependencyError as error:
            return Status("broken", why=" ".join(filter(None, (error.what, error.why))))
        versions = {name: found.packages[name] for name in self.packages if name in found.packages}
        if lacking := self._lacking(found):
            return Status("broken", versions, f"It lacks {', '.join(lacking)}.")
        if other := self._other(found, self.pins):
            return Status("outdated", versions, f"It has {_named(other)}.")
        return Status("ready", versions)

    def choose(self, python: str | None) -> Choice:
        """Returns the Python that converts: the user's own, or that of the named environment.

        Raises:
            MissingDependencyError: It is not there, not whole, or lacks a package.
        """
        if python is not None:
            return self._own(python)
        status = self.status()
        if status.state == "ready":
            return Choice(self.python, self.setup_command)
        raise MissingDependencyError(
            f"There is no environment for {self.shown} models yet."
            if status.state == "missing"
            else f"The environment for {self.shown} models in {self.folder} is {status.state}.",
            why=status.why
            or "They are converted in an environment of their own: its packages clash with those of the kit.",
            fix=f"Run '{self.setup_command}' ({self.size}), or name a Python that has {', '.join(self.packages)}: --with PYTHON.",
        )

    def key(self, python: str | None) -> dict[str, Any]:
        """Returns as JSON what a converted model depends on, beside the model and its options: our scripts, and the packages."""
        own = None if python is None else self._interpreter(python)
        return {
            "scripts": [content_hash(file) for file in sorted(SCRIPTS.glob("*.py"))],
            "packages": content_hash(self.constraints) if own is None else [own.version, own.packages],
        }

    def _own(self, python: str) -> Choice:
        found = self._interpreter(python)
        repair = f"{found.path} -m pip install {' '.join(self.requirements)}"
        if lacking := self._lacking(found):
            raise MissingDependencyError(
                f"The environment of {found.path} lacks {', '.join(lacking)}.",
                why=f"{self.shown} models are converted there.",
                fix=f"Install what it needs: {repair}; or take the kit's own environment: {self.setup_command}, and no --with.",
            )
        other = self._other(found, self.packages)
        return Choice(found.path, repair, (f"{found.path} has {_named(other)}.",) if other else ())

    def _interpreter(self, python: str) -> Interpreter:
        path, fix = which(python), "Give the Python of an environment, such as --with .venv/bin/python."
        if path is None:
            raise MissingDependencyError(f"There is no program {python}.", fix=fix)
        try:
            return read_interpreter(Path(path).absolute(), self.pins)
        except MissingDependencyError as error:
            raise MissingDependencyError(error.what, why=error.why, fix=fix) from error

    def _lacking(self, found: Interpreter) -> list[str]:
        return [name for name in self.packages if name not in found.packages]

    def _other(self, found: Interpreter, names: Iterable[str]) -> list[str]:
        """Says which packages have another version than the tested one; '2.14.1+cpu' is 2.14.1."""
        have = {name: found.packages[name].partition("+")[0] for name in names if name in found.packages}
        return [
            f"{name} {version} where {self.pins[name]} was tested"
            for name, version in have.items()
            if version != self.pins[name].partition("+")[0]
        ]


ENVIRONMENTS: Mapping[str, Environment] = {
    "onnx": Environment("onnx", "ONNX", ("onnx2tf", "onnxslim", "onnx", "onnxruntime", "tensorflow"), 2.6e9),
    "torch": Environment("torch", "PyTorch", ("litert-torch", "torch"), 6.6e9),
}


def environment(name: str) -> Environment:
    """Returns an environment by its name.

    Raises:
        UsageError: There is none of this name.
    """
    if name not in ENVIRONMENTS:
        raise UsageError(f"There is no environment '{name}'.", fix=f"Choose from: {', '.join(ENVIRONMENTS)}.")
    return ENVIRONMENTS[name]


def cache_folder() -> Path:
    """Returns the kit's folder among the user's caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tflitekit"


def _named(other: list[str]) -> str:
    more = f" and {len(other) - 3} more" if len(other) > 3 else ""
    return ", ".join(other[:3]) + more
