"""Arguments that are one thing or several of them, and names that were misspelt."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["as_list", "meant"]


def as_list(given: Any, *single: type[Any]) -> list[Any]:
    """Returns the things given: one alone counts as a list of one, above all a string, which Python would take by letters.

    Args:
        given: One, or an iterable of them.
        single: Types of one alone, beside ``str`` and `Path`.
    """
    return [given] if isinstance(given, (str, Path, *single)) else list(given)


def meant(word: str, known: Iterable[str]) -> str:
    """Returns the question whether the nearest of the known names was meant, to begin an advice with; '' where none is near."""
    import difflib

    near = difflib.get_close_matches(word, list(known), 1)
    return f"Did you mean '{near[0]}'? " if near else ""
