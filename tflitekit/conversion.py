"""The verb *convert*: a Keras model in, checked ``.tflite`` variants with sidecars out."""

from __future__ import annotations

import functools
import inspect
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tflitekit.calibration import CalibrationSet, store_calibration
from tflitekit.contract import load_labels
from tflitekit.dataset import DEFAULT_SEED, Dataset, open_dataset
from tflitekit.errors import ContractError, ModelError, TflitekitError, UsageError
from tflitekit.files import content_hash, hash_json, locked, write_json
from tflitekit.preprocessing import Preprocessing, load_preprocessing
from tflitekit.progress import Advance, Progress
from tflitekit.schemes import Request, available, parse_request
from tflitekit.source import PreparedSource, SourceFile, export_model, hash_model, identify, module_hash
from tflitekit.training.cluster import Cluster, read_cluster
from tflitekit.training.options import TrainingOptions
from tflitekit.training.plan import Trained, Trainer
from tflitekit.training.rendezvous import Chief, follow, hash_command
from tflitekit.variant import Variant, read_sidecar, tool_versions
from tflitekit.workers import WorkerPool, wait_for

__all__ = ["ConvertOptions", "ConvertResult", "convert", "convert_unlocked", "require_chief", "with_controls"]

DEFAULT_CALIBRATION_SAMPLES = 500
DEFAULT_TIMEOUT_S = 1800.0
WORK_FOLDER = ".tflitekit"
CURVE_SCHEME = "int8"
_NO_CALIBRATION = "Needs calibration data: give a few hundred representative samples with --calibration DATA."


@dataclass(frozen=True)
class ConvertOptions:
    """How a model is loaded and converted.

    Attributes:
        calibration_limit: Seeded, class-balanced sample of the calibration data.
        batch: Batch size fixed in the converted model.
        input_shapes: Shapes without batch by input name, for models that have none; '' is the only input.
        custom_objects: Module that defines or registers the model's own layers.
        timeout_s: A conversion that takes longer is a recorded failure. Training takes as long as it takes.
        training: How schemes that train are trained; None without training data.
    """

    calibration_limit: int = DEFAULT_CALIBRATION_SAMPLES
    batch: int = 1
    unsafe_load: bool = False
    allow_select_tf_ops: bool = False
    signature: str | None = None
    input_shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    custom_objects: str | None = None
    jobs: int | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    seed: int = DEFAULT_SEED
    training: TrainingOptions | None = None


@dataclass(frozen=True)
class ConvertResult:
    """What `convert` made.

    Attributes:
        source: What was loaded, and its hash.
        variants: One per scheme, in the order asked for; also failed and skipped ones.
        calibration: The calibration sample, or None where no scheme needed one.
        calibration_kind: `Dataset.kind` of the calibration data.
        curve: By number of calibration samples, what `CURVE_SCHEME` made of so many.
        trained_along: What a worker of a distributed training says that is not its chief; it has no variants.
    """

    out: Path
    source_location: str
    source_sha256: str
    source: PreparedSource
    variants: tuple[Variant, ...]
    calibration: CalibrationSet | None
    calibration_location: str | None
    calibration_kind: str | None = None
    curve: tuple[tuple[int, Variant], ...] = ()
    trained_along: str | None = None


