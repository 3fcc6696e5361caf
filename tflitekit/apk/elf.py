"""What an ELF library says about itself: its machine, the alignment of its segments, the text that a function returns."""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

__all__ = ["Elf", "read_elf"]

_ABIS = {
    ("EM_AARCH64", 64): "arm64-v8a",
    ("EM_ARM", 32): "armeabi-v7a",
    ("EM_X86_64", 64): "x86_64",
    ("EM_386", 32): "x86",
    ("EM_RISCV", 64): "riscv64",
}
_MOST_SEGMENTS, _MOST_SECTIONS, _MOST_SYMBOLS = 1_000, 10_000, 200_000
_DAMAGE = (
    ELFError, struct.error, ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, AssertionError,
)  # fmt: skip


@dataclass(frozen=True)
class Elf:
    """A readable ELF file.

    Attributes:
        abi: The Android ABI of its machine; None for others.
        segment_alignment: The least alignment of its PT_LOAD segments in bytes; None where it has none. A segment counts
            with what its address and its place in the file really share, which is less than ``p_align`` in a file whose
            header was only patched.
    """

    content: bytes
    abi: str | None
    segment_alignment: int | None
    _file: Any
    _segments: tuple[tuple[int, int, int], ...]

    def returned_text(self, function: str) -> str | None:
        """Returns the constant text that an exported function without arguments returns, by its machine code.

        Knows the code that compilers make of ``return "text";`` on arm64 and x86_64. None where the function is not
        exported or does something else.
        """
        try:
            return self._returned_text(function)
        except _DAMAGE:
            return None

    def exports(self, function: str) -> bool:
        """Tells whether a function is among the dynamic symbols."""
        try:
            return self._symbol(function) is not None
        except _DAMAGE:
            return False

    def _returned_text(self, function: str) -> str | None:
        symbol = self._symbol(function)
        if symbol is None:
            return None
        address = int(symbol["st_value"])
        code = self._at(address, min(int(symbol["st_size"]), 64))
        find = {"arm64-v8a": _address_arm64, "x86_64": _address_x86_64}.get(self.abi or "")
        target = find(code, address) if find else None
        text, end, _ = self._at(target, 64).partition(b"\0") if target is not None else (b"", b"", b"")
        return text.decode("ascii") if end and text.isascii() else None

    def _symbol(self, name: str) -> Any:
        if name.encode() not in self.content or self._file.num_sections() > _MOST_SECTIONS:
            return None
        table = self._file.get_section_by_name(".dynsym")
        if table is None or table.num_symbols() > _MOST_SYMBOLS:
            return None
        return next((s for s in table.iter_symbols() if s.name == name and s["st_shndx"] != "SHN_UNDEF"), None)

    def _at(self, address: int, count: int) -> bytes:
        for start, size, offset in self._segments:
            if start <= address < start + size:
                return self.content[offset + address - start : offset + min(address - start + count, size)]
        return b""


def read_elf(content: bytes) -> Elf:
    """Reads the headers of an ELF file.

    Raises:
        ValueError: It is none, or damaged.
    """
    try:
        file = ELFFile(io.BytesIO(content))
        if file.num_segments() > _MOST_SEGMENTS:
            raise ValueError(f"{file.num_segments()} segments")
        loaded = [segment.header for segment in file.iter_segments() if segment["p_type"] == "PT_LOAD"]
        alignments = [math.gcd(header["p_align"], header["p_vaddr"] - header["p_offset"]) or 1 for header in loaded]
        return Elf(
            content=content,
            abi=_ABIS.get((file["e_machine"], file.elfclass)),
            segment_alignment=min(alignments, default=None),
            _file=file,
            _segments=tuple((header["p_vaddr"], header["p_filesz"], header["p_offset"]) for header in loaded),
        )
    except _DAMAGE as error:
        raise ValueError(f"not a readable ELF file: {error}") from error


def _address_arm64(code: bytes, address: int) -> int | None:
    """Decodes ADRP and ADD, or ADR, into x0 (Arm Architecture Reference Manual, C6.2), hints between them left out."""
    page: int | None = None
    for position in range(0, len(code) - 3, 4):
        word = int.from_bytes(code[position : position + 4], "little")
        if word & 0xFFFFF01F == 0xD503201F:  # NOP, BTI
            continue
        offset = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
        offset -= (offset & 1 << 20) << 1
        if word & 0x9F00001F == 0x10000000:
            return address + position + offset
        if word & 0x9F00001F == 0x90000000:
            page = (address + position & ~0xFFF) + (offset << 12)
        elif word & 0xFFC003FF == 0x91000000 and page is not None:
            return page + (word >> 10 & 0xFFF)
        else:
            return None
    return None


def _address_x86_64(code: bytes, address: int) -> int | None:
    """Decodes LEA RAX, [RIP + offset] (Intel 64 manual, volume 2)."""
    position = code.find(b"\x48\x8d\x05")
    if position < 0 or position + 7 > len(code):
        return None
    return address + position + 7 + int(struct.unpack_from("<i", code, position + 3)[0])
