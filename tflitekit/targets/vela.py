"""Reads what Vela, Arm's compiler for Ethos-U, writes and says."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Summary", "last_words", "read_on_cpu", "read_reasons", "read_summary"]

_WARNING = re.compile(r"^Warning \([^)]*\) operator: (\S+), ofm: '(.*)'$")
_KIB = 1024


@dataclass(frozen=True)
class Summary:
    """The table of totals.

    Attributes:
        inference_s: Estimated for the operators on the NPU, at this clock; 0 where there are none.
        macs: Multiply-accumulates on the NPU.
    """

    accelerator: str
    system_config: str
    memory_mode: str
    clock_hz: float
    inference_s: float
    sram_bytes: int
    dram_bytes: int
    flash_bytes: int
    macs: int


def read_summary(path: Path) -> Summary:
    """Reads ``NAME_summary_SYSTEM.csv``.

    Raises:
        ValueError: It is not such a table.
    """
    rows = _rows(path)
    try:
        (row,) = rows
        memory = {kind: round(float(row[f"{kind}_memory_used"]) * _KIB) for kind in ("sram", "dram", "on_chip_flash", "off_chip_flash")}  # fmt: skip
        return Summary(
            accelerator=row["accelerator_configuration"],
            system_config=row["system_config"],
            memory_mode=row["memory_mode"],
            clock_hz=float(row["core_clock"]),
            inference_s=float(row["inference_time"]),
            sram_bytes=memory["sram"],
            dram_bytes=memory["dram"],
            flash_bytes=memory["on_chip_flash"] + memory["off_chip_flash"],
            macs=int(float(row["nn_macs"])),
        )
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is not a summary of Vela ({error!r})") from error


def read_on_cpu(path: Path) -> frozenset[str]:
    """Returns from ``NAME_per-layer.csv`` the first output of each operator that stays on the CPU."""
    return frozenset(row["Name"] for row in _rows(path) if row.get("Target") == "CPU" and row.get("Name"))


def read_reasons(words: str) -> dict[str, str]:
    """Returns why operators stay on the CPU, by the name of their first output."""
    found: dict[str, str] = {}
    lines = iter(words.splitlines())
    for line in lines:
        warning = _WARNING.match(line.rstrip())
        if warning is None:
            continue
        reason: list[str] = []
        for part in lines:
            if not part.strip():
                break
            if not part.startswith("Warning: "):  # of Python's side, which does not wait for its turn
                reason.append(part.strip().removeprefix("Reason: "))
        found[warning[2]] = ". ".join(reason) or "no reason given"
    return found


def last_words(words: str) -> str:
    """Returns the last line that says what went wrong, without the traceback around it."""
    lines = [line.strip() for line in words.splitlines() if line.strip() and not line.startswith("Warning: ")]
    return lines[-1] if lines else "It said nothing."


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return list(csv.DictReader(file))
