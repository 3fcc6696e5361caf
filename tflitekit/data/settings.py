"""What is said of data beside their place: ``PATH:name=value:name=value``, as in ``weather.csv:x=temp,wind:label=rain``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from tflitekit.core.errors import UsageError
from tflitekit.core.files import is_file, is_folder

__all__ = ["PLACES", "check_settings", "number_of", "split_settings", "whole_number_of"]

PLACES = frozenset({"colors", "images", "within"})
"""Settings that are paths."""

# A colon with a name and an equals sign behind it; names of a model's inputs have slashes, too.
_SETTING = re.compile(r":(?=[^:=]+=)")


def split_settings(source: str | Path) -> tuple[str, dict[str, str]]:
    """Splits a place and its settings; a file whose own name looks like that has none.

    Raises:
        UsageError: A setting stands there twice, or has no value.
    """
    text = str(source)
    before, rest = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*://[^/]*)?(.*)", text, re.DOTALL).groups("")  # type: ignore[union-attr]
    place, *parts = _SETTING.split(rest)  # ports are none
    place = before + place
    if not parts or not place or is_file(Path(text)) or is_folder(Path(text)):
        return text, {}
    settings: dict[str, str] = {}
    for part in parts:
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name in settings or not value:
            raise UsageError(
                f"The data {text} say '{name}' twice."
                if name in settings
                else f"The data {text} say nothing behind '{name}='.",
                fix="Write PATH:name=value:name=value.",
            )
        settings[name] = value
    return place, settings


def check_settings(place: str, settings: Mapping[str, str], known: Collection[str]) -> None:
    """Raises `UsageError` for a setting that is not known."""
    for name in settings:
        if name not in known:
            raise UsageError(
                f"There is no setting '{name}' for data such as {place}.",
                fix=f"Settings: {', '.join(known)}, as in {place}:name=value." if known else f"Give {place} alone.",
            )


def number_of(settings: Mapping[str, str], name: str) -> float | None:
    """Returns a setting that is a number; None where it is not given.

    Raises:
        UsageError: It is none.
    """
    value = settings.get(name)
    try:
        return None if value is None else float(value)
    except ValueError as error:
        raise UsageError(f"The setting {name}={value} is not a number.") from error


def whole_number_of(settings: Mapping[str, str], name: str, *, first: int = 1) -> int | None:
    """Returns a setting that is a whole number from ``first`` on; None where it is not given.

    Raises:
        UsageError: It is none.
    """
    value = settings.get(name)
    if value is not None and not (value.isascii() and value.isdecimal() and int(value) >= first):
        raise UsageError(f"The setting {name}={value} is not a whole number from {first}.")
    return None if value is None else int(value)
