"""Scores on disk, so that a later run takes them from there."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from tflitekit.dataset import Dataset, SkippedSamples
from tflitekit.files import hash_json, write_whole
from tflitekit.metrics import Metric, Scores
from tflitekit.progress import Progress
from tflitekit.runtime import runtime_name
from tflitekit.scoring import Scored, score
from tflitekit.structured import read_record, write_record
from tflitekit.variant import Variant

__all__ = ["ScoreStore", "StoredScores", "score_all"]

_COLUMNS = 5  # raised whenever scores have other columns or are found otherwise, so that older files are not misread


class StoredScores(NamedTuple):
    """Scores of one variant, the samples that could not be read, and after how many draws they were kept."""

    scores: Scores
    skipped: list[str]
    drawn: int


class _Kept(BaseModel):
    """The record of a file of scores, with its hash."""

    drawn: int


class ScoreStore:
    """Scores by the content of variant and data.

    Args:
        folder: Where they lie; None keeps nothing.
        fingerprint: The data's; None keeps nothing.
        name: The metric's.
        metric: The function, where it is one of the user's own: its behaviour cannot be hashed, so nothing is kept.
        output: The output that is scored.
        stream: Whether samples are one stream.
    """

    def __init__(
        self,
        folder: Path | None,
        fingerprint: str | None,
        name: str,
        metric: str | None,
        output: str | None,
        *,
        stream: bool = False,
    ) -> None:
        self.stream = stream
        self._folder = folder if fingerprint is not None and metric is None else None
        self._base: dict[str, Any] = {
            "columns": _COLUMNS,
            "data": fingerprint,
            "metric": name,
            "output": output,
            "stream": stream,
            "runtime": runtime_name(),
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
        assert variant.contract is not None
        preprocessing = variant.contract.preprocessing.model_dump(mode="json", exclude={"name"})
        key = hash_json(self._base | {"file": variant.sha256, "preprocessing": preprocessing})
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
        return StoredScores(columns, skipped, kept.drawn)

    def save(self, variant: Variant, scores: Scores, skipped: Sequence[str], drawn: int = -1) -> None:
        """Keeps the scores of a variant, whole; ``drawn`` counts the draws where the order matters."""
        path = self._path(variant)
        if path is None:
            return
        buffer = io.BytesIO()
        columns: dict[str, Any] = {**scores, "skipped_names": np.asarray(list(skipped), dtype=np.str_)}
        np.savez_compressed(buffer, **columns)
        write_whole(path, buffer.getvalue())
        write_record(path.with_suffix(".json"), {"drawn": drawn}, path.name)


def score_all(
    runs: Sequence[Scored],
    dataset: Dataset,
    metric: Metric,
    store: ScoreStore,
    *,
    jobs: int | None,
    progress: Progress,
) -> tuple[dict[str, Scores], list[str]]:
    """Scores variants on all samples, where the store lacks them; the same bytes are scored once.

    Returns:
        Scores by variant (see `score`), and the samples that could not be read, each with the reason.
    """
    scores: dict[str, Scores] = {}
    names: list[str] = []
    pending: list[Scored] = []
    for run in runs:
        found = store.load(run.variant)
        if found is None:
            pending.append(run)
        else:
            scores[run.variant.name], names = found.scores, found.skipped
    if pending:
        distinct = {run.identity: run for run in pending}
        skipped = SkippedSamples(dataset.size)
        fresh = score(
            list(distinct.values()),
            dataset,
            metric,
            jobs=jobs,
            progress=progress,
            skipped=skipped,
            stream=store.stream,
        )
        names = sorted(skipped.names)
        for run in pending:
            scores[run.variant.name] = fresh[distinct[run.identity].variant.name]
            store.save(run.variant, scores[run.variant.name], names)
    return scores, names
