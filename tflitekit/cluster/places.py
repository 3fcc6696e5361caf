"""Paths in what a task is asked: as they are, or in front of more, as in ``weather.csv:label=rain`` and ``own.py:function``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tflitekit.data.settings import split_settings

__all__ = ["absolute", "each_text", "place_of"]

_FILE = re.compile(r"(.+?\.(?:py|json|toml))(:.*)?")
_NAMES = ("labels",)
"""Arguments that are names and never places."""


def place_of(text: str) -> str:
    """Returns the path in a text, which need not be one."""
    place, settings = split_settings(text)
    found = None if settings else _FILE.fullmatch(text)
    return found[1] if found else place


def absolute(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arguments in which code, settings and profiles of the user's, ``.py``, ``.json`` and ``.toml``, do not depend on the working directory, which is another
    one on each machine. Other places do not depend on it already."""

    def path(text: str) -> str:
        found = _FILE.fullmatch(text)
        if found is None or Path(found[1]).is_absolute() or not Path(found[1]).is_file():
            return text
        return f"{Path(found[1]).resolve()}{found[2] or ''}"

    return {name: value if name in _NAMES else each_text(value, path) for name, value in arguments.items()}


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Returns a JSON value with other texts."""
    if isinstance(value, Mapping):
        return {name: each_text(one, change) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [each_text(one, change) for one in value]
    return change(value) if isinstance(value, str) else value
