"""What a file loses, and what it may lose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Bounds", "Limited", "Loss"]

Limited = Literal["loss", "class_loss", "size", "latency"]

_DOUBT = 2.0
"""Widths of a one-sided 95 % interval from a limit that leave little doubt: more than three standard errors."""
_LEAST = 1e-3
"""What the excess over a limit is measured against where the limit is smaller, such as 0."""


class Loss(BaseModel):
    """What a file loses.

    Attributes:
        loss: A fraction: of accuracy, or of variance.
        high: Upper end of its one-sided 95 % interval.
        divergence: What errors of several layers add up to: the mean Kullback-Leibler divergence of the probabilities in nats, else the
            mean share of variance that is not explained.
        samples: How many were needed.
        class_loss, class_high: Of the recall of ``worst_class``, the one that loses most; only where there is a limit for it.
    """

    model_config = ConfigDict(frozen=True)

    loss: float
    high: float
    divergence: float
    samples: int
    class_loss: float | None = None
    class_high: float | None = None
    worst_class: int | None = None


class Bounds(BaseModel):
    """The limits of a search; losses are fractions.

    Attributes:
        loss: The largest loss.
        class_loss: The largest loss of the recall of any class.
    """

    model_config = ConfigDict(frozen=True)

    loss: float
    class_loss: float | None = None
    size_bytes: int | None = None

    def keeps(self, loss: Loss | None, size_bytes: int) -> bool:
        """Whether a file is certain enough to be within all limits."""
        return loss is not None and not self.missed(loss, size_bytes)

    def keeps_accuracy(self, loss: Loss | None) -> bool:
        """Whether it is so within those of what is lost, whatever its size."""
        return loss is not None and set(self.missed(loss, 0)) <= {"size"}

    def missed(self, loss: Loss, size_bytes: int) -> tuple[Limited, ...]:
        """Returns which limits a file is not certain to be within."""
        return tuple(name for name, value, limit in self._pairs(loss, size_bytes) if value > limit)

    def excess(self, loss: Loss, size_bytes: int) -> float:
        """Returns by which share of a limit a file is beyond it, of the limit that is exceeded most; 0 or less where none is."""
        return max((value - limit) / max(limit, _LEAST) for _, value, limit in self._pairs(loss, size_bytes))

    def is_settled(self, loss: Loss) -> bool:
        """Whether more samples would hardly move a file to the other side of a limit."""
        return all(abs(value - limit) > _DOUBT * (high - value) for _, value, high, limit in self._losses(loss))

    def _losses(self, loss: Loss) -> Iterator[tuple[Limited, float, float, float]]:
        yield "loss", loss.loss, loss.high, self.loss
        if self.class_loss is not None and loss.class_loss is not None and loss.class_high is not None:
            yield "class_loss", loss.class_loss, loss.class_high, self.class_loss

    def _pairs(self, loss: Loss, size_bytes: int) -> Iterator[tuple[Limited, float, float]]:
        for name, _, high, limit in self._losses(loss):
            yield name, high, limit
        if self.size_bytes is not None:
            yield "size", size_bytes, self.size_bytes
