"""Reads a flatbuffer by its published schema (``.fbs``), independently of what wrote it: plain dicts, as flatc's JSON."""

import re
import struct

_SCALARS = {"byte": "<b", "ubyte": "<B", "int": "<i", "uint": "<I", "float": "<f"}


class Schema:
    """The tables, enumerations and unions of a schema; what it declares twice or not at all is an error."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"//[^\n]*", "", text)
        self.identifier = re.search(r'file_identifier "(....)"', text)[1]
        self.root = re.search(r"root_type (\w+)", text)[1]
        blocks = {
            kind: dict(re.findall(rf"\b{kind} (\w+)[^{{]*{{([^}}]*)}}", text)) for kind in ("table", "enum", "union")
        }
        self.tables = {
            name: re.findall(r"(\w+)\s*:\s*([\w\[\]]+)[^;]*;", body) for name, body in blocks["table"].items()
        }
        self.enums = {
            name: {int(n): key for key, n in re.findall(r"(\w+)\s*=\s*(\d+)", body)}
            for name, body in blocks["enum"].items()
        }
        self.unions = {name: re.findall(r"\w+", body) for name, body in blocks["union"].items()}

    def read(self, content: bytes) -> dict:
        assert content[4:8].decode() == self.identifier
        return self._table(content, _follow(content, 0), self.root)

    def _table(self, content: bytes, at: int, name: str) -> dict:
        vtable = at - struct.unpack_from("<i", content, at)[0]
        size = struct.unpack_from("<H", content, vtable)[0]
        slots = [at + s if s else None for s in struct.unpack_from(f"<{size // 2 - 2}H", content, vtable + 4)]
        found, number = {}, 0
        for field, kind in self.tables[name]:
            if kind in self.unions:  # two fields: which member, and the member
                member = slots[number] and content[slots[number]] if number < len(slots) else None
                number += 1
                if member:
                    found[f"{field}_type"] = kind = self.unions[kind][member - 1]  # noqa: PLW2901
            place = slots[number] if number < len(slots) else None
            number += 1
            if place is not None:
                found[field] = self._value(content, place, kind)
        assert not any(slots[number:]), f"{name} has fields that the schema does not know"
        return found

    def _value(self, content: bytes, at: int, kind: str):
        if kind in self.enums:
            return self.enums[kind][content[at]]
        if kind in _SCALARS:
            assert at % struct.calcsize(_SCALARS[kind]) == 0
            return struct.unpack_from(_SCALARS[kind], content, at)[0]
        target = _follow(content, at)
        if kind in self.tables:
            return self._table(content, target, kind)
        count = struct.unpack_from("<I", content, target)[0]
        if kind == "string":
            assert content[target + 4 + count] == 0
            return content[target + 4 : target + 4 + count].decode()
        inner = kind.strip("[]")
        width = struct.calcsize(_SCALARS[inner]) if inner in _SCALARS else 4
        return [self._value(content, target + 4 + i * width, inner) for i in range(count)]


def _follow(content: bytes, at: int) -> int:
    assert at % 4 == 0
    return at + struct.unpack_from("<I", content, at)[0]
