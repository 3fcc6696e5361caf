"""What the tests of the Android app on the JVM share: Maven, and the runtime of the host."""

from __future__ import annotations

from pathlib import Path

import ai_edge_litert

TENSORFLOW_VERSION = "2.22.0"
"""The wheel's runtime in the numbering of minimum versions, which is TensorFlow's: it says '2.22.0-dev0' of itself."""


def library() -> Path:
    """The shared library that computes the host's results."""
    return next(Path(ai_edge_litert.__file__).parent.glob("*LiteRt.*"))


def maven_command(project: Path, **properties: object) -> list[str]:
    """Returns the command that builds ``android_demo`` or a copy and runs its tests with the host's runtime.

    Args:
        properties: System properties of the tests, without their prefix.
    """
    given = {"litert.library": library(), "litert.version": TENSORFLOW_VERSION, **properties}
    return ["mvn", "-B", "-f", str(project / "pom.xml"), "test", *(f"-Dtflitekit.{k}={v}" for k, v in given.items())]
