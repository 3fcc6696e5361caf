"""Scores on disk, so that a later run takes them from there."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from tflitekit.accuracy.fidelity import Sums, pack, unpack
from tflitekit.accuracy.metrics import AnyMetric, Scores
from tflitekit.accuracy.scored import Scored
from tflitekit.accuracy.scoring import Against, ScoringJob, Spreading, score
from tflitekit.core.files import content_hash, hash_json, write_whole
from tflitekit.core.machine import machine_name
from tflitekit.core.progress import Progress
from tflitekit.core.structured import read_record, write_record
from tflitekit.data.dataset import Dataset, SkippedSamples
from tflitekit.options.tasks import TaskOptions
from tflitekit.tasks.readers import files_of_reader, task_of_reader
from tflitekit.tflite.runtime import runtime_name
from tflitekit.tflite.variant import Variant

__all__ = ["ScoreStore", "StoredScores", "beside_baseline", "score_all"]

_COLUMNS = 10  # raised whenever scores have other columns or are found otherwise, so that older files are not misread

_SUMS = "sums "


class StoredScores(NamedTuple):
    """Scores of one variant, its sums beside the baseline, the samples that could not be read, and after how many draws."""

    scores: Scores
    sums: Sums
    skipped: list[str]
    drawn: int
    machines: tuple[str, ...] = ()


class _Kept(BaseModel):
    """The record of a file of scores, with its hash."""

    drawn: int
    machines: tuple[str, ...] = ()


class ScoreStore:
    """Scores by the content of variant and data.

    Args:
        folder: Where they lie; None keeps nothing.
        fingerprint: The data's; None keeps nothing.
        name: The metric's.
        metric: The function, where it is one of the user's own: its behaviour cannot be hashed, so nothing is kept.
        output: The output that is scored.
        baseline: What the variants are compared with, None for nothing.
        task: How outputs are read.
        stream: Whether samples are one stream.
    """

    def __init__(
        self,
        folder: Path | None,
        fingerprint: str | None,
        name: str,
        metric: str | None,
        output: str | None,
        baseline: ScoringJob | None,
        *,
        task: TaskOptions | None = None,
        stream: bool = False,
    ) -> None:
        self.stream = stream
        reader = task.reader if task is not None else None
        own = metric is not None or (reader is not None and task_of_reader(reader) is None)
        self._folder = folder if fingerprint is not None and not own else None
        self._base: dict[str, Any] = {
            "columns": _COLUMNS,
            "data": fingerprint,
            "metric": name,
            "output": output,
            "task": (task or TaskOptions()).key(),
            "reader's files": [content_hash(path) for path in files_of_reader(task.reader if task else None)],
            "stream": stream,
            "runtime": runtime_name(),
            "baseline": None if baseline is None else _content(baseline.variant),
        }

    def for_draw(self, draw: Mapping[str, Any]) -> ScoreStore:
        """Returns a store for an evaluation that may stop early, in the order that ``draw`` decides.

        Scores of some samples and scores of all are never taken for one another.
        """
        other = copy.copy(self)
        other._base = self._base | {"draw": dict(draw)}
        return other

    def _path(self, variant: Variant) -> Path | None:
        if self._folder is None:
            return None
        key = hash_json(self._base | _content(variant))
        return self._folder / f"scores-{key[:32]}.npz"

    def load(self, variant: Variant) -> StoredScores | None:
        """Returns what is kept of a variant, or None."""
        path = self._path(variant)
        kept = read_record(path.with_suffix(".json"), _Kept) if path is not None else None
        if path is None or kept is None:
            return None
        with np.load(path, allow_pickle=False) as archive:
            columns = {name: archive[name] for name in archive.files}
        skipped = [str(name) for name in columns.pop("skipped_names")]
        sums = {int(n.removeprefix(_SUMS)): unpack(columns.pop(n)) for n in list(columns) if n.startswith(_SUMS)}
        return StoredScores(columns, sums, skipped, kept.drawn, kept.machines)

    def save(
        self,
        variant: Variant,
        scores: Scores,
        sums: Sums,
        skipped: Sequence[str],
        drawn: int = -1,
        machines: Sequence[str] = (),
    ) -> None:
        """Keeps the scores and sums of a variant, whole; ``drawn`` counts the draws where the order matters."""
        path = self._path(variant)
        if path is None:
            return
        buffer = io.BytesIO()
        columns: dict[str, Any] = {**scores, "skipped_names": np.asarray(list(skipped), dtype=np.str_)}
        columns |= {f"{_SUMS}{index}": pack(pairs) for index, pairs in sums.items()}
        np.savez_compressed(buffer, **columns)
        write_whole(path, buffer.getvalue())
        kept = {"drawn": drawn, "machines": list(machines) or [machine_name()]}
        write_record(path.with_suffix(".json"), kept, path.name)


def _content(variant: Variant) -> dict[str, Any]:
    """Returns what a variant's outputs depend on, besides the data."""
    assert variant.contract is not None
    preprocessing = variant.contract.preprocessing.model_dump(mode="json", exclude={"name"})
    return {"file": variant.sha256, "preprocessing": preprocessing}


def score_all(
    runs: Mapping[str, ScoringJob],
    dataset: Dataset,
    metric: AnyMetric,
    store: ScoreStore,
    *,
    baseline: str | None,
    jobs: int | None,
    progress: Progress,
    spread: Spreading | None = None,
) -> Scored:
    """Scores variants on all samples, where the store lacks them; the same bytes are scored once.

    Args:
        baseline: The variant that the others are compared with; it runs beside each that the store lacks.
    """
    scores: dict[str, Scores] = {}
    sums: dict[str, Sums] = {}
    names: list[str] = []
    machines: dict[str, tuple[str, ...]] = {}
    pending: list[ScoringJob] = []
    for name, run in runs.items():
        found = store.load(run.variant)
        if found is None:
            pending.append(run)
        else:
            scores[name], sums[name], names = found.scores, found.sums, found.skipped
            machines[name] = found.machines
    if pending:
        reference = runs[baseline] if baseline is not None else None
        distinct = beside_baseline(pending, reference)
        against = None if reference is None else Against(distinct[reference.identity].variant.name)
        skipped = SkippedSamples(dataset.size)
        fresh = score(
            list(distinct.values()),
            dataset,
            metric,
            jobs=jobs,
            progress=progress,
            skipped=skipped,
            stream=store.stream,
            against=against,
            spread=spread,
        )
        names = sorted(skipped.names)
        for run in pending:
            own, twin = run.variant.name, distinct[run.identity].variant.name
            scores[own], sums[own] = fresh[twin], against.sums.get(twin, {}) if against else {}
            machines[own] = tuple(sorted(spread.machines)) if spread is not None else (machine_name(),)
            store.save(run.variant, scores[own], sums[own], names, machines=machines[own])
    return Scored(runs, metric, baseline, scores, sums, names, machines=machines)


def beside_baseline(runs: Sequence[ScoringJob], baseline: ScoringJob | None) -> dict[Any, ScoringJob]:
    """Returns distinct files of these runs by identity, and the baseline, which has to run beside them."""
    return {run.identity: run for run in (*runs, *([baseline] if baseline is not None else []))}
