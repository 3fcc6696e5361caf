"""The source of a run: loaded and exported once, recorded for later runs, recognized by its content."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tflitekit.core.files import content_hash, hash_json
from tflitekit.core.process.crew import Pool
from tflitekit.core.process.workers import wait_for
from tflitekit.core.progress import Progress
from tflitekit.core.remote import shown_place
from tflitekit.core.structured import read_record, write_record
from tflitekit.options.convert import ConvertOptions, LoadOptions
from tflitekit.source.custom_objects import module_hash
from tflitekit.source.few_samples import FewSamples
from tflitekit.source.keras_export import export_model, hash_model
from tflitekit.source.models import environment_key, identify
from tflitekit.source.prepared import PreparedSource, SourceFile
from tflitekit.tflite.variant import tool_versions

__all__ = ["Loading"]


class _Export(BaseModel):
    """What the loader found, and the hash of what it exported."""

    source: PreparedSource
    saved_model: str


class Loading:
    """A model, and where what it was exported as lies.

    Args:
        samples: Returns those to compare the conversion on.
        pool: Returns the workers, which are started when first needed.
    """

    def __init__(
        self,
        model: Any,
        work: Path,
        options: ConvertOptions,
        *,
        samples: Callable[[], FewSamples],
        pool: Callable[[], Pool],
        progress: Progress,
    ) -> None:
        self._model, self._work, self._options = model, work, options
        self._samples, self._pool, self._progress = samples, pool, progress
        self.file: SourceFile | None = None
        if isinstance(model, str | Path):
            self.file = identify(model)
            self.location, self.sha256 = shown_place(model), self.file.sha256
        else:
            self.location, self.sha256 = f"{type(model).__name__} object", hash_model(model)
        self._environment = environment_key(self.file, options)

    @functools.cached_property
    def key(self) -> str:
        """Of everything that the export depends on."""
        return hash_json(
            {
                "source": self.sha256,
                **self._options.part(LoadOptions).key(),
                "custom_objects": module_hash(self._options.custom_objects),
                **({} if self._environment is None else {"environment": self._environment}),
                "versions": {k: v for k, v in tool_versions().items() if k not in ("numpy", "ai-edge-litert")},
            }
        )

    @property
    def folder(self) -> Path:
        """The exported model, under a name that no other source or option can share."""
        return self._work / f"saved_model-{self.key[:16]}"

    @property
    def _record(self) -> Path:
        """What the loader found, kept for later runs."""
        return self._work / f"source-{self.key[:16]}.json"

    def load(self, all_finished: Callable[[], bool]) -> PreparedSource:
        """Loads and exports the model, or reads what an earlier run found when every variant is finished."""
        if self.file is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return export_model(
                self._model,
                self.folder,
                batch=self._options.batch,
                input_shapes=self._options.input_shapes,
                samples=self._samples(),
            )
        if (found := self._recorded()) is not None and (all_finished() or self.folder.is_dir()):
            return found
        for stale in self._work.glob("source-*.json"):
            stale.unlink()
        return self.prepare()

    def _recorded(self) -> PreparedSource | None:
        """Returns what an earlier run found; the export that it left goes unless it is still the same."""
        kept = read_record(self._record, _Export)
        if self.folder.is_dir() and (kept is None or content_hash(self.folder) != kept.saved_model):
            shutil.rmtree(self.folder, ignore_errors=True)
        return kept.source if kept is not None else None

    def require(self, source: PreparedSource) -> None:
        """Exports the model again where an earlier run has cleaned up."""
        if not self.folder.is_dir():
            self.prepare()
            self.proved(source)

    def prepare(self) -> PreparedSource:
        """Exports the model in a worker."""
        assert self.file is not None
        shutil.rmtree(self.folder, ignore_errors=True)
        partial = self._work / "saved_model.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with self._progress.task("Loading the model", None):
            future = self._pool().submit(
                "tflitekit.source.models:prepare",
                {
                    "path": str(self.file.path.absolute()),
                    "kind": self.file.kind,
                    "folder": str(partial),
                    "options": self._options.part(LoadOptions).model_dump(mode="json"),
                    "samples": self._samples().model_dump(mode="json"),
                },
                label=f"loading {self.file.path.name}",
            )
            source = PreparedSource.model_validate(wait_for(future))
        partial.replace(self.folder)
        self._keep(_Export(source=source, saved_model=content_hash(self.folder)))
        return source

    def proved(self, source: PreparedSource) -> None:
        """Keeps the proof for later runs, which then need not make it again."""
        if (kept := read_record(self._record, _Export)) is not None:
            self._keep(_Export(source=source, saved_model=kept.saved_model))

    def _keep(self, found: _Export) -> None:
        write_record(self._record, found.model_dump(mode="json"))
