"""What a board says of its clock, its heat and its load at one moment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tflitekit.results import DeviceState

__all__ = ["board_state", "cpu_name"]

_NOW = {
    0: "its voltage is too low",
    1: "its clock is capped",
    2: "it is throttled",
    3: "it is close to its limit of heat",
}
_SINCE_START = {bit + 16: words for bit, words in _NOW.items()}
"""Bits of ``vcgencmd get_throttled``, by Raspberry Pi's documentation."""
_COLDEST, _HOTTEST = -40.0, 150.0


def board_state(texts: Mapping[str, str], throttled: str | None) -> DeviceState:
    """Reads what the agent found.

    Args:
        texts: The contents of files below ``/sys`` and ``/proc`` by their paths.
        throttled: What ``vcgencmd get_throttled`` printed; None where there is none.
    """
    heat = [n / 1000 for n in _numbers(texts, r"thermal_zone\d+/temp")]
    clocks, limits = _numbers(texts, r"scaling_cur_freq"), _numbers(texts, r"cpuinfo_max_freq")
    governors = {text.strip() for path, text in texts.items() if path.endswith("scaling_governor")}
    load = texts.get("/proc/loadavg", "").split()
    flags = _flags(throttled)
    return DeviceState(
        cpu_celsius=max((one for one in heat if _COLDEST < one < _HOTTEST), default=None),
        cpu_mhz=max(clocks, default=0) / 1000 or None,
        cpu_max_mhz=max(limits, default=0) / 1000 or None,
        governors=tuple(sorted(governors - {""})),
        load=float(load[0]) if load and re.fullmatch(r"\d+(\.\d+)?", load[0]) else None,
        throttled=None if flags is None else tuple(words for bit, words in _NOW.items() if flags >> bit & 1),
        throttled_since_start=None
        if flags is None
        else tuple(words for bit, words in _SINCE_START.items() if flags >> bit & 1),
    )


def cpu_name(cpuinfo: str, model: str | None) -> str | None:
    """Returns what a board calls itself, or else its processor."""
    found = re.search(r"^(?:Model|model name|Hardware)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return model or (found[1].strip() if found else None)


def _numbers(texts: Mapping[str, str], pattern: str) -> list[int]:
    return [
        int(text) for path, text in texts.items() if re.search(f"{pattern}$", path) and re.fullmatch(r"-?\d+\s*", text)
    ]


def _flags(throttled: str | None) -> int | None:
    found = re.search(r"throttled=0x([0-9a-fA-F]+)", throttled or "")
    return int(found[1], 16) if found else None
