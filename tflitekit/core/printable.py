"""Text from files and names, made so that it can be shown: what would steer a terminal or turn a line around is spelled out."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["address_without_password", "dump_json", "is_printable", "printable", "without_password"]

# Controls but tab and line feed (C0, DEL, C1), line separators, embeddings, overrides and isolates of direction, and lone
# surrogates. The marks that right-to-left text is written with (U+200E, U+200F) turn nothing around.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF
"""Python's stand-ins for the bytes of a name that is not UTF-8 (surrogateescape)."""


def is_printable(text: str) -> bool:
    """Returns whether nothing has to be spelled out."""
    return _UNPRINTABLE.search(text) is None


def printable(text: str) -> str:
    r"""Returns text in which controls stand as ``\x1b`` or ``\u202e``, and bytes that are no UTF-8 as ``\xff``."""
    return _UNPRINTABLE.sub(_spell, text)


# Up to the last @: a password may hold any character that its writer forgot to escape.
_CREDENTIALS = re.compile(r"//\S*@")
_SECRET = re.compile(
    r"(?i)([?&;\s](?:[a-z_]*passw(?:or)?d|pwd|passfile|[a-z_-]*token|[a-z_]*secret|[a-z_]*key|[a-z_-]*signature|sig)=)[^&;\s]*"
)


def without_password(text: str) -> str:
    """Returns a text in which addresses have neither user names nor passwords, for messages, reports and pages."""
    return _SECRET.sub(r"\1***", _CREDENTIALS.sub("//***@", text))


def address_without_password(address: str) -> str:
    """Returns one address as `without_password` does a text; here a password may also hold blanks."""
    return without_password(re.sub(r"//.*@", "//***@", address, flags=re.DOTALL))


def dump_json(value: Any, *, ascii_only: bool = False) -> str:
    """Returns indented JSON that can be shown and stored: controls are escaped, which JSON reads back as they were.

    Lone surrogates are spelled out, because no file in UTF-8 can hold them, and readers refuse them.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if not is_printable(text):
        text = _UNPRINTABLE.sub(_escape, text)
    if ascii_only and not text.isascii():
        text = json.dumps(json.loads(text), indent=2)
    return text


def _spell(found: re.Match[str]) -> str:
    code = ord(found[0])
    if _FIRST_BYTE <= code <= _LAST_BYTE:
        return f"\\x{code & 0xFF:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def _escape(found: re.Match[str]) -> str:
    spelled = _spell(found)
    return f"\\{spelled}" if 0xD800 <= ord(found[0]) <= 0xDFFF else f"\\u{ord(found[0]):04x}"
