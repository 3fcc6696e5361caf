"""Has workers prepare, round and judge for a search."""

from __future__ import annotations

import functools
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any

from tflitekit.core.process.crew import Pool
from tflitekit.core.process.workers import wait_for
from tflitekit.core.progress import Progress
from tflitekit.core.structured import read_model
from tflitekit.search.bounds import Bounds
from tflitekit.search.candidates import PREPARED, Prepared
from tflitekit.search.plan import Plan
from tflitekit.search.setting import Setting

__all__ = ["CANDIDATES", "Workshop"]

CANDIDATES = "tflitekit.search.candidates"
"""What makes and judges candidates in workers, to be imported once for all of them."""


class Workshop:
    """The workers of one search; time limits are in seconds, None for the pool's own."""

    def __init__(self, setting: Setting, pool: Pool) -> None:
        self._setting, self._pool = setting, pool
        self.jobs = pool.jobs

    def prepared(self, progress: Progress) -> Prepared:
        """Returns what all candidates share, of an earlier run where there was one."""
        setting = self._setting
        if (setting.folder / PREPARED).exists():
            return read_model(Prepared, setting.folder / PREPARED)
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
        with progress.task("Running the float model", None):
            return Prepared.model_validate(wait_for(self._submit("prepare", arguments, None)))

    def round(self, timeout_s: float | None) -> Future[Any]:
        """Rounds all layers to their smallest type, on all cores of a machine: other candidates take layers from there."""
        return self._submit("round_layers", {"job": self._job, "threads": self._pool.threads}, timeout_s)

    def judge(self, plan: Plan, bounds: Bounds, timeout_s: float | None) -> Future[Any]:
        """Makes a candidate and judges it."""
        arguments = {"job": self._job, "plan": plan.model_dump(mode="json"), "bounds": bounds.model_dump(mode="json")}
        return self._submit("judge", arguments, timeout_s)

    def make(self, plan: Plan) -> Future[Any]:
        """Makes a candidate without judging it."""
        return self._submit("make", {"job": self._job, "plan": plan.model_dump(mode="json")}, None)

    def _submit(self, function: str, arguments: dict[str, Any], timeout_s: float | None) -> Future[Any]:
        name = self._setting.request.name
        limit = 0.0 if timeout_s is None else timeout_s  # as `WorkerPool.submit` has it
        return self._pool.submit(f"{CANDIDATES}:{function}", arguments, label=name, timeout_s=limit)

    @functools.cached_property
    def _job(self) -> dict[str, Any]:
        setting = self._setting
        return {
            "folder": str(setting.folder),
            "recipe": asdict(setting.recipe),
            "calibration": setting.calibration.model_dump(mode="json"),
            "selection": setting.selected.samples.model_dump(mode="json"),
            "batch": setting.source.batch,
            "by_agreement": setting.limits.by_agreement,
        }
