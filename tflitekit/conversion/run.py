"""One run of *convert*: which variants are finished, which are trained and built, and what became of each."""

from __future__ import annotations

import functools
import inspect
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tflitekit.conversion.jobs import Job, in_order, without_file
from tflitekit.conversion.loading import Loading
from tflitekit.conversion.proving import BASELINE, check_vocabularies, prove, refuse
from tflitekit.conversion.result import CURVE_SCHEME, WORK_FOLDER, ConvertResult
from tflitekit.conversion.searching import search_key, search_variant, select
from tflitekit.conversion.spec import ConversionSpec
from tflitekit.core.errors import CrashError, ModelError, OutOfMemoryError, TflitekitError
from tflitekit.core.files import content_hash, hash_json
from tflitekit.core.machine import usable_cores
from tflitekit.core.process.crew import Crew, Pool
from tflitekit.core.process.threads import in_thread
from tflitekit.core.progress import Advance, Progress
from tflitekit.data.calibration import CalibrationSet, store_calibration
from tflitekit.data.contract import find_output, labels_mismatch
from tflitekit.data.dataset import Dataset, InputPipeline
from tflitekit.data.sound_format import check_same_rate
from tflitekit.engines.choice import choose, operators_of
from tflitekit.engines.litert_quantizer import float_file_of
from tflitekit.engines.op_advice import on_a_loop
from tflitekit.engines.preload import worker_modules
from tflitekit.options.convert import ConvertOptions
from tflitekit.schemes import Request, parse_request
from tflitekit.search import CANDIDATES, Found, Selected, Setting
from tflitekit.source.few_samples import FewSamples, keep_samples
from tflitekit.source.models import needs_tensorflow
from tflitekit.source.prepared import Exported, PreparedSource
from tflitekit.tflite.variant import Variant, read_sidecar
from tflitekit.training.distributed.rendezvous import Chief
from tflitekit.training.run.plan import Trained, TrainingPlan, kept_note, with_note

__all__ = ["Conversion"]

_NO_CALIBRATION = "Needs calibration data: give a few hundred representative samples with --calibration DATA."


