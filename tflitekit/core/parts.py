"""What the parts of a report have in common, and of all else that the kit says as JSON."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

__all__ = ["Finding", "Part", "finite"]


class Part(BaseModel):
    """A piece of a report: immutable, JSON. Its checks are made when they are first used, since reports have a hundred kinds of pieces."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Finding(Part):
    """One warning: what was seen, and what to do about it.

    Attributes:
        kind: A stable name in kebab-case, for programs (``docs/report-schema.md`` lists all).
        message: What was seen, in the user's names, with the figures.
        advice: What to do next; null where nothing can be done.
    """

    kind: str
    message: str
    advice: str | None = None

    def __str__(self) -> str:
        return f"{self.message} {self.advice}" if self.advice else self.message


def finite(value: float) -> float | None:
    """Returns the value, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None
