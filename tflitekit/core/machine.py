"""What matters about this machine for reading its latencies."""

from __future__ import annotations

import os
import platform
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "SHARE",
    "Load",
    "LoadWatch",
    "cpu_model",
    "describe_machine",
    "kernel_features",
    "machine_name",
    "usable_cores",
]

SHARE = "TFLITEKIT_JOBS"
"""Set for each worker of a cluster: how many cores of its machine are its share."""


def usable_cores() -> int:
    """Returns how many cores a piece of work may use: all of this machine, or the share of the cluster's worker that does it."""
    return int(os.environ.get(SHARE) or os.cpu_count() or 1)


class Load(NamedTuple):
    """What else happened while something was measured; None where the system does not tell.

    Attributes:
        steal: Share of the processor time that other virtual machines took.
        others_cores: Cores that other processes kept busy on average.
        frequency_change: By how much the fastest core's frequency changed from one reading to another.
    """

    steal: float | None = None
    others_cores: float | None = None
    frequency_change: float | None = None


class LoadWatch:
    """Watches this machine from its creation to `finish`; call `sample` in between."""

    def __init__(self) -> None:
        self._frequencies: list[float] = []
        self._start = self._times()
        self._begin = time.monotonic()

    def sample(self) -> None:
        """Reads the frequency of the fastest core, which is the one that works; idle ones are slow on purpose."""
        found = []
        for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"):
            try:
                found.append(float(path.read_text()))
            except (OSError, ValueError):
                continue
        if found:
            self._frequencies.append(max(found))

    def finish(self) -> Load:
        """Returns what was seen since the beginning."""
        elapsed = max(1e-6, time.monotonic() - self._begin)
        busy, stolen, own = (end - start for end, start in zip(self._times(), self._start, strict=True))
        change = max(self._frequencies) / min(self._frequencies) - 1 if self._frequencies else None
        return Load(
            steal=stolen / (elapsed * (os.cpu_count() or 1)),
            others_cores=max(0.0, busy - own) / elapsed,
            frequency_change=change,
        )

    def _times(self) -> tuple[float, float, float]:
        """Returns seconds of processor time: of all processes, stolen, and of this program with its children."""
        import psutil

        times = psutil.cpu_times()
        names = ("user", "nice", "system", "irq", "softirq")
        own = 0.0
        me = psutil.Process()
        for process in (me, *me.children(recursive=True)):
            try:
                own += sum(process.cpu_times()[:4])
            except psutil.Error:  # it has just ended
                continue
        return sum(getattr(times, name, 0.0) for name in names), getattr(times, "steal", 0.0), own


def machine_name() -> str:
    """Returns this machine's name, for people."""
    return socket.gethostname()


def describe_machine() -> dict[str, Any]:
    """Returns system, processor, cores, memory and the CPU features that kernels use, as JSON types."""
    import psutil

    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel_features": kernel_features(),
    }


def cpu_model() -> str:
    """Returns the processor's name."""
    for line in _cpuinfo():
        if line.lower().startswith(("model name", "hardware")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def kernel_features() -> dict[str, bool]:
    """Returns the CPU features that float and int8 kernels want, and whether this CPU has them; empty if unknown."""
    flags: set[str] = set()
    for line in _cpuinfo():
        if line.lower().startswith(("flags", "features")):
            flags = set(line.partition(":")[2].split())
            break
    if not flags:
        return {}
    if platform.machine() in ("aarch64", "arm64"):
        wanted = {"NEON": {"asimd"}, "dot product (int8)": {"asimddp"}, "i8mm (int8)": {"i8mm"}, "fp16": {"fphp"}}
    else:
        wanted = {
            "AVX2": {"avx2"},
            "FMA": {"fma"},
            "AVX-512": {"avx512f"},
            "VNNI (int8)": {"avx512_vnni", "avx_vnni"},
            "F16C": {"f16c"},
        }
    return {name: bool(any_of & flags) for name, any_of in wanted.items()}


def _cpuinfo() -> list[str]:
    info = Path("/proc/cpuinfo")
    return info.read_text(errors="replace").splitlines() if info.exists() else []
