"""The programs that the build runs: found on the PATH, and run with their errors passed on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tflitekit.core.errors import CheckFailedError, MissingDependencyError

__all__ = ["FRAMEWORK", "PACKAGES", "BuildError", "Command", "missing", "require", "run"]

Command = Sequence[str | Path | int]

FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")
"""Android's own resources (API 29), which an app's resources refer to."""

PACKAGES: Mapping[str, str] = {
    "aapt2": "aapt",
    "apksigner": "apksigner",
    "java": "openjdk-17-jdk-headless",
    "javac": "openjdk-17-jdk-headless",
    "keytool": "openjdk-17-jdk-headless",
    "mvn": "maven",
    str(FRAMEWORK): "android-framework-res",
}
"""For each program or file that is needed the package of Debian that has it."""

_LINES = 40
_BRIEF = ("XX:TieredStopAtLevel=1", "XX:+UseSerialGC")
_JVM = {"java": "-", "javac": "-J-", "apksigner": "-J"}
"""How programs of Java take options of the virtual machine: what ends after seconds is done before its second compiler has earned its time."""


class BuildError(CheckFailedError):
    """A step of the build that failed."""


def missing() -> list[str]:
    """Returns the Debian packages that have to be installed, each once."""
    absent = [package for name, package in PACKAGES.items() if not (shutil.which(name) or Path(name).is_file())]
    return list(dict.fromkeys(absent))


def require() -> None:
    """Checks that all tools are there.

    Raises:
        MissingDependencyError: With the line that installs what is missing.
    """
    absent = missing()
    if absent:
        raise MissingDependencyError(
            f"Tools are missing, which these Debian packages have: {', '.join(absent)}.",
            fix=f"apt-get install {' '.join(absent)}",
        )


def run(what: str, command: Command, *, cwd: Path | None = None) -> str:
    """Runs a program and returns what it printed to standard output.

    Args:
        what: What it does, for the error: 'Compiling resources'.

    Raises:
        BuildError: It failed; with the last lines that it printed.
    """
    program, *arguments = map(str, command)
    brief = [f"{_JVM[program]}{option}" for option in _BRIEF] if program in _JVM else []
    done = subprocess.run([program, *brief, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise BuildError(f"{what} failed ({program} ended with {done.returncode}).", why="\n".join(lines[-_LINES:]))
    return done.stdout
