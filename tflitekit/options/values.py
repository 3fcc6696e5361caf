"""Values that are written as text on the command line and in files, and as Python values in code: one parser for each."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tflitekit.core.arguments import as_list
from tflitekit.core.errors import UsageError

__all__ = [
    "ByOutput",
    "Counts",
    "Names",
    "Schemes",
    "Shapes",
    "Shares",
    "Size",
    "Text",
    "output_weights",
    "split_schemes",
]


def _parse_size(value: Any) -> Any:
    """Takes ``200kB`` for 200,000."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kKmMgG]?)(i?)[bB]?\s*", value)
    if not found:
        raise ValueError("Write 200kB, 1.5MB or 98304 (kB is 1000 bytes, KiB 1024).")
    number, prefix, binary = found.groups()
    base = 1024 if binary else 1000
    return int(float(number) * base ** " kmg".index(prefix.lower() or " "))


def _listed(value: Any) -> list[Any]:
    """Takes one text, or several in any iterable."""
    try:
        return as_list(value)
    except TypeError:
        raise ValueError("Give a text, or a list of texts.") from None


def _parse_counts(value: Any) -> Any:
    """Takes ``1,2,4``, 3 or numbers in any iterable; each of them once, in this order."""
    if isinstance(value, str):
        value = value.split(",")
    return tuple(dict.fromkeys(map(_count, value if isinstance(value, Iterable) else [value])))


def _count(value: Any) -> int:
    if isinstance(value, bool):  # which Python takes for 0 or 1
        raise ValueError("Write whole numbers, as in 1,2,4.")
    try:
        return int(value) if isinstance(value, str) and value.strip().isdecimal() else operator.index(value)
    except TypeError:
        raise ValueError("Write whole numbers, as in 1,2,4.") from None


def _parse_shapes(value: Any) -> Any:
    """Takes ``NAME=224,224,3`` or ``224,224,3``, one or several, or shapes by name."""
    if value is None or isinstance(value, Mapping):
        return value or {}
    shapes = {}
    for text in _listed(value):
        name, _, dimensions = str(text).rpartition("=")
        parts = dimensions.split(",")
        if not all(part.strip().isdecimal() and int(part) for part in parts):
            raise ValueError("Write 224,224,3 or NAME=224,224,3, without the batch.")
        shapes[name] = tuple(map(int, parts))
    return shapes


def _split_names(value: Any) -> Any:
    """Takes ``a,b`` for two names."""
    if value is None:
        return None
    return tuple(part.strip() for text in _listed(value) for part in str(text).split(",") if part.strip())


def _parse_by_output(value: Any) -> Any:
    """Takes ``NAME``, ``OUTPUT=NAME`` or both, one or several, or names by output; '' is every output that is not named."""
    if value is None or isinstance(value, Mapping):
        return value or {}
    found: dict[str, str] = {}
    for text in _listed(value):
        output, _, name = str(text).rpartition("=")
        if output in found:
            raise ValueError("Name one for all outputs, or OUTPUT=NAME for each of several.")
        found[output] = name
    return found


def output_weights(text: str | None) -> dict[str, float]:
    """Reads which outputs decide, and how much each counts: ``NAME``, or ``NAME=0.7,NAME=0.3``; nothing where none is named.

    Raises:
        UsageError: A weight is no positive number, or is missing.
    """
    if text is None:
        return {}
    if "=" not in text:
        return {text: 1.0}
    found = {}
    for part in text.split(","):
        name, _, weight = part.strip().rpartition("=")
        if not name or not re.fullmatch(r"[0-9]*\.?[0-9]+", weight.strip()) or float(weight) <= 0:
            raise UsageError(
                f"--output {text} cannot be read at '{part.strip()}'.",
                fix="Name one output, or give each a weight above 0: --output a=0.7,b=0.3.",
            )
        found[name] = float(weight)
    total = sum(found.values())
    return {name: weight / total for name, weight in found.items()}


def _parse_shares(value: Any) -> Any:
    """Takes ``0.3,0.5``, 0.3 or numbers in any iterable."""
    return _split_names(str(value) if isinstance(value, float | int) else value)


def split_schemes(value: Any) -> Any:
    """Takes ``a,b:option=value,c`` for three schemes: a part with '=' and no ':' is a further option of the one before."""
    if value is None:
        return None
    found: list[Any] = []
    for given in value if isinstance(value, Iterable) and not isinstance(value, str) else [value]:
        if not isinstance(given, str):
            found.append(given)
            continue
        for index, part in enumerate(given.split(",")):
            if index and "=" in part and ":" not in part:
                found[-1] += f",{part}"
            elif part.strip():
                found.append(part.strip())
    return found


Size = Annotated[int, Field(ge=0), BeforeValidator(_parse_size)]
"""Bytes, also as ``200kB``."""
Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_parse_counts)]
"""Numbers of one or more, also as ``1,2,4``."""
Shapes = Annotated[dict[str, tuple[int, ...]], BeforeValidator(_parse_shapes)]
"""Shapes without batch by the input's name, also as ``NAME=224,224,3``; '' is the only input."""
ByOutput = Annotated[dict[str, str], BeforeValidator(_parse_by_output)]
"""Names by output, also as ``OUTPUT=NAME`` or, for all outputs, ``NAME``."""
Shares = Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], BeforeValidator(_parse_shares)]
"""Numbers between 0 and 1, also as ``0.3,0.5``."""
Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)]
"""A text, or a path that becomes one."""
Names = Annotated[tuple[str, ...], BeforeValidator(_split_names)]
"""Names, also as ``a,b``."""
Schemes = Annotated[list[Any], BeforeValidator(split_schemes)]
"""Schemes by name or as `Request`, also as ``a,b:option=value``."""
