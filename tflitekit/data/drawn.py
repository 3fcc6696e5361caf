"""Which samples an evaluation took of its data: the rule by which two of them had the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Drawn", "same_samples"]


class Drawn(Protocol):
    """What a report says of its data.

    Attributes:
        sha256: Of all samples and labels; null where they cannot be recognized.
        stream: They were one stream, so that each depends on those before it.
        samples: How many were taken of the ``available`` ones, drawn by ``seed`` where those are more.
        skipped: Files that could not be read.
    """

    @property
    def sha256(self) -> str | None: ...
    @property
    def stream(self) -> bool: ...
    @property
    def samples(self) -> int: ...
    @property
    def available(self) -> int | None: ...
    @property
    def skipped(self) -> Sequence[str]: ...
    @property
    def seed(self) -> int | None: ...


def same_samples(first: Drawn | None, second: Drawn | None) -> bool:
    """Returns whether two evaluations scored the same samples in the same order, so that they can be compared sample by sample."""
    if first is None or second is None or first.sha256 is None:
        return False
    return _taken(first) == _taken(second)


def _taken(data: Drawn) -> tuple[object, ...]:
    seed = data.seed if data.samples != data.available else None  # of all samples every draw is the same
    return data.sha256, data.stream, data.samples, tuple(data.skipped), seed
