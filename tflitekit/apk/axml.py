"""Android's binary XML, as far as a manifest needs it.

The format is defined by ``libs/androidfw/include/androidfw/ResourceTypes.h`` in the Android Open Source Project. The
packages on PyPI that read it need lxml, ship native code, or change the logging of the whole program on import.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

__all__ = ["Element", "Reference", "Value", "parse"]

_XML, _STRING_POOL, _RESOURCE_MAP, _START, _END = 0x0003, 0x0001, 0x0180, 0x0102, 0x0103
_IS_REFERENCE, _IS_STRING, _IS_DECIMAL, _IS_HEXADECIMAL, _IS_BOOLEAN = 0x01, 0x03, 0x10, 0x11, 0x12
_UTF8 = 0x100
_DEEPEST = 64
_ATTRIBUTE = struct.Struct("<IIIHBBI")


@dataclass(frozen=True)
class Reference:
    """A value that stands in the resources, under this number."""

    id: int


Value = str | int | bool | Reference | None


@dataclass(frozen=True)
class Element:
    """An element with its attributes.

    Attributes:
        path: The names of its ancestors and its own, outermost first.
        attributes: By resource number, as the platform looks them up; by name where they have none. None for types
            that a manifest's facts do not use, such as dimensions.
    """

    path: tuple[str, ...]
    attributes: dict[int | str, Value]


def parse(content: bytes) -> Iterator[Element]:
    """Yields the elements in document order.

    Raises:
        ValueError: It is not binary XML, or damaged.
    """
    try:
        yield from _elements(content)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"binary XML is damaged: {error}") from error


def _elements(content: bytes) -> Iterator[Element]:
    kind, start, _ = struct.unpack_from("<HHI", content)
    if kind != _XML:
        raise ValueError("not binary XML")
    strings, resources = _Strings(b""), ()
    path: list[str] = []
    for kind, header, chunk in _chunks(content, start):
        if kind == _STRING_POOL:
            strings = _Strings(chunk)
        elif kind == _RESOURCE_MAP:
            resources = struct.unpack_from(f"<{(len(chunk) - header) // 4}I", chunk, header)
        elif kind == _START:
            element = _element(chunk, header, strings, resources, tuple(path))
            path.append(element.path[-1])
            if len(path) > _DEEPEST:
                raise ValueError(f"elements are nested more than {_DEEPEST} deep")
            yield element
        elif kind == _END and path:
            path.pop()


def _chunks(content: bytes, position: int) -> Iterator[tuple[int, int, bytes]]:
    """Yields type, length of the header, and bytes of each chunk."""
    while position + 8 <= len(content):
        kind, header, size = struct.unpack_from("<HHI", content, position)
        if not 8 <= header <= size <= len(content) - position:
            raise ValueError(f"a chunk at byte {position} has {size} bytes")
        yield kind, header, content[position : position + size]
        position += size


def _element(
    chunk: bytes, header: int, strings: _Strings, resources: tuple[int, ...], parents: tuple[str, ...]
) -> Element:
    _, name, first, size, count = struct.unpack_from("<IIHHH", chunk, header)
    if count and (size < _ATTRIBUTE.size or header + first + count * size > len(chunk)):
        raise ValueError("attributes reach beyond their element")
    attributes: dict[int | str, Value] = {}
    for index in range(count):
        _, key, _, _, _, kind, data = _ATTRIBUTE.unpack_from(chunk, header + first + index * size)
        attributes[resources[key] if key < len(resources) and resources[key] else strings[key]] = _value(
            kind, data, strings
        )
    return Element((*parents, strings[name]), attributes)


def _value(kind: int, data: int, strings: _Strings) -> Value:
    if kind == _IS_STRING:
        return strings[data]
    if kind == _IS_BOOLEAN:
        return data != 0
    if kind in (_IS_DECIMAL, _IS_HEXADECIMAL):
        return data - 2**32 if data >= 2**31 else data
    return Reference(data) if kind == _IS_REFERENCE else None


class _Strings:
    """The string pool; strings are decoded when they are used."""

    def __init__(self, chunk: bytes) -> None:
        self._chunk = chunk
        self._count, _, flags, self._start = struct.unpack_from("<IIII", chunk, 8) if chunk else (0, 0, 0, 0)
        self._header = struct.unpack_from("<H", chunk, 2)[0] if chunk else 0
        self._decode = cache(self._utf8 if flags & _UTF8 else self._utf16)

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < self._count:
            raise IndexError(f"string {index} of {self._count}")
        offset: int = struct.unpack_from("<I", self._chunk, self._header + 4 * index)[0]
        return self._decode(self._start + offset)

    def _utf8(self, position: int) -> str:
        position, _ = self._length(position, "<B", 7)  # in UTF-16 units
        position, size = self._length(position, "<B", 7)
        return self._text(position, size, "utf-8")

    def _utf16(self, position: int) -> str:
        position, size = self._length(position, "<H", 15)
        return self._text(position, 2 * size, "utf-16-le")

    def _length(self, position: int, unit: str, bits: int) -> tuple[int, int]:
        """Reads a length of one unit, or of two where the first one's highest bit is set."""
        width, mask = struct.calcsize(unit), (1 << bits) - 1
        first: int = struct.unpack_from(unit, self._chunk, position)[0]
        if first <= mask:
            return position + width, first
        second: int = struct.unpack_from(unit, self._chunk, position + width)[0]
        return position + 2 * width, (first & mask) << (8 * width) | second

    def _text(self, position: int, size: int, encoding: str) -> str:
        if position + size > len(self._chunk):
            raise ValueError("a string reaches beyond the string pool")
        return self._chunk[position : position + size].decode(encoding, errors="replace")
