"""What an interpreter of another environment says of itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from tflitekit.core.errors import MissingDependencyError, UnreadableError
from tflitekit.core.process.workers import last_words
from tflitekit.core.structured import check_model, parse_json

__all__ = ["Interpreter", "command", "read_interpreter"]

_INSTALLED = Path(__file__).resolve().parent / "scripts" / "installed.py"
_OLDEST = (3, 10)
_START_S = 120.0


@dataclass(frozen=True)
class Interpreter:
    """A Python that runs.

    Attributes:
        packages: The versions of those that were asked for and are installed, by name.
    """

    path: Path
    version: tuple[int, int, int]
    packages: Mapping[str, str]


class _Said(BaseModel):
    python: tuple[int, int, int]
    packages: dict[str, str]


def command(python: Path, script: Path, *arguments: str) -> list[str]:
    """Returns what runs one of our scripts: without the user's variables and the working directory, with what the scripts share."""
    return [str(python), "-E", str(script), *arguments]


def read_interpreter(path: Path, names: Iterable[str]) -> Interpreter:
    """Starts a Python and asks it for its version and packages.

    Raises:
        MissingDependencyError: It does not start, is no Python, or one that is too old.
    """
    try:
        done = subprocess.run(
            command(path, _INSTALLED, *names), stdin=subprocess.DEVNULL, capture_output=True, timeout=_START_S, check=False
        )  # fmt: skip
        said = check_model(_Said, parse_json(done.stdout, str(path)), str(path))
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or f"It said nothing in {_START_S:.0f} s."
        raise MissingDependencyError(f"{path} cannot be started.", why=why) from error
    except UnreadableError as error:
        words = last_words(done.stderr).splitlines()[-1:]
        raise MissingDependencyError(
            f"{path} does not run programs as Python {_shown(_OLDEST)} or newer does.", why=words[0] if words else None
        ) from error
    if said.python < _OLDEST:
        raise MissingDependencyError(
            f"{path} is Python {_shown(said.python)}, and the converters need {_shown(_OLDEST)}."
        )
    return Interpreter(path, said.python, said.packages)


def _shown(version: Iterable[int]) -> str:
    return ".".join(map(str, version))
