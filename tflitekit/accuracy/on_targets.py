"""What further targets make of files: they run samples beside this host, and their tools say what the hardware would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.accuracy.meanings import told_by_answers
from tflitekit.accuracy.metrics import Metric, Scores
from tflitekit.accuracy.scored import Scored, together
from tflitekit.accuracy.scoring import Against, ScoringJob, score
from tflitekit.accuracy.suitability import metric_of
from tflitekit.accuracy.variant_rows import row_of
from tflitekit.core.errors import ModelError, UsageError
from tflitekit.core.files import hash_json
from tflitekit.core.progress import Progress
from tflitekit.core.structured import read_record, write_record
from tflitekit.data.dataset import Dataset, SkippedSamples, open_dataset
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Constraints, OnTarget, VariantReport
from tflitekit.targets import CheckedTarget, open_target
from tflitekit.targets.examining import said_by
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import Variant

__all__ = ["on_targets", "opened", "refuse_stream"]

_FORM = 1  # raised whenever results are found otherwise, so that older ones are not taken


def refuse_stream(names: Sequence[str], *, stream: bool) -> None:
    """Raises `UsageError` where further targets are to run samples that are one stream."""
    if names and stream:
        raise UsageError(
            "--also-on runs samples that do not depend on each other, and --stream makes them one stream.",
            fix="Leave out one of the two.",
        )


@contextmanager
def opened(names: Sequence[str], *, stream: bool = False) -> Iterator[tuple[CheckedTarget, ...]]:
    """Opens further targets, before anything takes time.

    Raises:
        UsageError: There is none of a name, it neither runs samples nor examines files, or samples are one stream.
        MissingDependencyError: What a target needs is not there.
    """
    refuse_stream(names, stream=stream)
    with ExitStack() as stack:
        places = tuple(stack.enter_context(open_target(name)) for name in dict.fromkeys(names))
        for place in places:
            if "examines files" not in place.abilities:
                place.require("runs samples")
        yield places


def on_targets(
    rows: Sequence[VariantReport],
    variants: Sequence[Variant],
    dataset: Dataset,
    places: Sequence[CheckedTarget],
    how: EvaluateOptions,
    *,
    progress: Progress,
    constraints: Constraints | None = None,
    cache: Path | None = None,
) -> tuple[VariantReport, ...]:
    """Adds to the rows what each target says of each file.

    Args:
        rows: In the order of ``variants``.
        how: ``baseline`` is the name of the variant that the others are compared with.
        cache: Folder where results are kept, so that a later run takes them from there.

    Raises:
        DataError: The data do not fit.
    """
    if not places:
        return tuple(rows)
    able = {v.name: v for v in variants if v.status == "ok" and v.runnable}
    evaluator = _Evaluator(able, _some(dataset, how), how, constraints or Constraints(), progress, cache)
    found: dict[str, list[OnTarget]] = {name: [] for name in able}
    for place in places:
        with progress.task(f"Trying {len(able)} files on {place.name}", len(able)) as advance:
            for name in able:
                found[name].append(evaluator.on(place, name))
                advance(1)
    return tuple(row.model_copy(update={"on_targets": (*row.on_targets, *found.get(row.name, ()))}) for row in rows)


def _some(dataset: Dataset, how: EvaluateOptions) -> Dataset:
    size = dataset.size
    if size is not None and size <= how.also_on_limit:
        return dataset
    return open_dataset(dataset, limit=how.also_on_limit, seed=how.seed)


@dataclass
class _Evaluator:
    """Tries one file on one target."""

    able: Mapping[str, Variant]
    dataset: Dataset
    how: EvaluateOptions
    constraints: Constraints
    progress: Progress
    cache: Path | None

    def __post_init__(self) -> None:
        self._hosts = {name: ScoringJob(v, read_graph(v.path), self.how.scored) for name, v in self.able.items()}
        self._metric = metric_of(self._hosts, self.dataset, self.how, self.constraints)
        baseline = str(self.how.baseline) if self.how.baseline in self._hosts else None
        self._hosts, _ = told_by_answers(self._hosts, baseline, self.dataset, self._metric)
        self._fingerprint = self.dataset.fingerprint()

    def on(self, place: CheckedTarget, name: str) -> OnTarget:
        """Returns what a target says of a variant; from the cache, where it is there."""
        path = self._kept(place, name)
        kept = read_record(path, OnTarget) if path is not None else None
        if kept is not None:
            return kept
        found = said_by(place, lambda: self._examined(place, name) | self._scored(place, name))
        if path is not None and found.refused is None:
            write_record(path, found.model_dump(mode="json"))
        return found

    def _examined(self, place: CheckedTarget, name: str) -> dict[str, Any]:
        if "examines files" not in place.abilities:
            return {}
        return {"examination": place.examine(self.able[name].path, graph=self._hosts[name].graph)}

    def _scored(self, place: CheckedTarget, name: str) -> dict[str, Any]:
        """Runs the samples there and here."""
        if "runs samples" not in place.abilities:
            return {}
        host, baseline = self._hosts[name], self._hosts.get(str(self.how.baseline))
        there = f"{name} on {place.name}"
        elsewhere = replace(host, variant=host.variant.model_copy(update={"name": there}), place=place, twin=name)
        runs = {run.variant.name: run for run in (baseline, host, elsewhere) if run is not None}
        against = None if baseline is None else Against(baseline.variant.name)
        skipped = SkippedSamples(self.dataset.size)
        scores = score(
            list(runs.values()),
            self.dataset,
            self._metric,
            jobs=self.how.jobs,
            progress=self.progress,
            skipped=skipped,
            against=against,
        )
        wanted = None if baseline is None else baseline.variant.name
        sums = against.sums if against is not None else {}
        scored = Scored(runs, self._metric, wanted, scores, sums, sorted(skipped.names))
        row = row_of(elsewhere.variant, scored, self.constraints)
        if row.status != "ok":
            raise ModelError(f"{place.name} computes what is of no use.", why=row.error)
        return {
            "samples": len(scores[there]["finite"]),
            "accuracy": row.accuracy,
            "likeness": row.likeness,
            "drop": row.drop,
            **self._beside_host(scores[name], scores[there]),
        }

    def _beside_host(self, here: Scores, there: Scores) -> dict[str, Any]:
        """Compares with the same file on this host, sample by sample."""
        one, other = together(here, there)
        drop = None
        if isinstance(self._metric, Metric):
            drop = self._metric.drop(one, other, self.constraints.max_accuracy_drop)
        return {
            "identical": int(np.count_nonzero(other["deviation"] == 0)),
            "deviation": float(other["deviation"].max(initial=0)),
            "drop_from_host": drop,
        }

    def _kept(self, place: CheckedTarget, name: str) -> Path | None:
        if self.cache is None or self._fingerprint is None or self.how.metric:
            return None
        variant, baseline = self.able[name], self.able.get(str(self.how.baseline))
        assert variant.contract is not None
        parts = {
            "form": _FORM,
            "target": [place.name, place.identity()],
            "file": variant.sha256,
            "preprocessing": variant.contract.preprocessing.model_dump(mode="json", exclude={"name"}),
            "baseline": None if baseline is None else baseline.sha256,
            "data": self._fingerprint,
            "output": self.how.output,
            "task": self.how.part(TaskOptions).key(),
            "metric": self._metric.name,
            "limits": self.constraints.model_dump(mode="json"),
        }
        return self.cache / f"on-target-{hash_json(parts)[:32]}.json"
