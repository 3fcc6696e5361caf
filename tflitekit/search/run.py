"""One search from beginning to end: what its candidates share, the strategy, the best file and the record."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tflitekit.core.errors import ConversionError
from tflitekit.core.lifetime import Stopped
from tflitekit.core.process.workers import WorkerPool, wait_for
from tflitekit.core.progress import Progress
from tflitekit.core.structured import read_model
from tflitekit.data.calibration import CalibrationSet
from tflitekit.options.convert import ConvertOptions
from tflitekit.schemes import Recipe, Request, SearchName
from tflitekit.search.candidates import PREPARED, Judged, Prepared
from tflitekit.search.mixed import Mixed
from tflitekit.search.plan import Plan
from tflitekit.search.repaired import Repair
from tflitekit.search.strategy import Strategy
from tflitekit.search.trials import BudgetSpentError, Trials, is_within
from tflitekit.source.prepared import Exported, PreparedSource
from tflitekit.tflite.search_record import SearchLayer, SearchPoint, SearchRecord

__all__ = ["CANDIDATES", "Found", "Search", "SearchLimits", "Selected", "Setting"]

CANDIDATES = "tflitekit.search.candidates"
"""What makes and judges candidates in workers, to be imported once for all of them."""

_STRATEGIES: dict[SearchName, Callable[[Prepared, Recipe, float], Strategy]] = {"mixed": Mixed, "repaired": Repair}
_ACCURACY_LIMIT, _FIDELITY_LIMIT = 0.01, 0.05


@dataclass(frozen=True)
class Selected:
    """What candidates are judged on.

    Attributes:
        calibrated: Whether it is what is calibrated on, too.
    """

    samples: CalibrationSet
    location: str
    calibrated: bool

    @property
    def labels(self) -> list[int] | None:
        """The class of each sample, where all of them have one."""
        assert self.samples.inputs is not None
        labels = [int(label) for label in self.samples.inputs.facts["label"]]
        return labels if min(labels, default=-1) >= 0 else None


@dataclass(frozen=True)
class Found:
    """The best file so far."""

    path: Path
    record: SearchRecord

    def for_variant(self) -> dict[str, Any]:
        """Returns what `make_variant` needs of it, as JSON."""
        return {"file": str(self.path), "record": self.record.model_dump(mode="json")}


@dataclass(frozen=True)
class SearchLimits:
    """What may be lost, as fractions; the kit's own limits when not given.

    Attributes:
        lost: Of the accuracy, where the model gives classes.
        unlike: Of an output's variance, else; and with ``by_agreement`` of the float model's answers.
        by_agreement: Whether it matters how often the float model's class is kept, not what that costs in accuracy.
    """

    lost: float | None = None
    unlike: float | None = None
    by_agreement: bool = False


@dataclass(frozen=True)
class Setting:
    """What a search is to find, and from what.

    Attributes:
        folder: For what it needs and finds; a second search with the same folder goes on where the first was stopped.
        output: The one that labels belong to; the first when not given.
    """

    request: Request
    exported: Exported
    source: PreparedSource
    calibration: CalibrationSet
    selected: Selected
    folder: Path
    output: str | None
    limits: SearchLimits
    options: ConvertOptions

    @property
    def recipe(self) -> Recipe:
        """What holds where a plan says nothing else."""
        assert self.request.scheme.recipe is not None
        return self.request.scheme.recipe(self.request.options)


class Search:
    """A search for one variant.

    Args:
        publish: Receives each best file so far.
    """

    def __init__(
        self, setting: Setting, pool: WorkerPool, progress: Progress, publish: Callable[[Found], object]
    ) -> None:
        self._setting, self._pool, self._progress, self._publish = setting, pool, progress, publish
        self._name, self._folder = setting.request.name, setting.folder
        self._started = time.monotonic()
        self._trials: Trials | None = None

    def run(self) -> Found:
        """Searches until the end or until the budget is spent.

        Raises:
            ConversionError: No candidate could be made.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        prepared = self._prepared()
        limit = self._limit_of(prepared)
        name = self._setting.request.scheme.search
        assert name is not None
        strategy = _STRATEGIES[name](prepared, self._setting.recipe, limit)
        if name == "mixed":
            self._round()
        ended: Literal["finished", "budget"] = "finished"
        with self._progress.task(f"Searching for {self._name}", None) as advance:
            self._trials = Trials(
                self._folder,
                lambda plan: self._submit(plan, limit),
                budget=self._setting.options.search_budget,
                jobs=self._cores,
                better=lambda one, other: strategy.rank(one) < strategy.rank(other),
                keep=lambda best: self._publish(self._found(best, prepared, limit, strategy, "stopped")),
                advance=advance,
            )
            try:
                strategy.run(self._trials)
            except BudgetSpentError:
                ended = "budget"
            except (KeyboardInterrupt, Stopped):
                if self._trials.best is not None:
                    self._progress.note(
                        f"The best {self._name} so far is in place; run the same command again to go on."
                    )
                raise
        best = self._trials.best
        if best is None:
            raise self._nothing()
        return self._found(best, prepared, limit, strategy, ended)

    def _nothing(self) -> ConversionError:
        assert self._trials is not None
        reasons = [each.failed for each in self._trials.tried.values() if each.failed]
        if not reasons:
            return ConversionError(
                f"{self._name}: the budget of the search was spent before a file was judged.",
                fix="Give more with --search-budget.",
            )
        return ConversionError(
            f"{self._name}: none of {len(reasons)} candidates could be made.", why=reasons[0],
            fix="Try another scheme.",
        )  # fmt: skip

    def _prepared(self) -> Prepared:
        """Returns what all candidates share, of an earlier run where there was one."""
        if (self._folder / PREPARED).exists():
            return read_model(Prepared, self._folder / PREPARED)
        setting = self._setting
        arguments = {
            "job": self._job,
            "scheme": setting.request.scheme.name,
            "options": setting.request.options,
            "exported": str(setting.exported.folder),
            "source": setting.source.model_dump(mode="json"),
            "output": setting.output,
            "labels": setting.selected.labels,
            "allow_select_tf_ops": setting.options.allow_select_tf_ops,
        }
        with self._progress.task("Running the float model", None):
            return Prepared.model_validate(
                wait_for(self._pool.submit(f"{CANDIDATES}:prepare", arguments, label=self._name))
            )

    def _limit_of(self, prepared: Prepared) -> float:
        limits = self._setting.limits
        if prepared.classes is not None and not limits.by_agreement:
            return _ACCURACY_LIMIT if limits.lost is None else limits.lost
        return _FIDELITY_LIMIT if limits.unlike is None else limits.unlike

    def _round(self) -> None:
        """Rounds all layers to the smallest type, on all cores: the first candidate needs it."""
        with self._progress.task("Rounding weights", None):
            wait_for(
                self._pool.submit(
                    f"{CANDIDATES}:round_layers", {"job": self._job, "threads": self._cores}, label=self._name
                )
            )

    @functools.cached_property
    def _job(self) -> dict[str, Any]:
        """What workers need for each candidate."""
        setting = self._setting
        return {
            "folder": str(self._folder),
            "recipe": asdict(setting.recipe),
            "calibration": setting.calibration.model_dump(mode="json"),
            "selection": setting.selected.samples.model_dump(mode="json"),
            "batch": setting.source.batch,
            "by_agreement": setting.limits.by_agreement,
        }

    @property
    def _cores(self) -> int:
        return self._setting.options.jobs or os.cpu_count() or 1

    def _submit(self, plan: Plan, limit: float) -> Future[Any]:
        arguments = {"job": self._job, "plan": plan.model_dump(mode="json"), "limit": limit}
        return self._pool.submit(f"{CANDIDATES}:judge", arguments, label=self._name)

    def _found(
        self,
        best: Judged,
        prepared: Prepared,
        limit: float,
        strategy: Strategy,
        ended: Literal["finished", "budget", "stopped"],
    ) -> Found:
        assert best.loss is not None and self._trials is not None
        tried, by_agreement = list(self._trials.tried.values()), self._setting.limits.by_agreement
        record = SearchRecord(
            judged_by="fidelity" if prepared.classes is None else "agreement" if by_agreement else "accuracy",
            labels=prepared.labels and not by_agreement,
            data=self._setting.selected.location,
            samples=self._setting.selected.samples.samples,
            calibrated=self._setting.selected.calibrated,
            limit=limit,
            loss=best.loss.loss,
            high=best.loss.high,
            met=is_within(best, limit),
            tried=len(tried),
            failed=sum(each.failed is not None for each in tried),
            ended=ended,
            seconds=round(time.monotonic() - self._started, 1),
            seed=self._setting.options.seed,
            layers=tuple(self._layers(best.plan, prepared)),
            path=tuple(
                SearchPoint(
                    size_bytes=each.size_bytes,
                    loss=each.loss.loss,
                    high=each.loss.high,
                    samples=each.loss.samples,
                    layers=each.plan.counts(),
                    chosen=each is best,
                )
                for each in sorted(tried, key=lambda each: each.size_bytes)
                if each.loss is not None and not each.plan.probe
            ),
            changes=tuple(strategy.changes),
            following=strategy.following,
        )
        return Found(self._trials.path_of(best), record)

    def _layers(self, plan: Plan, prepared: Prepared) -> list[SearchLayer]:
        found = []
        for layer in prepared.operators:
            if not layer.elements and layer.name not in plan.types:
                continue
            smallest = layer.types(self._setting.recipe)[0]
            kind = plan.types.get(layer.name, smallest)
            rounded = plan.rounding == "gptq" or (plan.rounding == "blended" and kind == smallest)
            is_integer = kind in ("int4", "int8", "int16") and layer.elements
            found.append(
                SearchLayer(
                    name=layer.shown,
                    operator=layer.kind,
                    type=kind,
                    rounding=("gptq" if rounded else "nearest") if is_integer else None,
                )
            )
        return found
