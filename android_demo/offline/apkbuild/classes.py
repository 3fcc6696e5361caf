"""Java sources to class files, and class files to Android's bytecode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .settings import Settings
from .tools import run

__all__ = ["dex", "javac"]


def javac(sources: Sequence[Path], classpath: Sequence[Path], settings: Settings, *, out: Path) -> None:
    """Compiles all Java files below some folders.

    The Java release is the app's, so Java's own classes are those of that release; Android's come from the class path.

    Raises:
        BuildError: The compiler refuses something.
    """
    files = sorted(str(path) for folder in sources for path in folder.rglob("*.java"))
    arguments = out.with_name(f"{out.name}.txt")
    arguments.write_text("\n".join(f'"{file}"' for file in files), encoding="utf-8")
    run(
        "Compiling Java",
        [
            "javac", "--release", settings.java_release, "-encoding", "UTF-8", "-g", "-proc:none", "-Xlint:-options",
            "-nowarn", "-classpath", ":".join(map(str, classpath)), "-d", out, f"@{arguments}",
        ],
    )  # fmt: skip


def dex(inputs: Sequence[Path], dexer: Path, settings: Settings, *, out: Path) -> None:
    """Translates class files (folders and jars) into one ``classes.dex``.

    Raises:
        BuildError: Something has no form at minSdk, or there are more than 65,536 methods.
    """
    run(
        "Translating to dex",
        [
            "java", "-cp", dexer, "com.android.dx.command.Main", "--dex", f"--min-sdk-version={settings.min_sdk}",
            f"--output={out}", *inputs,
        ],
    )  # fmt: skip
