"""Makes the environment that models of another framework are converted in, or finishes and repairs it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tflitekit.core.errors import BusyError, MissingDependencyError, StorageError
from tflitekit.core.files import locked, write_json
from tflitekit.core.lifetime import temporary_folder
from tflitekit.core.progress import Progress
from tflitekit.source.foreign.call import run_logged
from tflitekit.source.foreign.environments import Environment
from tflitekit.source.foreign.interpreter import read_interpreter

__all__ = ["set_up"]

_PYTHON = (3, 11)
"""The pinned versions are those for this one."""


def set_up(environment: Environment, progress: Progress) -> bool:
    """Makes an environment; packages that an interrupted installation left, or the installer's cache has, are not downloaded again.

    Returns:
        False where it was ready already.

    Raises:
        MissingDependencyError: It cannot be made.
        StorageError: There is not enough space.
        BusyError: Another process makes one.
    """
    folder = environment.folder
    try:
        with locked(folder.parent):
            if environment.status().state == "ready":
                return False
            environment.mark.unlink(missing_ok=True)
            with progress.task(f"Making the environment for {environment.shown} ({environment.size})", None):
                if not _has_installer(environment):
                    shutil.rmtree(folder, ignore_errors=True)
                    _require_space(environment)
                    _run(environment, _creation(folder))
                _remove_halves(folder)
                _run(environment, _installation(environment))
            write_json(environment.mark, {"packages": environment.requirements})
    except BusyError as error:
        raise BusyError(
            f"Another 'tflitekit setup' is writing into {folder.parent}.", fix="Wait until it has ended."
        ) from error
    return True


def _has_installer(environment: Environment) -> bool:
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


def _require_space(environment: Environment) -> None:
    folder = environment.folder.parent
    free = shutil.disk_usage(folder).free
    if free < environment.size_bytes:
        raise StorageError(
            f"The environment for {environment.shown} takes {environment.size}, and {folder} has {free / 1e9:.1f} GB left.",
            fix=_more_space(folder),
        )


def _more_space(folder: Path) -> str:
    other = " or set XDG_CACHE_HOME to a folder on another disk" if sys.platform == "linux" else ""
    return f"Free some space on the disk of {folder}{other}, then run the command again."


def _creation(folder: Path) -> list[str]:
    if uv := shutil.which("uv"):
        return [uv, "venv", "--python", _shown_version(), str(folder)]
    return [_base_python(), "-m", "venv", str(folder)]


def _installation(environment: Environment) -> list[str]:
    wanted = [*environment.requirements, "--constraint", str(environment.constraints)]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", str(environment.python), *wanted]
    return [str(environment.python), "-I", "-m", "pip", "install", "--disable-pip-version-check", *wanted]


def _run(environment: Environment, command: list[str]) -> None:
    log = environment.folder.with_suffix(".log")
    # Downloads of gigabytes: on the disk that has room for them, and removed by the next setup where this one is killed.
    with temporary_folder(environment.folder.parent, "setup-") as temporary:
        try:
            ended, words = run_logged(command, log, None, dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)))
        except OSError as error:
            ended, words = "could not be started", str(error)
    if ended is not None:
        full = "No space left" in words
        raise (StorageError if full else MissingDependencyError)(
            f"The environment for {environment.shown} could not be made.",
            why=f"{Path(command[0]).name} {ended}: {_reason(words)}\nAll that it said is in {log}.",
            fix=_more_space(environment.folder.parent)
            if full
            else f"Run '{environment.setup_command}' again, with the network: what was downloaded is taken from the cache of the installer.",
        )


def _reason(words: str) -> str:
    """Returns what an installer calls an error, or else its last words."""
    lines = words.splitlines()
    return "\n".join([line for line in lines if "error" in line.lower()][-3:] or lines[-3:])


def _base_python() -> str:
    if sys.version_info[:2] == _PYTHON:
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
    return ".".join(map(str, _PYTHON))
