"""Tries candidates on all cores within a budget, and keeps what was tried and the best file on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tflitekit.core.errors import ConversionError, OutOfMemoryError
from tflitekit.core.files import write_whole
from tflitekit.core.process.workers import wait_for
from tflitekit.core.progress import Advance
from tflitekit.options.search import Budget
from tflitekit.search.bounds import Bounds
from tflitekit.search.candidates import Judged
from tflitekit.search.plan import Plan
from tflitekit.search.workshop import Workshop

__all__ = ["BudgetSpentError", "Trials"]

_SHORTEST_S = 0.1


class BudgetSpentError(Exception):
    """Nothing more may be tried."""


class _Entry(BaseModel):
    key: str
    judged: Judged


class Trials:
    """What was tried so far, in this run and in those before it that were stopped.

    Args:
        folder: For the journal and the files.
        samples: How many there are to judge on.
        better: Tells whether a candidate is better than another; of equal ones the one that was asked for first is kept.
        keep: Receives each new best candidate.
        advance: Is told of each trial.
    """

    def __init__(
        self,
        folder: Path,
        workshop: Workshop,
        bounds: Bounds,
        *,
        samples: int,
        budget: Budget | None,
        better: Callable[[Judged, Judged], bool],
        keep: Callable[[Judged], object],
        advance: Advance,
    ) -> None:
        self._folder, self._workshop, self._bounds, self._samples = folder, workshop, bounds, samples
        self._budget, self._better, self._keep, self._advance = budget, better, keep, advance
        self._started = time.monotonic()
        self._journal = folder / "journal.jsonl"
        known = _read(self._journal)
        self._known = {entry.key: entry.judged for entry in known}
        write_whole(self._journal, "".join(entry.model_dump_json() + "\n" for entry in known))
        self.tried: dict[str, Judged] = {}
        self._order: dict[str, int] = {}
        self.best: Judged | None = None

    def path_of(self, judged: Judged) -> Path:
        """Returns where the file of a candidate lies; only that of the best one is kept."""
        return self._folder / f"{judged.plan.key}.tflite"

    def round(self) -> None:
        """Rounds all layers to their smallest type, which many candidates need.

        Raises:
            BudgetSpentError: Before it was done.
        """
        self._advance(0, "rounding weights")
        try:
            wait_for(self._workshop.round(self._left()))
        except ConversionError:
            if self._is_spent(0):
                raise BudgetSpentError from None
            raise

    def run(self, plans: Sequence[Plan]) -> list[Judged]:
        """Tries plans, several at a time; what was tried before is not tried again. Which ends first changes nothing.

        Raises:
            BudgetSpentError: Before all of them were tried.
        """
        for plan in plans:
            self._order.setdefault(plan.key, len(self._order))
        try:
            self._run(plans)
        finally:
            self.tried = dict(sorted(self.tried.items(), key=lambda entry: self._order[entry[0]]))
        return [self.tried[plan.key] for plan in plans]

    def _run(self, plans: Sequence[Plan]) -> None:
        waiting = _new(plans, self.tried)
        pending: dict[Future[Any], Plan] = {}
        spent = False
        while waiting or pending:
            while waiting and len(pending) < self._workshop.jobs and not spent:
                spent = self._is_spent(len(pending))
                if not spent and not self._recall(waiting[0]):
                    pending[self._workshop.judge(waiting[0], self._bounds, self._left())] = waiting[0]
                waiting = waiting if spent else waiting[1:]
            if spent and not pending:
                raise BudgetSpentError
            for future in wait(pending, timeout=0.2, return_when=FIRST_COMPLETED).done if pending else ():
                self._take(pending.pop(future), future)
        if any(plan.key not in self.tried for plan in plans):
            raise BudgetSpentError

    def _is_spent(self, running: int) -> bool:
        if self._budget is not None and self._budget.trials is not None:
            return len(self.tried) + running >= self._budget.trials
        left = self._left()
        return left is not None and left <= _SHORTEST_S

    def _left(self) -> float | None:
        """Returns the seconds that are left of the budget; None where it is none of time, and until there is a file to keep."""
        if self._budget is None or self._budget.seconds is None or self.best is None:
            return None
        return max(_SHORTEST_S, self._started + self._budget.seconds - time.monotonic())

    def _recall(self, plan: Plan) -> bool:
        """Takes over what an earlier run found, where it is certain enough for the limits of this one; the file of the best is made
        again where it is gone."""
        found = self._known.get(plan.key)
        if found is None or not self._is_enough(found) or (self._is_best(found) and not self.path_of(found).exists()):
            return False
        self._add(found)
        return True

    def _is_enough(self, found: Judged) -> bool:
        loss = found.loss
        if loss is None or found.plan.probe:
            return True
        asked = self._bounds.class_loss is None or loss.class_loss is not None
        return asked and (loss.samples >= self._samples or self._bounds.is_settled(loss))

    def _take(self, plan: Plan, future: Future[Any]) -> None:
        try:
            found = Judged.model_validate(future.result())
        except OutOfMemoryError:  # which says nothing of the candidate
            raise
        except ConversionError as error:  # also a crash of the quantizer or the runtime
            if self._is_spent(0):  # it was ended with the budget
                return
            found = Judged(plan=plan, failed=error.what)
        with self._journal.open("a") as file:
            file.write(_Entry(key=plan.key, judged=found).model_dump_json() + "\n")
        self._add(found)

    def _is_best(self, found: Judged) -> bool:
        if found.loss is None or found.plan.probe:
            return False
        if self.best is None or self._better(found, self.best):
            return True
        first = self._order[found.plan.key] < self._order[self.best.plan.key]
        return first and not self._better(self.best, found)

    def _add(self, found: Judged) -> None:
        self.tried[found.plan.key] = found
        if self._is_best(found):
            before, self.best = self.best, found
            self._keep(found)
            if before is not None:
                self.path_of(before).unlink(missing_ok=True)
        else:
            self.path_of(found).unlink(missing_ok=True)
        self._advance(1, self._words())

    def _words(self) -> str:
        best = self.best
        if best is None or best.loss is None:
            return f"{len(self.tried)} tried"
        return f"best so far loses {best.loss.loss:.2%}, {best.size_bytes:,} bytes; {len(self.tried)} tried"


def _new(plans: Sequence[Plan], tried: dict[str, Judged]) -> list[Plan]:
    return list({plan.key: plan for plan in plans if plan.key not in tried}.values())


def _read(journal: Path) -> list[_Entry]:
    """Returns the entries of a journal; the last line of a run that was killed may be torn."""
    found = []
    for line in journal.read_text().splitlines() if journal.exists() else ():
        try:
            found.append(_Entry.model_validate_json(line))
        except ValidationError:
            continue
    return found
