"""Places where a variant can run. A target is one file in this folder with a class that follows `Target`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tflitekit.core.answers import expect
from tflitekit.core.registry import Registry
from tflitekit.targets.checked import CheckedTarget
from tflitekit.targets.target import Loaded, Run, Session, SessionFacts, Shapes, Target

__all__ = [
    "Loaded",
    "Run",
    "Session",
    "SessionFacts",
    "Shapes",
    "Target",
    "open_target",
    "register_target",
    "require_target",
    "target_names",
]

_registry: Registry[Callable[[], Target]] = Registry("target", __name__, "tflitekit.targets")


def register_target(name: str) -> Callable[[Callable[[], Target]], Callable[[], Target]]:
    """Registers a target's class under a name."""

    def register(factory: Callable[[], Target]) -> Callable[[], Target]:
        _registry.add(name, factory, factory.__module__)
        return factory

    return register


def target_names() -> list[str]:
    """Returns the names of all targets, the kit's own first."""
    return list(_registry.all())


def require_target(name: str) -> None:
    """Raises `UsageError` where there is no target of that name."""
    _registry.find(name)


@contextmanager
def open_target(name: str = "host") -> Iterator[Target]:
    """Opens a target by name and closes it afterwards.

    Raises:
        UsageError: There is none of that name.
    """
    make = _registry.find(name)
    target = CheckedTarget(expect(make(), Target, by=make))
    try:
        yield target
    finally:
        target.close()
