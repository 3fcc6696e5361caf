"""What a file takes of the memory of the page that runs it (Linux)."""

from __future__ import annotations

from pathlib import Path

from tflitekit.targets.chromium.devtools import Chromium

__all__ = ["PageMemory"]


class PageMemory:
    """Watches the process of a page. Make it before the page has anything to do, so that its process can be told from the others.

    Chromium does not say which process a page has: it is the one that works while the page does.
    """

    def __init__(self, chromium: Chromium) -> None:
        self._chromium = chromium
        self._before = chromium.processes()
        self._process = Path()
        self._resident: int | None = None

    def begin(self) -> None:
        """Call it when the page has worked, before it loads the file: what grows from now on belongs to the file."""
        worked = {pid: took - self._before.get(pid, 0.0) for pid, took in self._chromium.processes().items()}
        self._process = Path(f"/proc/{max(worked, key=worked.__getitem__)}")
        try:
            (self._process / "clear_refs").write_text("5")  # the high-water mark becomes what is resident now
        except OSError:
            return
        self._resident = self._line("VmRSS")

    def growth(self) -> int | None:
        """Returns by how much more was resident at the highest; None where the system does not tell."""
        peak = self._line("VmHWM")
        return None if peak is None or self._resident is None else max(0, peak - self._resident)

    def _line(self, name: str) -> int | None:
        try:
            lines = (self._process / "status").read_text().splitlines()
        except OSError:
            return None
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)
