"""Looks at what the build made: class files, the archive, the signature, and what `tflitekit doctor apk` says."""

from __future__ import annotations

import struct
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tflitekit.apk import inspect_apk
from tflitekit.bundling import read_bundle
from tflitekit.core.errors import TflitekitError

from .archive import alignment
from .artifacts import Artifacts
from .settings import Settings
from .signing import verify
from .tools import BuildError, Command, run

__all__ = ["EXPLAINED", "Check", "check_apk", "check_classes"]

EXPLAINED = {
    "library-not-16kb": "tensorflow-lite 2.16.1 is the last release on Maven Central and is built for pages of 4 KB. "
    "Play refuses such an update; devices with 16 KB pages may not load it. The Gradle build has a runtime without this.",
    "debug-certificate": "Signed with the debug key, as a build for trying things is. --keystore signs with another.",
}
"""Findings of `tflitekit doctor apk` that this build is known to have, by their kind, and why."""


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        name: What was to be shown.
        problems: Why it failed; empty where it did not.
        notes: What to know although it did not fail.
    """

    name: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def check_classes(
    classes: Path, jars: Sequence[Path], artifacts: Artifacts, settings: Settings
) -> tuple[Check, Check, Check]:
    """Checks the app's class files together with those of its libraries.

    API above minSdk is allowed in classes and methods that are marked ``@TargetApi``: they are only to be called behind a check of
    ``SDK_INT``, which Android's lint proves in the Gradle build.

    Args:
        classes: Folder with the app's classes.
        jars: Libraries in the APK.

    Raises:
        BuildError: The check itself failed.
    """
    signature, program = artifacts.signature(settings.min_sdk), Path(__file__).with_name("ClassCheck.java")
    if not signature.is_file():
        raise BuildError(
            f"There is no description of the API of level {settings.min_sdk}.",
            fix="Name its artifact in android_demo/offline/pom.xml (net.sf.androidscents.signature) when minSdk changes.",
        )
    command: Command = ["java", "-cp", ":".join(map(str, artifacts.sniffer)), program, signature, classes, *jars]
    found: dict[str, list[str]] = {"api": [], "indy": [], "androidx": [], "guarded": []}
    for line in run("Checking class files", command).splitlines():
        kind, _, text = line.partition("\t")
        found[kind].append(text.removeprefix(f"{classes}/"))
    return (
        Check(
            f"No API above level {settings.min_sdk} without a guard",
            tuple(dict.fromkeys(found["api"])),
            tuple(f"Guarded: {place}" for place in found["guarded"]),
        ),
        Check("No invokedynamic", tuple(dict.fromkeys(found["indy"]))),
        Check("No AndroidX in code", tuple(found["androidx"])),
    )


def check_apk(apk: Path, settings: Settings) -> tuple[Check, ...]:
    """Checks a finished APK, made by any tool."""
    return (
        Check("No AndroidX in manifest and layouts", tuple(_androidx(apk))),
        Check("Models, libraries and resources are stored and aligned", tuple(_misplaced(apk))),
        Check("The bundle is whole", tuple(_bundle(apk))),
        _signature(apk, settings),
        _doctor(apk),
    )


def _misplaced(apk: Path) -> Iterator[str]:
    with zipfile.ZipFile(apk) as archive, apk.open("rb") as stream:
        for entry in archive.infolist():
            multiple = alignment(entry.filename)
            stream.seek(entry.header_offset + 26)
            name, extra = struct.unpack("<HH", stream.read(4))
            offset = entry.header_offset + 30 + name + extra
            if multiple > 1 and entry.compress_type != zipfile.ZIP_STORED:
                yield f"{entry.filename} is compressed."
            elif offset % multiple:
                yield f"{entry.filename} begins at {offset}, which is no multiple of {multiple}."


def _androidx(apk: Path) -> Iterator[str]:
    with zipfile.ZipFile(apk) as archive:
        for name in archive.namelist():
            if name.endswith(".xml"):
                content = archive.read(name)
                if b"androidx." in content or "androidx.".encode("utf-16-le") in content:
                    yield f"{name} names AndroidX."


def _bundle(apk: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as temporary, zipfile.ZipFile(apk) as archive:
        archive.extractall(temporary, [name for name in archive.namelist() if name.startswith("assets/bundle/")])
        try:
            read_bundle(Path(temporary) / "assets" / "bundle")
        except TflitekitError as error:
            yield str(error)


def _signature(apk: Path, settings: Settings) -> Check:
    name = "apksigner verifies the signature"
    try:
        said = verify(apk, settings).splitlines()
    except BuildError as error:
        return Check(name, (error.why or error.what,))
    return Check(name, notes=tuple(line for line in said if line.endswith(": true") or "SHA-256" in line))


def _doctor(apk: Path) -> Check:
    problems, notes = [], []
    for finding in inspect_apk(apk).findings:
        if finding.kind in EXPLAINED:
            notes.append(f"{finding} Known: {EXPLAINED[finding.kind]}")
        elif finding.severity == "error":
            problems.append(str(finding))
        else:
            notes.append(str(finding))
    return Check("tflitekit doctor apk finds nothing that is not explained", tuple(problems), tuple(notes))
