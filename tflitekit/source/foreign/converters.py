"""What converts models of other frameworks: a script of ours, in the environment of the kit or in one of the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

from tflitekit.core.errors import MissingDependencyError
from tflitekit.core.files import content_hash
from tflitekit.environments.interpreter import Interpreter, read_interpreter
from tflitekit.environments.known.onnx import ONNX
from tflitekit.environments.known.torch import TORCH
from tflitekit.environments.python import PythonEnvironment, shown_list

__all__ = ["CONVERTERS", "SCRIPTS", "Choice", "Converter"]

SCRIPTS = Path(__file__).resolve().parent / "scripts"


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
class Converter:
    """What converts models of one framework.

    Attributes:
        environment: The kit's own, which has the packages that our script imports.
    """

    environment: PythonEnvironment

    @property
    def script(self) -> Path:
        """What converts."""
        return SCRIPTS / f"convert_{self.environment.name}.py"

    def choose(self, python: str | None) -> Choice:
        """Returns the Python that converts: the user's own, or that of the kit's environment.

        Raises:
            MissingDependencyError: It is not there, not whole, or lacks a package.
        """
        if python is not None:
            return self._own(python)
        kit = self.environment
        status = kit.status()
        if status.state == "ready":
            return Choice(kit.python, kit.setup_command)
        raise MissingDependencyError(
            f"There is no environment for {kit.purpose} yet."
            if status.state == "missing"
            else f"The environment for {kit.purpose} in {kit.folder} is {status.state}.",
            why=status.why
            or "They are converted in an environment of their own: its packages clash with those of the kit.",
            fix=f"Run '{kit.setup_command}' ({kit.size}), or name a Python that has {', '.join(kit.packages)}: --with PYTHON.",
        )

    def key(self, python: str | None) -> dict[str, Any]:
        """Returns as JSON what a converted model depends on, beside the model and its options: our scripts, and the packages."""
        own = None if python is None else self._interpreter(python)
        return {
            "scripts": [content_hash(file) for file in sorted(SCRIPTS.glob("*.py"))],
            "packages": content_hash(self.environment.constraints) if own is None else [own.version, own.packages],
        }

    def _own(self, python: str) -> Choice:
        found, kit = self._interpreter(python), self.environment
        repair = f"{found.path} -m pip install {' '.join(kit.requirements)}"
        if lacking := kit.lacking(found):
            raise MissingDependencyError(
                f"The environment of {found.path} lacks {', '.join(lacking)}.",
                why=f"{kit.purpose} are converted there.",
                fix=f"Install what it needs: {repair}; or take the kit's own environment: {kit.setup_command}, and no --with.",
            )
        other = kit.other(found, kit.packages)
        return Choice(found.path, repair, (f"{found.path} has {shown_list(other)}.",) if other else ())

    def _interpreter(self, python: str) -> Interpreter:
        path, fix = which(python), "Give the Python of an environment, such as --with .venv/bin/python."
        if path is None:
            raise MissingDependencyError(f"There is no program {python}.", fix=fix)
        try:
            return read_interpreter(Path(path).absolute(), self.environment.pins)
        except MissingDependencyError as error:
            raise MissingDependencyError(error.what, why=error.why, fix=fix) from error


CONVERTERS: Mapping[str, Converter] = {"onnx": Converter(ONNX), "torch": Converter(TORCH)}