class Conversion:
    """One run of `convert`."""

    def __init__(
        self,
        model: Any,
        spec: ConversionSpec,
        out: Path,
        data: Dataset | None,
        options: ConvertOptions,
        progress: Progress,
        chief: Chief | None,
        check: Callable[[PreparedSource], object] | None,
        crew: Crew,
    ) -> None:
        self.model, self.spec, self.out, self.data = model, spec, out, data
        self.options, self.progress = options, progress
        self.sound = spec.sound(data)
        self.work = out / WORK_FOLDER
        self.jobs = [Job(request, out) for request in spec.requests]
        scheme = parse_request(CURVE_SCHEME)
        self.curve = [Job(scheme, self.work / "curve" / str(count), count) for count in sorted(set(spec.curve))]
        self.loading = Loading(
            model, self.work, options, samples=self._few_samples, pool=lambda: self.pool, progress=progress
        )
        self._pool: Pool | None = None
        self._plan: TrainingPlan | None = None
        self._chief, self._check, self._crew = chief, check, crew
        self._untrainable: ModelError | None = None
        self._made: dict[Job, Variant] = {}
        self._selected: Selected | None = None

    @property
    def pool(self) -> Pool:
        """The workers, started when first needed: a run that finds everything finished starts none."""
        if self._pool is None:
            jobs = self.options.jobs or usable_cores()
            modules = worker_modules(tensorflow=self.loading.file is None or needs_tensorflow(self.loading.file))
            modules += (CANDIDATES,) if any(request.scheme.search for request in self.spec.requests) else ()
            self._pool = self._crew.pool(jobs=jobs, timeout_s=self.options.timeout_s, preload=modules)
        return self._pool

    def run(self) -> ConvertResult:
        with self._chief or nullcontext():
            return self._run()

    def _run(self) -> ConvertResult:
        try:
            source = self.loading.load(self._all_finished)
            self._check_labels(source)
            if self._check is not None:
                self._check(source)
            calibration = None
            if self.data is not None:
                folder = self.work / "calibration"
                calibration = store_calibration(
                    self.data, source.inputs, self.spec.preprocessing, folder, self.progress, source.vocabularies
                )
                self._selected = select(
                    self.spec, self.options, calibration, self.data, source, self.work, self.progress
                )
            source = self._proved(source, calibration)
            check_vocabularies(calibration, source, self.loading.folder)
            if any(job.request.stages for job in self.jobs):
                try:
                    self._plan = self._open_plan(source)
                except ModelError as error:
                    if not self.spec.skip_unfit:
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
            self.loading.location,
            self.loading.sha256,
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

    def _open_plan(self, source: PreparedSource) -> TrainingPlan:
        plan = TrainingPlan(
            self.loading.file or self.model,
            source_key=self.loading.key,
            conversion=self.options,
            pipeline=InputPipeline(source.inputs, self.spec.preprocessing, source.vocabularies),
            labels=self.spec.labels,
            work=self.work,
            submit=self._chief.submit if self._chief is not None else self._submit_training,
            progress=self.progress,
        )
        check_same_rate({"The training data": plan.data.sound, "what is converted": self.sound})
        return plan

    def _submit_training(self, call: str, arguments: dict[str, Any], label: str) -> Future[Any]:
        return self.pool.submit(call, arguments, label=label, timeout_s=None, gpu=True)

    def _few_samples(self) -> FewSamples:
        """Returns a few of the user's samples to compare the original and what becomes of it on, or random ones without."""
        data, origin = (self.data, "calibration") if self.data is not None else (self.spec.evaluation, "evaluation")
        if data is None:
            return FewSamples()
        return keep_samples(data, self.work / "proof" / "samples.npz", origin, self.spec.preprocessing)

    def _proved(self, source: PreparedSource, calibration: CalibrationSet | None) -> PreparedSource:
        """Returns the source with its proof and the operators of its float file, once for all runs.

        Raises:
            ModelError: What was converted computes something else.
        """
        if source.proof is not None and (source.form == "tflite" or source.operators is not None):
            return source
        baseline = None
        if source.form == "saved_model":
            apart = Job(parse_request(BASELINE), self.work / "proof")
            job = next((job for job in self.jobs if job.request.name == BASELINE), apart)
            baseline = self._made[job] = self._reusable(job, source, calibration) or self._make(
                job, source, calibration
            )
        exported = Exported(self.loading.folder, source.form)
        proof = source.proof or prove(source, exported, baseline, self.pool, self.progress)
        if not proof.holds:
            raise refuse(proof, source, self.loading.location, baseline)
        source = source.model_copy(update={"proof": proof, **self._float_file(baseline)})
        if baseline is not None and baseline.status == "ok":
            self._made[job] = baseline.model_copy(update={"proof": proof})
            self._made[job].save()
        self.loading.proved(source)
        return source

    def _float_file(self, baseline: Variant | None) -> dict[str, Any]:
        """Leaves the float file of a SavedModel for the quantizer, and returns what there is to know of it."""
        if baseline is None or baseline.status != "ok":
            return {}
        path = float_file_of(Exported(self.loading.folder))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(baseline.path, path)
        return operators_of(baseline.path)

    def _make(self, job: Job, source: PreparedSource, calibration: CalibrationSet | None) -> Variant:
        self.loading.require(source)
        with self.progress.task("Converting to float32", 1) as advance:
            future = self._submit(job, source, calibration, self._key(job.request, source, calibration), None)
            variant = self._collect(job, future, source, None)
            advance(1)
        return variant

    def _all_finished(self) -> bool:
        """Whether every requested variant exists for this model, so that its export is probably not needed.

        Whether it is, their keys tell, which depend on the calibration data, which depend on the inputs in the record.
        """
        return all(self._finished_file(job) is not None for job in (*self.jobs, *self.curve))

    def _finished_file(self, job: Job) -> Variant | None:
        path = job.out / f"{job.request.name}.tflite"
        sidecar = read_sidecar(path)
        if sidecar is None or sidecar.source_sha256 != self.loading.sha256 or not path.is_file():
            return None
        return sidecar if sidecar.sha256 == content_hash(path) else None

    def _check_labels(self, source: PreparedSource) -> None:
        labels, shape = self.spec.labels, find_output(source.outputs, self.spec.output).shape
        of_classes = len(shape) > 1 and math.prod(shape[1:]) == shape[-1] > 1  # not one of boxes, or of pixels
        if labels is not None and of_classes and len(labels) != shape[-1]:
            raise labels_mismatch(len(labels), shape[-1])

    def _variants(self, source: PreparedSource, calibration: CalibrationSet | None) -> list[Variant]:
        done: dict[Job, Variant] = {}
        pending: dict[Future[Any], tuple[Job, Trained | None]] = {}
        jobs = [*self.jobs, *self.curve]

        def submit(job: Job, trained: Trained | None = None) -> None:
            samples = self._samples(job, calibration)
            if trained is None:
                self.loading.require(source)
            key = self._key(job.request, source, samples)
            pending[self._submit(job, source, samples, key, trained)] = job, trained

        def collect_all(advance: Advance) -> None:
            while pending:
                for future in wait(pending, timeout=0.2, return_when=FIRST_COMPLETED).done:
                    job, trained = pending.pop(future)
                    done[job] = self._collect(job, future, source, trained)
                    advance(1)

        open_jobs = []
        for job in jobs:
            if job in self._made:
                done[job] = self._made[job]
            elif job.request.calibrated and calibration is None:
                done[job] = without_file(job.request, "skipped", _NO_CALIBRATION)
            elif job.request.stages and self._untrainable is not None:
                done[job] = without_file(job.request, "skipped", str(self._untrainable))
            elif (reused := self._reusable(job, source, calibration)) is not None:
                done[job] = reused
            else:
                open_jobs.append(job)
        single = [job for job in open_jobs if not job.request.stages and not job.request.scheme.search]
        plain = in_order(single, source.form)
        with self.progress.task("Converting", len(jobs)) as advance:
            advance(len(done))
            for job in plain:
                submit(job)
            collect_all(advance)
        for job in open_jobs:
            if job.request.scheme.search:
                done[job] = self._search(job, source, calibration)
        unconvertible = any(v.scheme == "float32" and v.status == "failed" for v in done.values())
        to_train = [job for job in open_jobs if job.request.stages]
        if unconvertible:
            why = "Was not trained, because not even float32 can be converted: see its error."
            done |= {job: without_file(job.request, "skipped", why) for job in to_train}
            to_train = []
        for job, trained in self._trained(to_train):
            try:
                submit(job, trained())
            except TflitekitError as error:
                done[job] = self._failure(job, error)
        if self._chief is not None:
            self._chief.release(source.model_dump(mode="json"))
        if pending:
            with self.progress.task("Converting what was trained", len(pending)) as advance:
                collect_all(advance)
        return [done[job] for job in jobs]

    def _trained(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Callable[[], Trained]]]:
        """Yields jobs with what returns their training or raises why it failed: one after the other, and on a cluster all at the same time,
        in the order in which they end."""
        assert self._plan is not None or not jobs
        trainings = {
            job: functools.partial(self._plan.train, job.request, try_first=True) for job in jobs if self._plan
        }
        if not self._crew.spread or self._chief is not None or self.loading.file is None:
            yield from trainings.items()
            return
        pending = {in_thread(train): job for job, train in trainings.items()}
        while pending:
            for future in wait(pending, timeout=0.2, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future.result

    def _reusable(self, job: Job, source: PreparedSource, calibration: CalibrationSet | None) -> Variant | None:
        """Returns the variant of an earlier run that has the same key."""
        finished = self._finished_file(job)
        if finished is None or finished.key != self._key(job.request, source, self._samples(job, calibration)):
            return None
        return self._reuse(finished)

    def _samples(self, job: Job, calibration: CalibrationSet | None) -> CalibrationSet | None:
        """Returns the calibration samples of a job: all, or the first so many of a seeded order."""
        if job.samples is None or calibration is None:
            return calibration
        return calibration.first(job.samples, self.options.seed)

    def _key(
        self, request: Request, source: PreparedSource, calibration: CalibrationSet | None, *, whole: bool = True
    ) -> str:
        """Returns the key of a variant; that of a search without its budget and limits, unless ``whole``."""
        calibrated = request.calibrated and calibration is not None
        return hash_json(
            {
                "source": self.loading.key,
                "scheme": request.scheme.name,
                "options": request.options,
                "engine": choose(request, source).engine,
                "code": content_hash(Path(inspect.getfile(request.scheme.configure))),
                "select": self.options.allow_select_tf_ops,
                "calibration": calibration.sha256 if calibrated and calibration else None,
                **({"training": self._plan.key(request)} if self._plan is not None and request.stages else {}),
                **(search_key(self.spec, self.options, self._selected, whole) if request.scheme.search else {}),
            }
        )

    def _reuse(self, variant: Variant) -> Variant:
        """Takes a finished file; preprocessing and labels may have changed without touching its bytes."""
        assert variant.contract is not None
        contract = variant.contract.model_copy(
            update={"preprocessing": self.spec.preprocessing, "sound": self.sound, "labels": self.spec.labels}
        )
        if contract != variant.contract:
            variant = variant.model_copy(update={"contract": contract})
            variant.save()
        return variant.model_copy(update={"reused": True})

    def _search(self, job: Job, source: PreparedSource, calibration: CalibrationSet | None) -> Variant:
        """Searches for a file; the best so far lies in its place, for when the search is stopped."""
        assert calibration is not None and self._selected is not None
        self.loading.require(source)
        key, folder = (self._key(job.request, source, calibration, whole=whole) for whole in (True, False))
        setting = Setting(
            request=job.request,
            exported=Exported(self.loading.folder, source.form),
            source=source,
            calibration=calibration,
            selected=self._selected,
            folder=self.work / f"search-{job.request.name}-{folder[:16]}",
            output=self.spec.output,
            labels=self.spec.labels,
            limits=self.spec.limits,
            options=self.options,
            clock=self.spec.clock,
        )

        def submit(found: Found, key: str) -> Future[Any]:
            return self._submit(job, source, calibration, key, None, found)

        try:
            return search_variant(setting, key, submit, self.pool, self.progress).model_copy(update={"folder": job.out})
        except TflitekitError as error:
            return self._failure(job, error)

    def _submit(
        self,
        job: Job,
        source: PreparedSource,
        calibration: CalibrationSet | None,
        key: str,
        trained: Trained | None,
        found: Found | None = None,
    ) -> Future[Any]:
        request = job.request
        for name in (f"{request.name}.tflite", f"{request.name}.json"):
            (job.out / name).unlink(missing_ok=True)  # nobody may take an older file for this run's
        arguments = {
            "scheme": request.scheme.name,
            "options": request.options,
            "exported": str(trained.saved_model if trained is not None else self.loading.folder),
            "trained": trained.for_variant() if trained is not None else None,
            "found": found.for_variant() if found is not None else None,
            "source": source.model_dump(mode="json"),
            "source_sha256": self.loading.sha256,
            "calibration": calibration.model_dump(mode="json") if calibration else None,
            "preprocessing": self.spec.preprocessing.model_dump(mode="json"),
            "sound": self.sound.model_dump(mode="json") if self.sound else None,
            "labels": list(self.spec.labels) if self.spec.labels else None,
            "allow_select_tf_ops": self.options.allow_select_tf_ops,
            "out": str(job.out),
            "work": str(self.work),
            "key": key,
        }
        return self.pool.submit("tflitekit.engines.variants:make_variant", arguments, label=request.name)

    def _collect(self, job: Job, future: Future[Any], source: PreparedSource, trained: Trained | None) -> Variant:
        try:
            variant = Variant.model_validate(future.result())
            return variant.model_copy(update={"folder": job.out})
        except TflitekitError as error:
            found: TflitekitError = error
            if isinstance(error, CrashError) and not isinstance(error, OutOfMemoryError) and job.request.calibrated:
                found = on_a_loop(error, source.loops, source.layers)
            return self._failure(job, with_note(found, kept_note([trained.folder])) if trained is not None else found)

    def _failure(self, job: Job, error: TflitekitError) -> Variant:
        if error.exit_code == 2 and not isinstance(error, ModelError):
            raise error  # wrong use, missing TensorFlow, a full disk: not one scheme's failure
        if isinstance(error, OutOfMemoryError):
            error = self._crew.short_of_memory(error)
        return without_file(job.request, "failed", str(error))

    def _clean(self) -> None:
        for folder in (
            *self.work.glob("saved_model*"),
            *(self.work / name for name in ("calibration", "selection", "proof")),
        ):
            shutil.rmtree(folder, ignore_errors=True)
        for leftover in self.work.glob("*.candidate.tflite"):
            leftover.unlink()
        if self._plan is not None:
            self._plan.clean()
