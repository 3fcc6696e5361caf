"""How files are named in findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tflitekit.apk.report import Library

__all__ = ["by_library", "listed"]

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
