"""Trains what the requested schemes need, stage by stage, each stage once, and keeps what is finished (main process)."""

from __future__ import annotations

import collections
import functools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tflitekit.core.errors import TflitekitError
from tflitekit.core.files import hash_json
from tflitekit.core.progress import Advance, Progress
from tflitekit.core.structured import read_record
from tflitekit.data.dataset import InputPipeline
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.training import TrainingOptions
from tflitekit.schemes import Request, Stage
from tflitekit.source.custom_objects import module_hash
from tflitekit.source.models import require_layers, require_numbers
from tflitekit.source.prepared import SourceFile
from tflitekit.tflite.training_record import StageRecord, TrainingRecord
from tflitekit.training.data.augmentation import check_augmentation, check_labels_follow
from tflitekit.training.data.store import TrainingSet, store_training_data

__all__ = ["Trained", "TrainingPlan", "kept_note", "with_note"]

_TRAINED = "trained-"
_LINE_BYTES = 4096

Submit = Callable[[str, dict[str, Any], str], "Future[Any]"]


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        folder: Of the last stage: ``saved_model``, ``reference.npz``.
        key: Hash of everything that shaped it.
        compressed: The user's names of the layers that were pruned or clustered.
        paths: The user's layer name for each layer of the trained model.
        output: Name of the output that has labels; of several, the one that decides.
        labelled: The outputs that are trained by labels of their own.
    """

    folder: Path
    key: str
    record: TrainingRecord
    compressed: tuple[str, ...]
    paths: Mapping[str, str]
    output: str
    labelled: tuple[str, ...] = ()

    @property
    def saved_model(self) -> Path:
        """What the converter takes."""
        return self.folder / "saved_model"

    def for_variant(self) -> dict[str, Any]:
        """Returns what `tflitekit.engines.variants.make_variant` needs, as JSON."""
        return {
            "folder": str(self.folder),
            "record": self.record.model_dump(mode="json"),
            "compressed": list(self.compressed),
            "paths": dict(self.paths),
            "output": self.output,
            "labelled": list(self.labelled),
        }


class TrainingPlan:
    """Which stages are trained for one model, each once, and where the trained models are.

    Args:
        source: The model on disk, or a model object; that is trained in this process.
        source_key: Hash of the model and of how it is loaded.
        conversion: How it is loaded, converted and trained.
        pipeline: What its inputs take.
        work: Folder for data, checkpoints and trained models; TensorBoard's logs lie beside it.
        submit: Runs ``module:function`` with arguments under a label in a worker.
    """

    def __init__(
        self,
        source: SourceFile | Any,
        *,
        source_key: str,
        conversion: ConvertOptions,
        pipeline: InputPipeline,
        labels: tuple[str, ...] | None,
        work: Path,
        submit: Submit,
        progress: Progress,
    ) -> None:
        assert conversion.training is not None
        self.options, self._conversion, self._seed = conversion.training, conversion, conversion.seed
        self._source, self._source_key = source, source_key
        self._work, self._tensorboard = work, work.parent / "tensorboard"
        self._progress, self._submit = progress, submit
        self._locks: dict[str, threading.Lock] = collections.defaultdict(
            threading.Lock
        )  # of texts: no other thread comes between
        options = self.options
        if isinstance(source, SourceFile):
            require_layers(source)
        require_numbers(pipeline.inputs)
        if options.augment is not None:
            check_augmentation(options.augment, pipeline.inputs)
        self._store = functools.partial(
            store_training_data,
            options.data,
            inputs=pipeline.inputs,
            preprocessing=pipeline.preprocessing,
            vocabularies=pipeline.vocabularies,
            labels=labels,
            limit=options.limit,
            validation=options.validation,
            validation_split=options.validation_split,
            seed=self._seed,
            output=options.output,
            ignore_label=options.ignore_label,
            folder=work / "training-data",
            progress=progress,
            jobs=conversion.jobs,
        )
        self.data: TrainingSet = self._store(rows=False)
        if options.augment is not None:
            for part in self.data.each:
                check_labels_follow(options.augment, part.labels, part.label_shape, own_loss=bool(options.loss))

    def key(self, request: Request) -> str:
        """Returns the hash of everything that shapes what the request's stages train."""
        return self._keys(request)[-1]

    def _keys(self, request: Request) -> list[str]:
        keys: list[str] = []
        common = {
            "source": self._source_key,
            "data": self.data.sha256,
            "options": self.options.key(),
            "code": [_code(name) for name in self._own_code()],
            "seed": self._seed,
        }
        for stage in request.stages:
            strict = {"strict": True} if stage.kind == "quantize" and self.options.strict else {}
            keys.append(hash_json({**common, "before": keys[-1:], "stage": asdict(stage), **strict}))
        return keys

    def _own_code(self) -> list[str | None]:
        options = self.options
        return [
            *options.loss.values(),
            options.metric,
            options.callbacks,
            options.function,
            options.augment,
            options.optimizer,
            options.class_weights,
        ]

    def train(self, request: Request, *, try_first: bool = False) -> Trained:
        """Trains the stages of a request that no earlier request or run has finished.

        May be called in several threads: what two requests have in common is trained once.

        Args:
            try_first: Convert the untrained model before anything trains, so that a file that cannot be is known.

        Raises:
            TflitekitError: The model cannot be trained so, or training failed.
        """
        folders = [self._work / f"{_TRAINED}{key[:16]}" for key in self._keys(request)]
        facts: list[dict[str, Any]] = []
        untried = try_first
        for index, (stage, folder) in enumerate(zip(request.stages, folders, strict=True)):
            with self._locks[folder.name]:
                found = _finished(folder)
                if found is None:
                    before = folders[index - 1] if index else None
                    try:
                        found = self._stage(request, index, stage, folder, before, trial=untried)
                    except TflitekitError as error:
                        finished = [path for path in folders[:index] if _finished(path) is not None]
                        started = [folder] if (folder / "checkpoint.npz").is_file() else []
                        raise with_note(error, kept_note([*finished, *started])) from error
                    untried = False
            facts.append(found)
        last = facts[-1]
        return Trained(
            folder=folders[-1],
            key=self.key(request),
            record=self._record(facts),
            compressed=tuple(last["compressed"]),
            paths=last["paths"],
            output=last["output"],
            labelled=tuple(last.get("labelled", ())),
        )

    def _stage(
        self, request: Request, index: int, stage: Stage, folder: Path, previous: Path | None, *, trial: bool
    ) -> dict[str, Any]:
        with self._locks["data"]:
            if not self.data.has_rows:
                self.data = self._store()
        source, conversion = self._source, self._conversion
        in_file = isinstance(source, SourceFile)
        name = f"{request.name}" + (f" {index + 1}/{len(request.stages)}" if len(request.stages) > 1 else "")
        arguments: dict[str, Any] = {
            "source": {
                "unsafe_load": conversion.unsafe_load,
                "custom_objects": conversion.custom_objects,
                "path": str(source.path.absolute()) if in_file else None,
                "kind": source.kind if in_file else None,
            },
            "stage": asdict(stage),
            "options": self._portable().model_dump(mode="json", exclude={"data"}),
            "data": self.data.model_dump(mode="json"),
            "folder": str(folder),
            "previous": str(previous) if previous else None,
            "seed": self._seed,
            "batch": conversion.batch,
            "input_shapes": {name: list(shape) for name, shape in conversion.input_shapes.items()},
            "trial": self._trial(request) if trial else None,
            "tensorboard": str(self._tensorboard / request.name / str(index + 1)) if self.options.tensorboard else None,
        }
        progress = folder / "progress.jsonl"
        progress.unlink(missing_ok=True)
        steps = self.data.steps(self.options.batch_size) * self.options.epochs
        with self._progress.task(f"Training {name}", steps) as advance:
            if not in_file:
                from tflitekit.training.run.job import train_stage

                found: dict[str, Any] = train_stage(model=source, **arguments)
                advance(steps)
            else:
                advance(0, "preparing the model")
                future = self._submit("tflitekit.training.run.job:train_stage", arguments, f"training {name}")
                done = 0
                while not wait([future], timeout=0.2).done:
                    done = self._follow(progress, done, advance)
                found = future.result()
                advance(steps - done)
        progress.unlink(missing_ok=True)
        return found

    def _trial(self, request: Request) -> dict[str, Any]:
        return {
            "scheme": request.scheme.name,
            "options": dict(request.options),
            "allow_select_tf_ops": self._conversion.allow_select_tf_ops,
        }

    def _follow(self, path: Path, done: int, advance: Advance) -> int:
        """Moves the bar to where the worker says it is."""
        try:
            with path.open("rb") as stream:  # the end of it: hours of training write many lines
                stream.seek(max(0, path.stat().st_size - _LINE_BYTES))
                lines = stream.read().splitlines()
            latest = json.loads(lines[-1]) if lines else None
        except (OSError, ValueError):  # not there yet, or half a line
            return done
        if latest is None or latest["step"] <= done:
            return done
        words = [f"epoch {latest['epoch']}/{self.options.epochs}"]
        if latest["loss"] is not None:
            words.append(f"loss {latest['loss']:.4g}")
        if latest["metric"] is not None:
            words.append(
                f"accuracy {latest['metric']:.1%}" if self.options.metric is None else f"metric {latest['metric']:.4g}"
            )
        advance(latest["step"] - done, ", ".join(words))
        return int(latest["step"])

    def _portable(self) -> TrainingOptions:
        return self.options.replaced(data=None, validation=None if self.options.validation is None else "given")

    def _record(self, facts: Sequence[Mapping[str, Any]]) -> TrainingRecord:
        last, options, data = facts[-1], self.options, self.data
        stages = tuple(StageRecord.model_validate(f["record"]) for f in facts)
        return TrainingRecord(
            data=data.location,
            data_sha256=data.fingerprint,
            samples=data.train_samples,
            validation=data.validation,
            validation_samples=data.validation_samples,
            loss=last["loss"],
            optimizer=last["optimizer"],
            learning_rate=max(f["learning_rate"] for f in facts),
            batch_size=options.batch_size,
            steps=sum(stage.steps for stage in stages),
            seed=self._seed,
            augmentation=options.augment,
            class_weights=options.class_weights,
            distill=options.distill,
            strategy=last["strategy"],
            devices=tuple(last["devices"]),
            metric=last["metric"],
            stages=stages,
            left_float=tuple(last["left_float"]),
            rebuilt=last["rebuilt"],
            annotated=last["annotated"],
            notes=tuple(dict.fromkeys([*_skipped(data.skipped), *(note for f in facts for note in f["notes"])])),
            tensorboard=str(self._tensorboard) if options.tensorboard and self._tensorboard.is_dir() else None,
        )

    def clean(self) -> None:
        """Deletes the rows of the training data, unless an interrupted training has yet to be continued.

        What was trained stays, so that other conversions of it need no training.
        """
        if not any(self._work.glob(f"{_TRAINED}*/checkpoint.npz")):
            self.data.delete_rows()


