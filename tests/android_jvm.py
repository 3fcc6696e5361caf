"""What the tests of the Android app on the JVM share: Maven, the core's classes, and the runtime of the host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import ai_edge_litert

DEMO = Path(__file__).resolve().parents[1] / "android_demo"
TENSORFLOW_VERSION = "2.22.0"
"""The wheel's runtime in the numbering of minimum versions, which is TensorFlow's: it says '2.22.0-dev0' of itself."""
LONGEST_S = 1200
"""What Maven may take for all of the app, which is minutes on a quiet machine."""
BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""The JVM's first compiler only: programs of seconds start faster."""


def library() -> Path:
    """The shared library that computes the host's results."""
    return next(Path(ai_edge_litert.__file__).parent.glob("*LiteRt.*"))


def maven_command(project: Path, goal: str = "test", **properties: object) -> list[str]:
    """Returns what follows ``mvn`` to build ``android_demo`` or a copy and run its tests with the host's runtime.

    Args:
        properties: System properties of the tests, without their prefix.
    """
    given = {"litert.library": library(), "litert.version": TENSORFLOW_VERSION, **properties}
    return ["-f", str(project / "pom.xml"), goal, *(f"-Dtflitekit.{k}={v}" for k, v in given.items())]


@dataclass(frozen=True)
class Core:
    """The app's core, compiled with its tests."""

    classpath: str

    def command(self, main: str, *arguments: object, **properties: object) -> list[str]:
        """Returns the command that runs a class with the host's runtime.

        Args:
            properties: System properties, without their prefix and with ``_`` for a dot.
        """
        given = {"litert.library": library(), "litert.version": TENSORFLOW_VERSION, **properties}
        named = [f"-Dtflitekit.{name.replace('_', '.')}={value}" for name, value in given.items()]
        return ["java", *BRIEF, *named, "-cp", self.classpath, main, *map(str, arguments)]

    def test(self, name: str, **properties: object) -> str:
        """Runs one class of JUnit tests; returns what it printed."""
        command = self.command("org.junit.runner.JUnitCore", f"org.tflitekit.core.{name}", **properties)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_S)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert re.search(r"^OK \(\d+ test", done.stdout, re.MULTILINE)
        return done.stdout


def maven(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs Maven, without the network where its cache has all."""
    for more in (["--offline"], []):
        command = ["mvn", "-B", *map(str, arguments), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_S)
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout[-6000:]
    return done


def copy_project(folder: Path) -> Path:
    """Copies the sources that are built on the JVM, so that builds do not meet."""
    for name in ("core", "app"):
        shutil.copytree(DEMO / name, folder / name, ignore=shutil.ignore_patterns("target", "build"))
    for name in ("pom.xml", "gradle.properties"):
        shutil.copy(DEMO / name, folder)
    return folder


def compile_core(project: Path) -> Core:
    """Compiles the core and its tests."""
    listed = project / "classpath.txt"
    goals = ("test-compile", "dependency:build-classpath", f"-Dmdep.outputFile={listed}")
    maven("-f", project / "pom.xml", "-pl", "core", *goals)
    built = [project / "core" / "target" / name for name in ("classes", "test-classes")]
    return Core(os.pathsep.join([*map(str, built), listed.read_text().strip()]))
