"""Arguments that are one thing or several of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["as_list"]


def as_list(given: Any, *single: type[Any]) -> list[Any]:
    """Returns the things given: one alone counts as a list of one, above all a string, which Python would take by letters.

    Args:
        given: One, or an iterable of them.
        single: Types of one alone, beside ``str`` and `Path`.
    """
    return [given] if isinstance(given, (str, Path, *single)) else list(given)
