"""Versions, SDK levels and ABIs, from ``gradle.properties``: the one place that Gradle reads too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tflitekit.core.errors import UsageError

__all__ = ["PROJECT", "Settings", "read_properties", "read_settings"]

PROJECT = Path(__file__).resolve().parents[2]
"""The folder ``android_demo``."""


@dataclass(frozen=True)
class Settings:
    """What the offline build needs of ``gradle.properties``."""

    application_id: str
    version_code: int
    version_name: str
    min_sdk: int
    target_sdk: int
    compile_sdk: int
    java_release: int
    abis: tuple[str, ...]


def read_properties(path: Path) -> dict[str, str]:
    """Parses a ``.properties`` file of plain ``key=value`` lines.

    Raises:
        UsageError: A line is something else, as the format's escapes and continued lines.
    """
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text[0] in "#!":
            continue
        key, equals, value = text.partition("=")
        if not equals or "\\" in text:
            raise UsageError(f"{path}:{number} is no line of the form key=value without escapes: {text}")
        found[key.strip()] = value.strip()
    return found


def read_settings(project: Path = PROJECT) -> Settings:
    """Reads ``gradle.properties`` of the folder ``android_demo``.

    Raises:
        UsageError: A property is missing or no number.
    """
    path = project / "gradle.properties"
    values = read_properties(path)

    def text(name: str) -> str:
        if name not in values:
            raise UsageError(f"{path} does not say {name}.")
        return values[name]

    def number(name: str) -> int:
        if not text(name).isdecimal():
            raise UsageError(f"{path}: {name} is not a whole number: {text(name)}")
        return int(text(name))

    return Settings(
        application_id=text("applicationId"),
        version_code=number("versionCode"),
        version_name=text("versionName"),
        min_sdk=number("minSdk"),
        target_sdk=number("targetSdk"),
        compile_sdk=number("compileSdk"),
        java_release=number("javaRelease"),
        abis=tuple(part.strip() for part in text("abis").split(",")),
    )
