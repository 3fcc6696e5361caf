"""How files and days are named in findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from tflitekit.apk.report import Library

__all__ = ["by_library", "day", "listed"]

_MOST = 4


def listed(names: Sequence[str]) -> str:
    """Returns the names, the last of many as a number."""
    shown = ", ".join(names[:_MOST])
    return shown if len(names) <= _MOST else f"{shown} and {len(names) - _MOST} more"


def by_library(libraries: Iterable[Library]) -> str:
    """Returns the names, each with its ABIs."""
    abis: dict[str, list[str]] = {}
    for library in libraries:
        abis.setdefault(library.name, []).append(library.abi)
    return listed([f"{name} ({', '.join(where)})" for name, where in abis.items()])


def day(value: date) -> str:
    """Returns a day as 1 November 2025."""
    return f"{value.day} {value:%B %Y}"
