"""Scores on disk, so that a later run takes them from there."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.files import hash_json, write_whole
from tflitekit.metrics import Scores
from tflitekit.runtime import runtime_name
from tflitekit.variant import Variant

__all__ = ["ScoreStore"]


class ScoreStore:
    """Scores on disk, by the content of variant and data."""

    def __init__(
        self, folder: Path | None, fingerprint: str | None, name: str, metric: str | None, output: str | None
    ) -> None:
        self._folder = folder if fingerprint is not None else None
        if metric is not None:
            self._folder = None  # a function's behaviour cannot be hashed
        self._base = {"data": fingerprint, "metric": name, "output": output, "runtime": runtime_name()}

    def _path(self, variant: Variant) -> Path | None:
        if self._folder is None:
            return None
        assert variant.contract is not None
        preprocessing = variant.contract.preprocessing.model_dump(mode="json", exclude={"name"})
        key = hash_json(self._base | {"file": variant.sha256, "preprocessing": preprocessing})
        return self._folder / f"scores-{key[:32]}.npz"

    def load(self, variant: Variant) -> tuple[Scores, list[str]] | None:
        path = self._path(variant)
        if path is None or not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as archive:
                columns = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return columns, [str(name) for name in columns.pop("skipped_names")]

    def save(self, variant: Variant, scores: Scores, skipped: Sequence[str]) -> None:
        path = self._path(variant)
        if path is None:
            return
        buffer = io.BytesIO()
        columns: dict[str, Any] = {**scores, "skipped_names": np.asarray(list(skipped), dtype=np.str_)}
        np.savez_compressed(buffer, **columns)
        write_whole(path, buffer.getvalue())
