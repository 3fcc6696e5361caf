"""Text of files as C++: identifiers, literals, comments and arrays."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TYPES", "array_lines", "comment_lines", "hex_lines", "identifier", "literal", "number"]

TYPES = {
    "float32": "float", "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t", "bool": "bool",
}  # fmt: skip
"""The types of tensors that generated code can hold."""

_LINE = 110
_PER_LINE = 16


def identifier(name: str, otherwise: str, taken: Collection[str] = ()) -> str:
    """Returns words of a name as they can stand in an identifier: 'input:0' becomes ``Input0``; numbered where that is taken."""
    words = "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", name))[:60]
    first = words if words[:1].isalpha() else otherwise + words
    return next(
        one for one in itertools.chain([first], (f"{first}_{i}" for i in itertools.count(2))) if one not in taken
    )


def literal(text: str) -> str:
    """Returns a string literal in ASCII; of what is not, the bytes of UTF-8."""
    return '"' + "".join(map(_escaped, text.encode("utf-8", "replace"))) + '"'


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\?':  # two question marks could begin a trigraph
        return f"\\{character}"
    return character if 32 <= byte < 127 else f"\\{byte:03o}"


def comment_lines(text: str) -> list[str]:
    """Returns text for line comments; a backslash at the end would continue one."""
    plain = re.sub(r"[^A-Za-z0-9 .,:;()\[\]<>*+/='_%-]", "_", " ".join(text.split()))
    return textwrap.wrap(plain, _LINE, break_on_hyphens=False)


def number(value: float) -> str:
    """Returns the shortest literal that is this float32."""
    return f"{np.float32(value)!s}f"


def array_lines(values: NDArray[Any]) -> list[str]:
    """Returns an array's values in C order, as lines that end in commas."""
    shown = number if values.dtype == np.float32 else _whole
    return [", ".join(map(shown, part)) + "," for part in _parts(values.reshape(-1).tolist())]


def hex_lines(content: bytes) -> list[str]:
    """Returns bytes as lines that end in commas."""
    return [", ".join(f"0x{byte:02x}" for byte in part) + "," for part in _parts(content)]


def _whole(value: int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value == -(2**63):
        return "INT64_MIN"
    return f"{value}LL" if abs(value) > 2**31 - 1 else str(value)


def _parts(values: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    found = iter(values)
    while part := tuple(itertools.islice(found, _PER_LINE)):
        yield part
