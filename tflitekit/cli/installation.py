"""What this installation can do, and what is missing."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from packaging.requirements import Requirement

from tflitekit._version import __version__
from tflitekit.core.copies import copies_folder, copies_size
from tflitekit.core.errors import MissingDependencyError
from tflitekit.core.machine import describe_machine
from tflitekit.environments import Environment, environments
from tflitekit.targets.adb.client import find_adb
from tflitekit.targets.board.connection import find_client
from tflitekit.targets.chromium.program import find_browser

__all__ = ["describe_environments", "diagnose"]

_BASE = ("ai-edge-litert", "numpy", "pillow")
_PURPOSES = {
    "ai-edge-litert": "running and reading .tflite files",
    "numpy": "arrays",
    "pillow": "decoding images",
    "tensorflow": "converting",
    "keras": "loading Keras 3 models",
    "tf_keras": "loading Keras 2 models",
    "tensorflow-model-optimization": "quantization-aware training",
}


_EXTRAS = {
    "tasks": "boxes, masks, sound and tables",
    "cluster": "--cluster and the verb worker",
    "remote": "--depot, and models and data by URL",
    "store": "reports in a database",
    "postgresql": "reports in PostgreSQL",
    "mlflow": "logging to MLflow",
}
"""Extras of the kit beside those that convert, and what each is for."""


_PROGRAMS: dict[str, tuple[str, Callable[[], str]]] = {
    "adb": ("the target adb: phones", find_adb),
    "ssh": ("the target ssh: boards", lambda: find_client()[0]),
    "chromium": ("the target browser: Chromium or Chrome", lambda: str(find_browser())),
}
"""Programs of this machine that targets need: what each is for, and how it is found."""


def diagnose() -> dict[str, Any]:
    """Returns packages, extras, environments and programs with their state, the machine, and problems each with its remedy; that an extra,
    an environment or a program is missing is none."""
    wanted = {}
    for line in requires("tflitekit") or ():
        parsed = Requirement(line)
        wanted[parsed.name.lower().replace("_", "-")] = parsed
    packages, problems = [], []
    missing = []
    for name, purpose in _PURPOSES.items():
        requirement: Requirement | None = wanted.get(name.lower().replace("_", "-"))
        try:
            found = version(name)
        except PackageNotFoundError:
            packages.append({"name": name, "version": None, "state": "missing", "purpose": purpose})
            missing.append(name)
            continue
        tested = requirement is None or requirement.specifier.contains(found, prereleases=True)
        packages.append(
            {"name": name, "version": found, "state": "ok" if tested else "untested version", "purpose": purpose}
        )
        if not tested and requirement is not None:
            problems.append(
                f"{name} {found} is outside the tested range {requirement.specifier}: pip install '{requirement}'"
            )
    for names, remedy in (
        ([name for name in missing if name in _BASE], "The kit itself needs them: pip install tflitekit"),
        ([name for name in missing if name not in _BASE], "Converting needs them: pip install 'tflitekit[convert]'"),
    ):
        if names:
            problems.append(f"Not installed: {', '.join(names)}. {remedy}")
    found_environments = describe_environments()
    problems += [
        f"{e['why']} Repair it with: {e['command']}"
        for e in found_environments
        if e["state"] not in ("ready", "missing")
    ]
    return {
        "tflitekit": __version__,
        "python": platform.python_version(),
        "packages": packages,
        "extras": [_extra(name, purpose) for name, purpose in _EXTRAS.items()],
        "environments": found_environments,
        "programs": [_program(name, purpose, find) for name, (purpose, find) in _PROGRAMS.items()],
        "copies": _copies(),
        "machine": describe_machine(),
        "problems": problems,
    }


def describe_environments() -> list[dict[str, Any]]:
    """Returns all environments with what they are for, their state, and the command that makes them."""
    return [_environment(each) for each in environments().values()]


def _extra(name: str, purpose: str) -> dict[str, Any]:
    """Returns an extra with what of it is not installed, and the command that brings it."""
    required = list(_required(name))
    missing = [str(wanted) for wanted in required if not _is_installed(wanted)]
    if not required:  # what pip knows of an editable installation is as old as its last 'pip install'
        missing = ["unknown to this installation"]
    found = {"name": name, "purpose": purpose, "state": "missing" if missing else "ready", "missing": missing}
    return found | {"command": f"pip install 'tflitekit[{name}]'" if missing else None}


def _required(extra: str) -> Iterator[Requirement]:
    """Yields the packages that an extra adds on this machine, also by another extra, without their markers."""
    for line in requires("tflitekit") or ():
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate() or not wanted.marker.evaluate({"extra": extra}):
            continue
        wanted.marker = None
        if wanted.name == "tflitekit":
            yield from itertools.chain.from_iterable(map(_required, sorted(wanted.extras)))
        else:
            yield wanted


def _is_installed(wanted: Requirement) -> bool:
    try:
        return wanted.specifier.contains(version(wanted.name), prereleases=True)
    except PackageNotFoundError:
        return False


def _copies() -> dict[str, Any]:
    """Returns where copies of what is behind URLs lie, and how large they are."""
    return {"folder": str(copies_folder()), "bytes": copies_size()}


def _program(name: str, purpose: str, find: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "purpose": purpose, "state": "ready", "path": find(), "fix": None}
    except MissingDependencyError as error:
        return {"name": name, "purpose": purpose, "state": "missing", "path": None, "fix": error.fix}


def _environment(environment: Environment) -> dict[str, Any]:
    status = environment.status()
    why = (
        status.why
        and f"The environment for {environment.purpose} in {environment.folder} is {status.state}: {status.why}"
    )
    return {
        "name": environment.name,
        "purpose": environment.purpose,
        "state": status.state,
        "versions": dict(status.versions),
        "folder": str(environment.folder),
        "size": environment.size,
        "command": environment.setup_command,
        "why": why,
    }