class _Stage(BaseModel):
    """What a finished stage told of itself."""

    facts: dict[str, Any]


def kept_note(folders: Sequence[Path]) -> str:
    """Says where what was trained is, and what becomes of it; '' where nothing was."""
    if not folders:
        return ""
    return (
        f"What was trained is kept in {', '.join(map(str, folders))}: once the cause is fixed, the same command continues from "
        "there without training again."
    )


def with_note(error: TflitekitError, note: str) -> TflitekitError:
    """Returns an error that also says what was kept."""
    if note:
        error.fix = f"{error.fix} {note}" if error.fix else note
        error.args = ("\n".join(part for part in (error.what, error.why, error.fix) if part),)
    return error


def _finished(folder: Path) -> dict[str, Any] | None:
    found = read_record(folder / "stage.json", _Stage)
    return found.facts if found is not None else None


def _code(name: str | None) -> str | None:
    """Returns the hash of the user's code or file that an option names, or the name itself."""
    return None if name is None else f"{name} {module_hash(name.rpartition(':')[0] or name)}"


def _skipped(samples: Sequence[str]) -> list[str]:
    """Names the first unreadable samples."""
    if not samples:
        return []
    count, more = len(samples), ", ..." if len(samples) > 5 else ""
    words = "1 unreadable training sample was" if count == 1 else f"{count:,} unreadable training samples were"
    return [f"{words} skipped: {', '.join(samples[:5])}{more}."]
