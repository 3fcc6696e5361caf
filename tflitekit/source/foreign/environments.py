"""The Python environments that convert models of other frameworks: where they are, whether they are whole, how they are made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tflitekit.core.errors import MissingDependencyError, UsageError
from tflitekit.core.files import content_hash, locked, write_json
from tflitekit.core.progress import Progress
from tflitekit.core.structured import read_json
from tflitekit.source.foreign.call import run_logged

__all__ = ["ENVIRONMENTS", "Environment", "State", "cache_folder", "environment"]

State = Literal["ready", "missing", "unfinished", "outdated"]
_HERE = Path(__file__).resolve().parent
_VERSIONS = ((3, 11),)
_MARK = "tflitekit.json"
_INSTALL_S = 3600.0


@dataclass(frozen=True)
class Environment:
    """An environment with a name.

    Attributes:
        shown: What it is for, as sentences say it.
        packages: What is installed; the file of constraints pins these and all that they bring.
        size: Of what it takes on disk, for people.
    """

    name: str
    shown: str
    packages: tuple[str, ...]
    size: str

    @property
    def constraints(self) -> Path:
        """The pinned versions of everything."""
        return _HERE / f"constraints_{self.name}.txt"

    @property
    def script(self) -> Path:
        """What converts, run by `python`."""
        return _HERE / "scripts" / f"convert_{self.name}.py"

    @property
    def folder(self) -> Path:
        return cache_folder() / "environments" / self.name

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def state(self) -> State:
        """Says whether it is whole: what makes it leaves a mark last, with what it installed."""
        if not self.folder.is_dir():
            return "missing"
        mark = self.folder / _MARK
        if not mark.is_file() or not self.python.exists():
            return "unfinished"
        found = read_json(mark)
        return "ready" if isinstance(found, dict) and found.get("wanted") == self._wanted() else "outdated"

    def require(self) -> Path:
        """Returns its Python.

        Raises:
            MissingDependencyError: It is not there, or not whole.
        """
        state = self.state()
        if state == "ready":
            return self.python
        what = {
            "missing": f"There is no environment for {self.shown} yet.",
            "unfinished": f"The environment for {self.shown} in {self.folder} is broken or was not finished.",
            "outdated": f"The environment for {self.shown} in {self.folder} is of another version of tflitekit.",
        }
        raise MissingDependencyError(
            what[state],
            why="These models are converted in an environment of their own: its packages clash with those of the kit.",
            fix=f"Make it with: tflitekit setup {self.name} ({self.size}).",
        )

    def set_up(self, progress: Progress) -> bool:
        """Makes it, or mends it; returns False where it was whole already.

        Raises:
            MissingDependencyError: It cannot be made.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.folder.parent):
            if self.state() == "ready" and self._starts():
                return False
            (self.folder / _MARK).unlink(missing_ok=True)
            with progress.task(f"Making the environment for {self.shown} ({self.size})", None):
                if not self._starts():
                    shutil.rmtree(self.folder, ignore_errors=True)
                    self._run(self._creation())
                self._run(self._installation())
            write_json(self.folder / _MARK, {"wanted": self._wanted()})
        return True

    def _wanted(self) -> dict[str, object]:
        return {"packages": list(self.packages), "constraints": content_hash(self.constraints)}

    def _starts(self) -> bool:
        """Whether its Python runs, which it does not after that of the system was removed."""
        try:
            return subprocess.run([self.python, "-I", "-c", ""], capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    def _creation(self) -> list[str]:
        if uv := shutil.which("uv"):
            return [uv, "venv", "--python", _shown_version(), str(self.folder)]
        return [_base_python(), "-m", "venv", str(self.folder)]

    def _installation(self) -> list[str]:
        wanted = [*self.packages, "--constraint", str(self.constraints)]
        if uv := shutil.which("uv"):
            return [uv, "pip", "install", "--python", str(self.python), *wanted]
        return [str(self.python), "-I", "-m", "pip", "install", "--disable-pip-version-check", *wanted]

    def _run(self, command: list[str]) -> None:
        log = self.folder.with_suffix(".log")
        try:
            ended, words = run_logged(command, log, _INSTALL_S)
        except OSError as error:
            ended, words = "could not be started", str(error)
        if ended is not None:
            raise MissingDependencyError(
                f"The environment for {self.shown} could not be made.",
                why=f"{Path(command[0]).name} {ended}: {words}\nAll of it is in {log}.",
                fix=f"Run 'tflitekit setup {self.name}' again: what was downloaded is taken from the cache of the installer.",
            )


ENVIRONMENTS: Mapping[str, Environment] = {
    "onnx": Environment("onnx", "ONNX", ("onnx2tf==1.29.24", "onnxslim"), "2.6 GB"),
    "torch": Environment("torch", "PyTorch", ("litert-torch==0.10.0", "torch==2.14.1"), "6.6 GB on Linux, with CUDA's libraries"),
}  # fmt: skip


def environment(name: str) -> Environment:
    """Returns an environment by its name.

    Raises:
        UsageError: There is none of this name.
    """
    if name not in ENVIRONMENTS:
        raise UsageError(f"There is no environment '{name}'.", fix=f"Environments: {', '.join(ENVIRONMENTS)}.")
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


def _base_python() -> str:
    if sys.version_info[:2] in _VERSIONS:
        return sys.executable
    found = shutil.which(f"python{_shown_version()}")
    if found is None:
        raise MissingDependencyError(
            f"The environment needs Python {_shown_version()}, and there is none.",
            why="onnx2tf and litert-torch are tested here with this version.",
            fix="Install it, or install uv (https://docs.astral.sh/uv), which brings it.",
        )
    return found


def _shown_version() -> str:
    return ".".join(map(str, _VERSIONS[-1]))
