"""What matters about this machine for reading its latencies."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

__all__ = ["cpu_model", "describe_machine", "kernel_features"]


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
    """Returns the CPU features that float and int8 kernels want, and whether this CPU has them (Linux only)."""
    flags: set[str] = set()
    for line in _cpuinfo():
        if line.lower().startswith(("flags", "features")):
            flags = set(line.partition(":")[2].split())
            break
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
