"""Energy meters of a Linux machine, as the kernel shows them. Both sides use this file.

``/sys/class/powercap`` (Documentation/power/powercap/powercap.rst): ``energy_uj`` counts microjoules and starts over behind
``max_energy_range_uj``. A zone of a package holds the zones of its parts, but the memory's (``dram``) counts apart.
``/sys/class/hwmon`` (Documentation/hwmon/sysfs-interface.rst): ``energyN_input`` counts microjoules, ``powerN_average`` and
``powerN_input`` are microwatts, ``currN_input`` milliamperes and ``inN_input`` millivolts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["Meters"]

_EVERY_S = 0.05
_GRAPHICS = {"amdgpu", "i915", "nouveau", "radeon", "xe"}
"""They do not measure what computes here."""

Read = Callable[[], float]


class Meters:
    """All that can be read. Powers are added up in a thread that ends with the process.

    Args:
        root: Where ``sys`` lies.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.locked: list[str] = []
        self._counters: dict[str, Read] = {}
        self._powers: dict[str, Read] = {}
        self._joules: dict[str, float] = {}
        self._last: float | None = None
        self._lock = threading.Lock()
        self._find_zones(root / "sys/class/powercap")
        for folder in sorted((root / "sys/class/hwmon").glob("hwmon*")):
            self._find_sensors(folder)

    def start(self) -> None:
        """Begins to add up powers."""
        if self._powers:
            threading.Thread(target=self._watch, daemon=True).start()

    def read(self) -> dict[str, float]:
        """Returns by meter the joules since an arbitrary moment."""
        counted = {}
        for name, counter in self._counters.items():
            try:
                counted[name] = counter()
            except (OSError, ValueError):
                continue
        with self._lock:
            return {**counted, **self._joules}

    def _find_zones(self, folder: Path) -> None:
        zones = []
        for zone in sorted(folder.glob("intel-rapl:*")):  # also AMD's; intel-rapl-mmio has the same packages again
            kind = _text(zone / "name")
            if (kind.startswith("package") and zone.name.count(":") == 1) or kind == "dram":
                if _number(zone / "energy_uj") is None:
                    self.locked.append(str(zone / "energy_uj"))
                else:
                    zones.append(_Counter(zone / "energy_uj", zone / "max_energy_range_uj"))
        if zones and not self.locked:  # a part of them would be too little
            self._counters["RAPL (processor packages and memory)"] = lambda: sum(zone.joules() for zone in zones)

    def _find_sensors(self, folder: Path) -> None:
        kind = _text(folder / "name")
        if kind in _GRAPHICS:
            return
        for path in sorted(folder.glob("energy[0-9]*_input")):
            self._counters[self._name(folder, kind, path)] = _Counter(path).joules
        powers = {
            path.name.partition("_")[0]: path
            for which in ("input", "average")
            for path in folder.glob(f"power[0-9]*_{which}")
        }
        for _, path in sorted(powers.items()):
            self._powers[self._name(folder, kind, path)] = _product((path, 1e-6))
        for current in sorted(folder.glob("curr[0-9]*_input")) if not powers else ():
            voltage = current.with_name(current.name.replace("curr", "in"))
            if voltage.exists():
                self._powers[self._name(folder, kind, voltage)] = _product((current, 1e-3), (voltage, 1e-3))

    def _name(self, folder: Path, kind: str, path: Path) -> str:
        """Returns the chip and the sensor, with the folder where two chips are of one kind."""
        sensor = path.name.partition("_")[0]
        name = f"{kind or folder.name} {_text(path.with_name(f'{sensor}_label')) or sensor}"
        return f"{name} of {folder.name}" if name in self._counters or name in self._powers else name

    def _watch(self) -> None:
        while True:
            self.add_up(time.monotonic())
            time.sleep(_EVERY_S)

    def add_up(self, now: float) -> None:
        """Adds what was taken since the last time, at the powers that are shown now."""
        for name, power in self._powers.items():
            try:
                watts = power()
            except (OSError, ValueError):
                continue
            with self._lock:
                self._joules[name] = self._joules.get(name, 0.0) + (
                    0.0 if self._last is None else watts * (now - self._last)
                )
        self._last = now


class _Counter:
    """A counter that starts over, where it says behind which value."""

    def __init__(self, path: Path, range_path: Path | None = None) -> None:
        self._path = path
        self._range = (_number(range_path) if range_path is not None else None) or 0
        self._before, self._turns = 0, 0

    def joules(self) -> float:
        now = int(self._path.read_text())
        if now < self._before:
            self._turns += 1
        self._before = now
        return (now + self._turns * self._range) * 1e-6


def _product(*parts: tuple[Path, float]) -> Read:
    def read() -> float:
        value = 1.0
        for path, unit in parts:
            value *= int(path.read_text()) * unit
        return value

    return read


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() else None
