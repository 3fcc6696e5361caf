"""What a search does: in which order it tries candidates, and which of them is best."""

from __future__ import annotations

from typing import Any, Protocol

from tflitekit.search.candidates import Judged
from tflitekit.search.trials import Trials
from tflitekit.tflite.search_record import SearchChange

__all__ = ["Strategy"]


class Strategy(Protocol):
    """One way to search.

    Attributes:
        changes: What was tried one after the other and whether it was kept; empty where that is not how it goes.
        following: What would be tried next, in words; None where there is nothing.
    """

    changes: list[SearchChange]
    following: str | None

    def rank(self, judged: Judged) -> tuple[Any, ...]:
        """Orders candidates: the smallest is best."""

    def run(self, trials: Trials) -> None:
        """Tries candidates.

        Raises:
            BudgetSpentError: Before it was finished.
        """
