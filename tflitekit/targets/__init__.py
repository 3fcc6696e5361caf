"""Places where a variant can run. A target is one file in this folder with a class that follows `Target`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tflitekit.core.answers import expect
from tflitekit.core.errors import UsageError
from tflitekit.core.registry import Registry
from tflitekit.targets.checked import Ability, CheckedTarget
from tflitekit.targets.target import (
    BenchmarkingTarget,
    EnergyReading,
    ExaminingTarget,
    Loaded,
    MeteredSession,
    OwnBenchmark,
    Run,
    RunningModel,
    RunningTarget,
    Session,
    SessionFacts,
    Shapes,
    Target,
    TimingTarget,
)

__all__ = [
    "AWAY",
    "Ability",
    "BenchmarkingTarget",
    "CheckedTarget",
    "EnergyReading",
    "ExaminingTarget",
    "Loaded",
    "MeteredSession",
    "OwnBenchmark",
    "Run",
    "RunningModel",
    "RunningTarget",
    "Session",
    "SessionFacts",
    "Shapes",
    "Target",
    "TimingTarget",
    "is_device",
    "open_target",
    "register_target",
    "require_target",
    "target_names",
]


@dataclass(frozen=True)
class _Entry:
    """How a target is made.

    Attributes:
        takes: What may follow the name after a colon; None for nothing.
    """

    make: Callable[..., Target]
    takes: str | None


_registry: Registry[_Entry] = Registry("target", __name__, "tflitekit.targets")


def register_target(name: str, *, takes: str | None = None) -> Callable[[Callable[..., Target]], Callable[..., Target]]:
    """Registers a target's class under a name.

    Args:
        takes: What may follow the name after a colon, such as 'SERIAL' for 'adb:SERIAL'; the class is called with that text, and
            with nothing where only the name is given.
    """

    def register(factory: Callable[..., Target]) -> Callable[..., Target]:
        _registry.add(name, _Entry(factory, takes), factory.__module__)
        return factory

    return register


AWAY = ("board", "phone")
"""Kinds of targets on which what this machine does meanwhile is of no consequence."""


def is_device(name: str) -> bool:
    """Whether a target is a device of its own, which this machine may not have."""
    return getattr(_found(name)[0].make, "kind", None) in AWAY


def target_names() -> list[str]:
    """Returns the names of all targets, the kit's own first."""
    return list(_registry.all())


def require_target(name: str) -> None:
    """Raises `UsageError` where there is no target of that name."""
    _found(name)


def _found(name: str) -> tuple[_Entry, tuple[str, ...]]:
    word, colon, rest = name.partition(":")
    entry = _registry.find(word)
    if not colon:
        return entry, ()
    if entry.takes is None or not rest:
        wanted = word if entry.takes is None else f"{word}:{entry.takes}"
        raise UsageError(f"There is no target '{name}'.", fix=f"Write {wanted}.")
    return entry, (rest,)


@contextmanager
def open_target(name: str = "host") -> Iterator[CheckedTarget]:
    """Opens a target by name and closes it afterwards.

    Raises:
        UsageError: There is none of that name.
        MissingDependencyError: What it needs is not there; the message says how to get it.
    """
    entry, rest = _found(name)
    target = CheckedTarget(expect(entry.make(*rest), Target, by=entry.make))
    try:
        yield target
    finally:
        target.close()
