"""Reads what the interpreter of TensorFlow Lite for Microcontrollers says."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Arena", "Refusal", "read_arena", "read_refusal"]

_ARENA = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
_LACKING = re.compile(r"Didn't find op for builtin opcode '(\w+)'")
_FAILED = re.compile(r"Node (\S+) \(number (\d+)\) failed to (?:prepare|invoke) with status \d+")
_DYNAMIC = re.compile(r"Op#(\d+) \((\S+)\) of subgraph \d+ has dynamic tensor")
_PLACE = re.compile(r"^\S+\.(?:cc|h)(?::\d+)? ")


@dataclass(frozen=True)
class Arena:
    """The memory that the interpreter used for one file.

    Attributes:
        tensor_bytes: Its head: activations and scratch buffers, which share memory over time.
        persistent_bytes: Its tail: what lives as long as the interpreter, such as the structures of operators and tensors.
    """

    total_bytes: int
    tensor_bytes: int
    persistent_bytes: int


@dataclass(frozen=True)
class Refusal:
    """Why the interpreter does not take a file.

    Attributes:
        why: In its own words.
        operator: The operator that it names, if any.
        index: Of that operator in its subgraph, where it tells.
        lacks: Whether it has no such operator at all.
    """

    why: str
    operator: str | None = None
    index: int | None = None
    lacks: bool = False


def read_arena(words: str) -> Arena | None:
    """Reads what ``print_allocations`` prints; None where that is not there."""
    found = {name: int(size) for name, size in _ARENA.findall(words)}
    if not {"total", "head", "tail"} <= found.keys():
        return None
    return Arena(found["total"], found["head"], found["tail"])


def read_refusal(words: str) -> Refusal:
    """Reads what it prints before it gives up."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    for before, line in zip(["", *lines], lines, strict=False):
        if lacking := _LACKING.search(line):
            return Refusal(f"It has no operator {lacking[1]}.", lacking[1], lacks=True)
        if failed := _FAILED.search(line):
            return Refusal(_PLACE.sub("", before) or line, failed[1], int(failed[2]))
        if dynamic := _DYNAMIC.search(line):
            return Refusal("Dynamic tensors are not supported", dynamic[2], int(dynamic[1]))
    return Refusal("\n".join(lines[-5:]) or "It gave no reason.")