def convert(
    model: Any,
    *,
    schemes: Iterable[str | Request],
    out: str | Path,
    calibration: Any = None,
    preprocess: str | Path | Preprocessing | None = None,
    labels: str | Path | Sequence[str] | None = None,
    output: str | None = None,
    options: ConvertOptions | None = None,
    progress: Progress | None = None,
) -> ConvertResult:
    """Converts a model with each scheme, in child processes; finished variants are reused.

    Args:
        model: A ``.keras`` or ``.h5`` file, a SavedModel folder, or a Keras model object.
        schemes: Names, with options as in ``int8:io=uint8``.
        out: Folder for ``NAME.tflite`` and ``NAME.json``.
        calibration: Data set for the schemes that need one (see `open_dataset`); a sample of the training data when
            not given and there are such.
        preprocess: A preset's name or a JSON file; 'raw' when not given.
        labels: Class names or a labels file; written into the contract.
        output: Name of the output that the labels belong to; the first when not given.
        options: The rest.
        progress: Receives progress.

    Returns:
        All variants; one that failed has its reason in ``error``, and the others are complete.

    Raises:
        TflitekitError: Wrong input, before anything is converted.
    """
    out, options, progress = Path(out), options or ConvertOptions(), progress or Progress()
    requests = [parse_request(s) for s in schemes]
    cluster = _cluster(options)
    if cluster is not None and not cluster.is_chief:
        options = _with_output(options, output)
        return _train_along(cluster, model, _all_requests(requests, options), out, options, progress)
    with locked(out):
        return convert_unlocked(
            model,
            requests=requests,
            out=out,
            calibration=calibration,
            preprocessing=load_preprocessing(preprocess),
            labels=resolve_labels(labels),
            options=options,
            progress=progress,
            output=output,
        )


def _cluster(options: ConvertOptions) -> Cluster | None:
    """Returns the workers of a training on several machines; None for one.

    Raises:
        UsageError: ``TF_CONFIG`` is missing or malformed.
    """
    several = options.training is not None and options.training.strategy == "multi-worker"
    return read_cluster() if several else None


def require_chief(options: ConvertOptions) -> None:
    """Refuses a worker that can only train along.

    Raises:
        UsageError: This is one.
    """
    cluster = _cluster(options)
    if cluster is not None and not cluster.is_chief:
        raise UsageError(
            f"{cluster.name(cluster.index).capitalize()} can only train along, which 'tflitekit convert' does.",
            fix="Run 'tflitekit convert' with the same options on all workers, then this on the chief: it takes what they trained.",
        )


def _train_along(
    cluster: Cluster, model: Any, requests: Sequence[Request], out: Path, options: ConvertOptions, progress: Progress
) -> ConvertResult:
    """What a worker does that is not the chief: it trains what the chief says, and writes no results."""
    file = _model_file(model)
    source = follow(
        cluster,
        out / WORK_FOLDER,
        _command(file, requests, options),
        model=file.path,
        custom_objects=options.custom_objects,
        progress=progress,
    )
    said = f"Worker {cluster.index} of {len(cluster.workers)} has trained; the chief writes the results."
    source = PreparedSource.model_validate(source)
    return ConvertResult(out, str(model), file.sha256, source, (), None, None, trained_along=said)


def _model_file(model: Any) -> SourceFile:
    if not isinstance(model, str | Path):
        raise UsageError(
            "A model object cannot be trained by several workers.",
            why="Each of them loads the model, and starts anew when another one was lost.",
            fix="Save it with model.save('name.keras'), and give that file.",
        )
    return identify(model)


def _command(file: SourceFile, requests: Sequence[Request], options: ConvertOptions) -> str:
    assert options.training is not None
    schemes = [request.name for request in requests if request.stages]
    return hash_command(file.sha256, schemes, options.training, options.seed)


def _with_output(options: ConvertOptions, output: str | None) -> ConvertOptions:
    """Lets training know the output that the labels belong to."""
    training = options.training
    if training is None or training.output is not None or output is None:
        return options
    return replace(options, training=replace(training, output=output))


def _all_requests(requests: Sequence[Request], options: ConvertOptions) -> list[Request]:
    requests = _checked_requests(requests)
    return with_controls(requests) if options.training is not None and options.training.control else requests


def resolve_labels(labels: str | Path | Sequence[str] | None) -> tuple[str, ...] | None:
    """Reads a labels file; passes a sequence of names through."""
    if labels is None:
        return None
    return load_labels(labels) if isinstance(labels, str | Path) else tuple(labels)


