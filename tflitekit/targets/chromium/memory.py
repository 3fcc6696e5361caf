"""What a file takes of the memory of the page that runs it (Linux)."""

from __future__ import annotations

from pathlib import Path

from tflitekit.targets.chromium.devtools import Chromium
from tflitekit.targets.chromium.page import Page

__all__ = ["PageMemory"]

_MARK_BYTES = 32_000_000


class PageMemory:
    """Watches the process of a page.

    Chromium does not say which process a page has: it is the one that grows when the page takes memory.
    """

    def __init__(self, chromium: Chromium, page: Page) -> None:
        before = {pid: _line(pid, "VmRSS") for pid in chromium.processes()}
        page.call("mark", _MARK_BYTES)
        grown = [pid for pid, had in before.items() if had and (_line(pid, "VmRSS") or 0) - had > 0.9 * _MARK_BYTES]
        page.call("mark", 0)
        page.collect_garbage()
        self._pid = grown[0] if len(grown) == 1 else None
        self._resident: int | None = None

    def begin(self) -> None:
        """Call it before the page loads the file: what grows from now on belongs to the file."""
        if self._pid is None:
            return
        try:
            Path(f"/proc/{self._pid}/clear_refs").write_text("5")  # the high-water mark becomes what is resident now
        except OSError:
            return
        self._resident = _line(self._pid, "VmRSS")

    def growth(self) -> int | None:
        """Returns by how much more was resident at the highest; None where the system does not tell."""
        if self._pid is None or self._resident is None:
            return None
        peak = _line(self._pid, "VmHWM")
        return None if peak is None else max(0, peak - self._resident)


def _line(pid: int, name: str) -> int | None:
    """Returns a line of what Linux says of a process, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)
