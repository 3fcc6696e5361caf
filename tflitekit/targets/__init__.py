"""Places where a variant can run. A target is one file in this folder with a class that follows `Target`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tflitekit.core.answers import expect
from tflitekit.core.errors import UsageError
from tflitekit.core.registry import Registry
from tflitekit.options.benchmark import LatencyOptions
from tflitekit.results import TargetKind
from tflitekit.targets.checked import Ability, CheckedTarget, abilities_of, cannot, without_app
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
    "abilities",
    "check_measuring",
    "check_trying",
    "is_device",
    "kind_of",
    "open_target",
    "register_target",
    "target_names",
]


@dataclass(frozen=True)
class _Entry:
    """How a target is made.

    Attributes:
        takes: What may follow the name after a colon; None for nothing.
        reads: Reads that text, and raises `UsageError` where it cannot be.
    """

    make: Callable[..., Target]
    takes: str | None
    reads: Callable[[str], object]


_registry: Registry[_Entry] = Registry("target", __name__, "tflitekit.targets")


def register_target(
    name: str, *, takes: str | None = None, reads: Callable[[str], object] = str
) -> Callable[[Callable[..., Target]], Callable[..., Target]]:
    """Registers a target's class under a name.

    Args:
        takes: What may follow the name after a colon, such as 'SERIAL' for 'adb:SERIAL'; the class is called with that text, and
            with nothing where only the name is given.
        reads: Called with that text, or '', before anything is opened; raises `UsageError` where it cannot be.
    """

    def register(factory: Callable[..., Target]) -> Callable[..., Target]:
        _registry.add(name, _Entry(factory, takes, reads), factory.__module__)
        return factory

    return register


AWAY = ("board", "phone")
"""Kinds of targets on which what this machine does meanwhile is of no consequence."""


def is_device(name: str) -> bool:
    """Whether a target is a device of its own, which this machine may not have."""
    return kind_of(name) in AWAY


def kind_of(name: str) -> TargetKind | None:
    """Returns what a target is, without opening it; None where only the opened one tells."""
    found: TargetKind | None = getattr(_found(name)[0].make, "kind", None)
    return found


def target_names() -> list[str]:
    """Returns the names of all targets, the kit's own first."""
    return list(_registry.all())


def abilities(name: str) -> tuple[Ability, ...] | None:
    """Returns what a target can do, without opening it; None where only the opened one tells.

    Raises:
        UsageError: There is none of that name.
    """
    entry, rest = _found(name)
    entry.reads(*rest or ("",))
    return abilities_of(entry.make)


def check_measuring(name: str, how: LatencyOptions) -> None:
    """Raises `UsageError` where latency cannot be measured on a target as asked, as far as that is known without opening it.

    A class of targets that measure bundles may know more: its static method ``check_asked(how)`` is called.
    """
    able = abilities(name)
    if able is None:
        return
    if "measures bundles" in able:
        getattr(_found(name)[0].make, "check_asked", lambda how: None)(how)
        return
    if "measures latency" not in able:
        raise cannot(name, able, "measures latency")
    if how.app is not None:
        raise without_app(name)


def check_trying(name: str) -> None:
    """Raises `UsageError` where a target can neither run samples nor examine files, as far as that is known without opening it."""
    able = abilities(name)
    if able is not None and not {"runs samples", "examines files"} & set(able):
        raise cannot(name, able, "runs samples")


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