def convert_unlocked(
    model: Any,
    *,
    requests: Sequence[Request],
    out: Path,
    calibration: Any,
    preprocessing: Preprocessing,
    labels: tuple[str, ...] | None,
    options: ConvertOptions,
    progress: Progress,
    skip_unfit: bool = False,
    output: str | None = None,
    curve: Sequence[int] = (),
) -> ConvertResult:
    """`convert` for a caller that holds the folder's lock.

    Args:
        output: The output that the labels belong to; the first when not given.
        skip_unfit: Record schemes without calibration data, and schemes that train where the model has no layers, as
            skipped instead of refusing.
        curve: Numbers of calibration samples to convert with `CURVE_SCHEME` besides; these files lie in the work folder.
    """
    requests = _all_requests(requests, options)
    if options.batch < 1:
        raise UsageError(f"The batch size must be at least 1, not {options.batch}.")
    options = _with_output(options, output)
    training = options.training
    untrained = [r.name for r in requests if r.stages and training is None]
    if untrained:
        raise UsageError(
            f"{', '.join(untrained)} need{'s' if len(untrained) == 1 else ''} training data, and none were given.",
            fix="Give labelled ones: a folder of class folders, .npz or module:function ('convert': --data DATA, "
            "'optimize': --train DATA).",
        )
    if calibration is None and training is not None:
        calibration = training.data
    lacking = [r.name for r in requests if r.calibrated and calibration is None]
    if lacking and not skip_unfit:
        raise UsageError(
            f"{', '.join(lacking)} need{'s' if len(lacking) == 1 else ''} calibration data, and none were given.",
            why="Full integer schemes measure the range of every activation on real samples; random data would ruin them.",
            fix="Give a few hundred representative samples: --calibration DATA (a folder of images, .npz or module:function).",
        )
    data = None
    if calibration is not None and (curve or any(r.calibrated for r in requests)):
        data = open_dataset(
            calibration, labels=labels, limit=options.calibration_limit, seed=options.seed, need_labels=False
        )
    _check_curve(curve, data)
    return _Conversion(model, requests, out, data, preprocessing, labels, options, progress, curve).run(
        output, skip_unfit
    )


def with_controls(requests: Sequence[Request]) -> list[Request]:
    """Adds what trained variants are compared with: the float model fine-tuned for as many stages, the same quantized after
    training, and the given model quantized after training."""
    rounds = sorted({len(r.stages) for r in requests if any(stage.kind != "finetune" for stage in r.stages)})
    wanted = ["int8"] if rounds else []
    for count in rounds:
        wanted += [f"finetuned:rounds={count}", f"finetuned:rounds={count},then=int8"]
    return list({r.name: r for r in (*requests, *map(parse_request, wanted))}.values())


def _check_curve(curve: Sequence[int], data: Dataset | None) -> None:
    if not curve:
        return
    if data is None:
        raise UsageError(
            "A calibration curve needs calibration data.", fix="Give them with --calibration DATA, or leave it out."
        )
    if min(curve) < 1:
        raise UsageError(f"A calibration curve cannot have a point at {min(curve)} samples.")
    if data.size is not None and max(curve) > data.size:
        raise UsageError(
            f"The calibration curve asks for {max(curve):,} samples, and there are {data.size:,} to calibrate on.",
            fix="Leave out that point, give more samples, or raise --calibration-limit.",
        )


def _checked_requests(requests: Sequence[Request]) -> list[Request]:
    if not requests:
        raise UsageError("No scheme was named.", fix=f"Schemes: {', '.join(available())}.")
    return list({request.name: request for request in requests}.values())


@dataclass(frozen=True, eq=False)
class _Job:
    """One variant to build.

    Attributes:
        samples: Of the calibration samples; None for all.
    """

    request: Request
    out: Path
    samples: int | None = None


