"""One search from beginning to end: what its candidates share, the strategy, the best file and the record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ConversionError
from tflitekit.core.lifetime import Stopped
from tflitekit.core.process.crew import Pool
from tflitekit.core.progress import Progress
from tflitekit.schemes import Recipe, SearchName
from tflitekit.search.bounds import Bounds
from tflitekit.search.candidates import Judged, Prepared
from tflitekit.search.fastest import Fastest
from tflitekit.search.mixed import Mixed
from tflitekit.search.record import Ended, Recorder
from tflitekit.search.repaired import Repair
from tflitekit.search.setting import Setting
from tflitekit.search.strategy import Strategy
from tflitekit.search.timing import Timing
from tflitekit.search.trials import BudgetSpentError, Trials
from tflitekit.search.workshop import Workshop
from tflitekit.tflite.search_record import SearchRecord, SearchTiming

__all__ = ["Found", "Search"]

_TIMED = 4
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

    def __init__(self, setting: Setting, pool: Pool, progress: Progress, publish: Callable[[Found], object]) -> None:
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
        strategy = self._strategy(prepared, bounds)
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
        best, timings = self._timed(trials.best, trials, strategy, bounds)
        return self._found(best, trials, recorder, ended, timings)

    def _strategy(self, prepared: Prepared, bounds: Bounds) -> Strategy:
        setting = self._setting
        if setting.request.options.get("minimize") == "latency":
            assert setting.clock is not None  # or `tflitekit.conversion` refuses
            return Fastest(prepared, setting.recipe, bounds, Timing(setting, self._workshop, setting.clock))
        name = setting.request.scheme.search
        assert name is not None
        return _STRATEGIES[name](prepared, setting.recipe, bounds)

    def _timed(
        self, best: Judged, trials: Trials, strategy: Strategy, bounds: Bounds
    ) -> tuple[Judged, tuple[SearchTiming, ...]]:
        """Measures the best files where latency decides among them, and returns the one to take, with what all of them take."""
        clock, fastest = self._setting.clock, isinstance(strategy, Fastest)
        if clock is None or not (fastest or clock.limit_ms is not None):
            return best, ()
        ranked = sorted((each for each in trials.tried.values() if _is_file(each)), key=strategy.rank)
        name = self._setting.request.scheme.name
        plain = {plan.key: shown for shown, plan in strategy.plain()} if isinstance(strategy, Fastest) else {}
        mixed = [each for each in ranked if each.plan.key not in plain][:_TIMED]
        named = [(f"{name} {number}" if number > 1 else name, each) for number, each in enumerate(mixed, 1)]
        named += [(plain[each.plan.key], each) for each in ranked if each.plan.key in plain]
        named.sort(key=lambda pair: strategy.rank(pair[1]))
        with self._progress.task(f"Measuring on {clock.target.name}", None):
            return Timing(self._setting, self._workshop, clock).chosen(named, bounds, fastest=fastest)

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

    def _found(
        self, best: Judged, trials: Trials, recorder: Recorder, ended: Ended, timings: tuple[SearchTiming, ...] = ()
    ) -> Found:
        seconds, tried = time.monotonic() - self._started, list(trials.tried.values())
        return Found(trials.path_of(best), recorder.record(best, tried, ended, seconds, timings))

    def _nothing(self, trials: Trials) -> ConversionError:
        reasons = [each.failed for each in trials.tried.values() if each.failed]
        return ConversionError(
            f"{self._name}: none of {len(reasons)} candidates could be made.", why=reasons[0],
            fix="Try another scheme.",
        )  # fmt: skip


def _is_file(judged: Judged) -> bool:
    return judged.loss is not None and not judged.plan.probe
