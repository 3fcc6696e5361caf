"""Places where a variant can run. A target is one file in this folder with a class that follows `Target`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from tflitekit.errors import UsageError

__all__ = ["QUICK", "BenchmarkProtocol", "Run", "Target", "open_target", "register_target"]


class BenchmarkProtocol(BaseModel):
    """How long to warm up and how many runs to take: at least so many **and** so long, and never longer than the most.

    Attributes:
        name: Part of every result; results of different protocols are not compared.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    warmup_runs: int
    warmup_s: float
    runs: int
    run_s: float
    most_s: float


QUICK = BenchmarkProtocol(name="quick", warmup_runs=5, warmup_s=0.1, runs=100, run_s=0.3, most_s=60.0)


class Run(BaseModel):
    """The raw result of one benchmark; statistics are derived from the samples, never stored instead of them.

    Attributes:
        samples_us: Time of each `invoke()` in microseconds, in order, without pre- and postprocessing.
        peak_memory_bytes: Highest resident set of the process above what it had before it loaded the model;
            includes the interpreter's arena, packed weights, the mapped file, and the runtime's code that it is first to touch.
    """

    model_config = ConfigDict(frozen=True)

    target: str
    threads: int
    protocol: str
    runtime: str
    init_us: float
    first_us: float
    warmup_runs: int
    samples_us: tuple[float, ...]
    peak_memory_bytes: int
    baseline_memory_bytes: int
    machine: dict[str, Any]
    warnings: tuple[str, ...] = ()


class Target(Protocol):
    """A place where a variant can run."""

    name: str
    is_deployment: bool
    """Whether latency measured here says something about phones: false for this host."""

    def identity(self) -> dict[str, Any]:
        """Returns what must agree for two results to be comparable."""

    def close(self) -> None:
        """Ends what the target holds open."""

    def measure(self, path: Path, *, threads: int, protocol: BenchmarkProtocol) -> Run:
        """Runs one file in a fresh process on the target.

        Raises:
            ModelError: The runtime there refuses it.
        """


_targets: dict[str, Callable[[], Target]] = {}


def register_target(name: str) -> Callable[[Callable[[], Target]], Callable[[], Target]]:
    """Registers a target's class under a name."""

    def register(factory: Callable[[], Target]) -> Callable[[], Target]:
        _targets[name] = factory
        return factory

    return register


@contextmanager
def open_target(name: str = "host") -> Iterator[Target]:
    """Opens a target by name and closes it afterwards.

    Raises:
        UsageError: There is none of that name.
    """
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")

    if name not in _targets:
        raise UsageError(f"There is no target '{name}'.", fix=f"Targets: {', '.join(_targets)}.")
    target = _targets[name]()
    try:
        yield target
    finally:
        target.close()
