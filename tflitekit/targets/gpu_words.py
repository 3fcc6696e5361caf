"""What the runtime's GPU accelerator says of a file while it loads it, read from its log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["GpuWords", "Part", "read_words"]

_BEGIN = "Following operations are not supported by GPU delegate:"
_REJECTED = re.compile(r"([A-Z][A-Za-z0-9_]*): (.*)")
_SOME = re.compile(r"(\d+) operations will run on the GPU, and the remaining (\d+) operations will run on the CPU\.")
_NONE = re.compile(r"No operations will run on the GPU, and all (\d+) operations will run on the CPU\.")
_ADAPTER = re.compile(r"Selected adapter: (.*?)(?:, arch=|$)")
_FAULT = re.compile(r"(?:Validation error: (?!.*due to a previous error)|(?=Shape mismatch in ))(.*)")
_ERROR = re.compile(r"ERROR: (?:\[[^]]*\] )?(.+)")


@dataclass(frozen=True)
class Part:
    """What it says of one graph of the file; it says nothing of graphs that it takes whole.

    Attributes:
        rejected: Each kind of operator that it cannot run, and why, in its own words; the reason may end with the name of a tensor.
    """

    rejected: tuple[tuple[str, str], ...]
    on_gpu: int
    on_cpu: int


@dataclass(frozen=True)
class GpuWords:
    """What it says of a file.

    Attributes:
        adapter: The driver that it found.
        parts: In the order of the file's graphs.
        faults: Programs for the GPU that do not compile, and operators that it builds with other shapes than the file has: what these
            compute is wrong.
        errors: What else it calls one.
    """

    adapter: str | None
    parts: tuple[Part, ...]
    faults: tuple[str, ...]
    errors: tuple[str, ...]


def read_words(log: str) -> GpuWords:
    """Reads a log; what it does not know is passed over."""
    adapter = _ADAPTER.search(log)
    lines = log.splitlines()
    faults = dict.fromkeys(found[1].rstrip(" .") for line in lines if (found := _FAULT.search(line)))
    errors = dict.fromkeys(found[1] for line in lines if (found := _ERROR.match(line)) and not line.endswith(_BEGIN))
    return GpuWords(adapter[1].strip() if adapter else None, tuple(_parts(lines)), tuple(faults), tuple(errors))


def _parts(lines: list[str]) -> Iterator[Part]:
    rejected: dict[tuple[str, str], None] | None = None
    for line in lines:
        if line.endswith(_BEGIN):
            rejected = {}
        elif rejected is not None and (counts := _counts(line)):
            yield Part(tuple(rejected), *counts)
            rejected = None
        elif rejected is not None and (found := _REJECTED.fullmatch(line)):
            rejected[found[1], found[2].strip()] = None


def _counts(line: str) -> tuple[int, int] | None:
    if some := _SOME.fullmatch(line.strip()):
        return int(some[1]), int(some[2])
    none = _NONE.fullmatch(line.strip())
    return (0, int(none[1])) if none else None