class _Conversion:
    """One run of `convert`."""

    def __init__(
        self,
        model: Any,
        requests: Sequence[Request],
        out: Path,
        data: Dataset | None,
        preprocessing: Preprocessing,
        labels: tuple[str, ...] | None,
        options: ConvertOptions,
        progress: Progress,
        curve: Sequence[int],
    ) -> None:
        self.model, self.out, self.data = model, out, data
        self.preprocessing, self.labels, self.options, self.progress = preprocessing, labels, options, progress
        self.work = out / WORK_FOLDER
        self.jobs = [_Job(request, out) for request in requests]
        scheme = parse_request(CURVE_SCHEME)
        self.curve = [_Job(scheme, self.work / "curve" / str(count), count) for count in sorted(set(curve))]
        self.source_file: SourceFile | None = None
        if isinstance(model, str | Path):
            self.source_file = identify(model)
            self.location, self.sha256 = str(model), self.source_file.sha256
        else:
            self.location, self.sha256 = f"{type(model).__name__} object", hash_model(model)
        self._pool: WorkerPool | None = None
        self._trainer: Trainer | None = None
        self._chief: Chief | None = None
        cluster = _cluster(options)
        if cluster is not None:
            command = _command(_model_file(model), requests, options)
            self._chief = Chief(cluster, self.work, command, progress)
        self._untrainable: ModelError | None = None

    @property
    def saved_model(self) -> Path:
        """The exported model, under a name that no other source or option can share."""
        return self.work / f"saved_model-{self._source_key[:16]}"

    @property
    def record(self) -> Path:
        """What the loader found, kept for later runs."""
        return self.work / f"source-{self._source_key[:16]}.json"

    @property
    def pool(self) -> WorkerPool:
        """The workers, started when first needed: a run that finds everything finished starts none."""
        if self._pool is None:
            jobs = self.options.jobs or os.cpu_count() or 1
            self._pool = WorkerPool(jobs=jobs, timeout_s=self.options.timeout_s)
        return self._pool

    def run(self, output: str | None, skip_unfit: bool) -> ConvertResult:
        with self._chief or nullcontext():
            return self._run(output, skip_unfit)

    def _run(self, output: str | None, skip_unfit: bool) -> ConvertResult:
        try:
            source = self._source()
            self._check_labels(source, output)
            calibration = None
            if self.data is not None:
                folder = self.work / "calibration"
                calibration = store_calibration(self.data, source.inputs, self.preprocessing, folder, self.progress)
            if any(job.request.stages for job in self.jobs):
                try:
                    self._trainer = self._open_trainer(source)
                except ModelError as error:
                    if not skip_unfit:
                        raise
                    self._untrainable = error
            variants = self._variants(source, calibration)
            ours, points = variants[: len(self.jobs)], variants[len(self.jobs) :]
        finally:
            if self._pool is not None:
                self._pool.close()
        self._clean()
        return ConvertResult(
            self.out,
            self.location,
            self.sha256,
            source,
            tuple(ours),
            calibration,
            self.data.location if self.data is not None else None,
            self.data.kind if self.data is not None else None,
            tuple(
                (min(job.samples or 0, calibration.samples if calibration else 0), variant)
                for job, variant in zip(self.curve, points, strict=True)
            ),
        )

    def _open_trainer(self, source: PreparedSource) -> Trainer:
        assert self.options.training is not None
        return Trainer(
            source_file=self.source_file,
            model=self.model,
            source_key=self._source_key,
            loading={"unsafe_load": self.options.unsafe_load, "custom_objects": self.options.custom_objects},
            options=self.options.training,
            inputs=source.inputs,
            preprocessing=self.preprocessing,
            labels=self.labels,
            batch=self.options.batch,
            input_shapes=self.options.input_shapes,
            seed=self.options.seed,
            work=self.work,
            tensorboard=self.out / "tensorboard",
            submit=self._chief.submit if self._chief is not None else self._submit_training,
            jobs=self.options.jobs,
            progress=self.progress,
        )

    def _submit_training(self, call: str, arguments: dict[str, Any], label: str) -> Future[Any]:
        return self.pool.submit(call, arguments, label=label, timeout_s=None, gpu=True)

    def _source(self) -> PreparedSource:
        """Loads and exports the model, or reads what an earlier run found when every variant is finished."""
        if self.source_file is None:
            shutil.rmtree(self.saved_model, ignore_errors=True)
            return export_model(
                self.model, self.saved_model, batch=self.options.batch, input_shapes=self.options.input_shapes
            )
        if self.record.is_file() and (self._all_finished() or self.saved_model.is_dir()):
            return PreparedSource.model_validate_json(self.record.read_text(encoding="utf-8"))
        for stale in self.work.glob("source-*.json"):
            stale.unlink()
        return self._prepare()

    def _prepare(self) -> PreparedSource:
        assert self.source_file is not None
        shutil.rmtree(self.saved_model, ignore_errors=True)
        partial = self.work / "saved_model.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with self.progress.task("Loading the model", None):
            future = self.pool.submit(
                "tflitekit.source:prepare",
                {
                    "path": str(self.source_file.path),
                    "kind": self.source_file.kind,
                    "folder": str(partial),
                    "batch": self.options.batch,
                    "unsafe_load": self.options.unsafe_load,
                    "signature": self.options.signature,
                    "input_shapes": {k: list(v) for k, v in self.options.input_shapes.items()},
                    "custom_objects": self.options.custom_objects,
                },
                label="load",
            )
            source = PreparedSource.model_validate(wait_for(future))
        partial.replace(self.saved_model)
        write_json(self.record, source.model_dump(mode="json"))
        return source

    @functools.cached_property
    def _source_key(self) -> str:
        return hash_json(
            {
                "source": self.sha256,
                "batch": self.options.batch,
                "signature": self.options.signature,
                "input_shapes": {k: list(v) for k, v in self.options.input_shapes.items()},
                "custom_objects": module_hash(self.options.custom_objects),
                "versions": {k: v for k, v in tool_versions().items() if k not in ("numpy", "ai-edge-litert")},
            }
        )

    def _all_finished(self) -> bool:
        """Whether every requested variant exists for this model, so that its export is probably not needed.

        Whether it is, their keys tell, which depend on the calibration data, which depend on the inputs in the record.
        """
        return all(self._finished_file(job) is not None for job in (*self.jobs, *self.curve))

    def _finished_file(self, job: _Job) -> Variant | None:
        path = job.out / f"{job.request.name}.tflite"
        sidecar = read_sidecar(path)
        if sidecar is None or sidecar.source_sha256 != self.sha256 or not path.is_file():
            return None
        return sidecar if sidecar.sha256 == content_hash(path) else None

    def _check_labels(self, source: PreparedSource, output: str | None) -> None:
        spec = next((spec for spec in source.outputs if spec.name == output), source.outputs[0])
        if self.labels is not None and spec.shape and spec.shape[-1] > 1 and len(self.labels) != spec.shape[-1]:
            raise labels_mismatch(len(self.labels), spec.shape[-1])

    def _variants(self, source: PreparedSource, calibration: CalibrationSet | None) -> list[Variant]:
        done: dict[_Job, Variant] = {}
        pending: dict[Future[Any], _Job] = {}
        jobs = [*self.jobs, *self.curve]

        def submit(job: _Job, trained: Trained | None = None) -> None:
            samples = calibration
            if job.samples is not None and calibration is not None:
                samples = calibration.first(job.samples, self.options.seed)
            if trained is None and not self.saved_model.is_dir():
                self._prepare()
            key = self._key(job.request, samples)
            pending[self._submit(job, source, samples, key, trained)] = job

        def collect(advance: Advance, timeout_s: float) -> None:
            for future in wait(pending, timeout=timeout_s, return_when=FIRST_COMPLETED).done:
                job = pending.pop(future)
                done[job] = self._collect(job, future)
                advance(1)

        open_jobs = []
        for job in jobs:
            if job.request.calibrated and calibration is None:
                done[job] = _skipped(job.request, _NO_CALIBRATION)
            elif job.request.stages and self._untrainable is not None:
                done[job] = _skipped(job.request, str(self._untrainable))
            elif (reused := self._reusable(job, calibration)) is not None:
                done[job] = reused
            else:
                open_jobs.append(job)
        # Calibrating schemes take longest; they go first, so that no core is left waiting for the last one.
        plain = sorted((job for job in open_jobs if not job.request.stages), key=lambda j: (not j.request.calibrated, -len(j.request.name)))  # fmt: skip
        with self.progress.task("Converting", len(jobs)) as advance:
            advance(len(done))
            for job in plain:
                submit(job)
            while pending:
                collect(advance, 0.2)
        for job in open_jobs:
            if job.request.stages:
                assert self._trainer is not None
                try:
                    submit(job, self._trainer.train(job.request))
                except TflitekitError as error:
                    done[job] = self._failure(job, error)
        if self._chief is not None:
            self._chief.release(source.model_dump(mode="json"))
        with self.progress.task("Converting what was trained", len(pending)) as advance:
            while pending:
                collect(advance, 0.2)
        return [done[job] for job in jobs]

    def _reusable(self, job: _Job, calibration: CalibrationSet | None) -> Variant | None:
        """Returns the variant of an earlier run that has the same key."""
        finished = self._finished_file(job)
        if job.samples is not None and calibration is not None:
            calibration = calibration.first(job.samples, self.options.seed)
        if finished is None or finished.key != self._key(job.request, calibration):
            return None
        return self._reuse(finished)

    def _key(self, request: Request, calibration: CalibrationSet | None) -> str:
        calibrated = request.calibrated and calibration is not None
        return hash_json(
            {
                "source": self._source_key,
                "scheme": request.scheme.name,
                "options": request.options,
                "code": content_hash(Path(inspect.getfile(request.scheme.configure))),
                "select": self.options.allow_select_tf_ops,
                "calibration": calibration.sha256 if calibrated and calibration else None,
                **({"training": self._trainer.key(request)} if self._trainer is not None and request.stages else {}),
            }
        )

    def _reuse(self, variant: Variant) -> Variant:
        """Takes a finished file; preprocessing and labels may have changed without touching its bytes."""
        assert variant.contract is not None
        contract = variant.contract.model_copy(update={"preprocessing": self.preprocessing, "labels": self.labels})
        if contract != variant.contract:
            variant = variant.model_copy(update={"contract": contract})
            variant.save()
        return variant.model_copy(update={"reused": True})

    def _submit(
        self, job: _Job, source: PreparedSource, calibration: CalibrationSet | None, key: str, trained: Trained | None
    ) -> Future[Any]:
        request = job.request
        for name in (f"{request.name}.tflite", f"{request.name}.json"):
            (job.out / name).unlink(missing_ok=True)  # nobody may take an older file for this run's
        arguments = {
            "scheme": request.scheme.name,
            "options": request.options,
            "saved_model": str(trained.saved_model if trained is not None else self.saved_model),
            "trained": trained.for_build() if trained is not None else None,
            "source": source.model_dump(mode="json"),
            "source_sha256": self.sha256,
            "calibration": calibration.model_dump(mode="json") if calibration else None,
            "preprocessing": self.preprocessing.model_dump(mode="json"),
            "labels": list(self.labels) if self.labels else None,
            "allow_select_tf_ops": self.options.allow_select_tf_ops,
            "out": str(job.out),
            "work": str(self.work),
            "key": key,
        }
        return self.pool.submit("tflitekit.build:build", arguments, label=request.name)

    def _collect(self, job: _Job, future: Future[Any]) -> Variant:
        try:
            variant = Variant.model_validate(future.result())
            return variant.model_copy(update={"folder": job.out})
        except TflitekitError as error:
            return self._failure(job, error)

    def _failure(self, job: _Job, error: TflitekitError) -> Variant:
        if error.exit_code == 2 and not isinstance(error, ModelError):
            raise error  # wrong use, missing TensorFlow, a full disk: not one scheme's failure
        request = job.request
        return Variant(
            name=request.name,
            scheme=request.scheme.name,
            options=request.options,
            status="failed",
            error=str(error),
        )

    def _clean(self) -> None:
        for folder in (*self.work.glob("saved_model*"), self.work / "calibration"):
            shutil.rmtree(folder, ignore_errors=True)
        for leftover in self.work.glob("*.candidate.tflite"):
            leftover.unlink()
        if self._trainer is not None:
            self._trainer.clean()


def labels_mismatch(labels: int, outputs: int) -> ContractError:
    """Returns the error for a labels file of the wrong length."""
    hint = ""
    if outputs == labels + 1:
        hint = " A model trained with a background class wants 'background' as the first line."
    return ContractError(
        f"There are {labels} labels, but the model has {outputs} outputs.",
        fix=f"Give one label per output, in the model's order.{hint}",
    )


def _skipped(request: Request, why: str) -> Variant:
    return Variant(
        name=request.name,
        scheme=request.scheme.name,
        options=request.options,
        status="skipped",
        error=why,
    )
