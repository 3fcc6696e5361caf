"""One search from beginning to end: what its candidates share, the strategy, the best file and the record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ConversionError
from tflitekit.core.lifetime import Stopped
from tflitekit.core.process.workers import WorkerPool
from tflitekit.core.progress import Progress
from tflitekit.schemes import Recipe, SearchName
from tflitekit.search.bounds import Bounds
from tflitekit.search.candidates import Judged, Prepared
from tflitekit.search.mixed import Mixed
from tflitekit.search.record import Ended, Recorder
from tflitekit.search.repaired import Repair
from tflitekit.search.setting import Setting
from tflitekit.search.strategy import Strategy
from tflitekit.search.trials import BudgetSpentError, Trials
from tflitekit.search.workshop import Workshop
from tflitekit.tflite.search_record import SearchRecord

__all__ = ["Found", "Search"]

_STRATEGIES: dict[SearchName, Callable[[Prepared, Recipe, Bounds], Strategy]] = {"mixed": Mixed, "repaired": Repair}


@dataclass(frozen=True)
class Found:
    """The best file so far."""

    path: Path
    record: SearchRecord

    def for_variant(self) -> dict[str, Any]:
        """Returns what `make_variant` needs of it, as JSON."""
        return {"file": str(self.path), "record": self.record.model_dump(mode="json")}


class Search:
    """A search for one variant.

    Args:
        publish: Receives each best file so far.
    """

    def __init__(
        self, setting: Setting, pool: WorkerPool, progress: Progress, publish: Callable[[Found], object]
    ) -> None:
        self._setting, self._progress, self._publish = setting, progress, publish
        self._workshop = Workshop(setting, pool)
        self._name, self._folder = setting.request.name, setting.folder
        self._started = time.monotonic()

    def run(self) -> Found:
        """Searches until the end or until the budget is spent.

        Raises:
            ConversionError: No candidate could be made.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        prepared = self._workshop.prepared(self._progress)
        bounds = self._setting.limits.bounds(prepared)
        name = self._setting.request.scheme.search
        assert name is not None
        strategy = _STRATEGIES[name](prepared, self._setting.recipe, bounds)
        recorder = Recorder(self._setting, prepared, bounds, strategy)
        with self._progress.task(f"Searching for {self._name}", None) as advance:
            trials = Trials(
                self._folder,
                self._workshop,
                bounds,
                samples=self._setting.selected.samples.samples,
                budget=self._setting.options.search_budget,
                better=lambda one, other: strategy.rank(one) < strategy.rank(other),
                keep=lambda best: self._publish(self._found(best, trials, recorder, "stopped")),
                advance=advance,
            )
            ended = self._searched(strategy, trials)
        if trials.best is None:
            raise self._nothing(trials)
        return self._found(trials.best, trials, recorder, ended)

    def _searched(self, strategy: Strategy, trials: Trials) -> Ended:
        try:
            strategy.run(trials)
        except BudgetSpentError:
            return "budget"
        except (KeyboardInterrupt, Stopped):
            if trials.best is not None:
                self._progress.note(f"The best {self._name} so far is in place; run the same command again to go on.")
            raise
        return "finished"

    def _found(self, best: Judged, trials: Trials, recorder: Recorder, ended: Ended) -> Found:
        seconds = time.monotonic() - self._started
        return Found(trials.path_of(best), recorder.record(best, list(trials.tried.values()), ended, seconds))

    def _nothing(self, trials: Trials) -> ConversionError:
        reasons = [each.failed for each in trials.tried.values() if each.failed]
        if not reasons:
            return ConversionError(
                f"{self._name}: the budget of the search was spent before a file was judged.",
                fix="Give more with --search-budget.",
            )
        return ConversionError(
            f"{self._name}: none of {len(reasons)} candidates could be made.", why=reasons[0],
            fix="Try another scheme.",
        )  # fmt: skip
