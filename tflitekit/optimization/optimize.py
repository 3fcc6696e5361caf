"""The verb *optimize*: convert, evaluate, benchmark, recommend, and write the report."""

from __future__ import annotations

import dataclasses
import functools
import platform
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tflitekit.accuracy.evaluation import Evaluation, check_certainty, evaluate_variants
from tflitekit.accuracy.lints.calibration import lint_calibration
from tflitekit.accuracy.metric_choice import by_reference
from tflitekit.accuracy.notes import told_by_file
from tflitekit.accuracy.on_targets import on_targets, opened
from tflitekit.accuracy.suitability import check_evaluation_data
from tflitekit.accuracy.without_labels import check_limits
from tflitekit.conversion import (
    WORK_FOLDER,
    ConversionSpec,
    ConvertResult,
    convert_unlocked,
    require_chief,
)
from tflitekit.conversion.proving import BASELINE
from tflitekit.core.errors import TflitekitError
from tflitekit.core.files import check_written, locked
from tflitekit.core.machine import describe_machine
from tflitekit.core.progress import Progress
from tflitekit.data.dataset import Dataset, InputPipeline, open_dataset
from tflitekit.data.pixels import holds_pixels
from tflitekit.hardware import Hardware, Profile, default_schemes, load_profile
from tflitekit.latency.benchmarking import measure_variants
from tflitekit.optimization.calibration_curve import measure_curve
from tflitekit.optimization.explaining import explain_lost
from tflitekit.optimization.judging import judged
from tflitekit.options.base import takes
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.evaluate import EvaluateOptions, ScoringOptions
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.render import write_all
from tflitekit.results import CalibrationPoint, Constraints, DatasetRecord, Finding, Report, SourceRecord, VariantReport
from tflitekit.results.recommendation import recommend
from tflitekit.schemes import Request, parse_request, parse_requests
from tflitekit.search import Clock, SearchLimits
from tflitekit.source.foreign.module import on_disk
from tflitekit.source.models import identify
from tflitekit.source.prepared import PreparedSource
from tflitekit.targets import CheckedTarget, open_target
from tflitekit.tasks.interface import Interface
from tflitekit.tflite.told import Told, given_or_told, told_by
from tflitekit.tflite.variant import tool_versions

__all__ = ["optimize"]


@takes(OptimizeOptions)
def optimize(
    model: Any,
    *,
    data: Any,
    out: str | Path,
    how: OptimizeOptions,
    constraints: Constraints | None = None,
    options: ConvertOptions | None = None,
    example_inputs: Any = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Takes a trained model through every scheme and recommends one variant.

    Writes ``NAME.tflite`` with sidecars, ``report.json``, ``report.html``, ``report.md`` and ``report.csv`` into ``out``. What
    an earlier run with the same model, data and options finished is reused. float32 is always among the schemes: it is the
    baseline.

    Args:
        model: A file or folder (Keras, SavedModel, float ``.tflite``, ONNX, ``.pt2``), a Keras model object, or a PyTorch module.
        data: Data to evaluate on (see `open_dataset`). Without labels the float32 variant's outputs are the reference.
        out: Folder for the results.
        constraints: The limits; see `Constraints` for the defaults.
        options: How to load, convert and train.
        example_inputs: What a PyTorch module is called with, a tuple of tensors; for no other model.
        seed: Of everything that is drawn: samples, training, the order of measurements; that of ``options`` when not given.
        progress: Receives progress.

    Returns:
        The report; ``recommendation.constraints_met`` says whether a variant meets all constraints.

    Raises:
        TflitekitError: Wrong input, or an evaluation that failed; what was converted is in the report then, too. Where only
            the float32 baseline fails, the report says so and recommends nothing.

    Example:
        >>> report = tk.optimize("model.keras", data="photos/test", calibration="photos/train", preprocess="0-1", out="build")
        >>> print(report.recommendation.chosen, report.recommendation.reasons)
    """
    out, progress = Path(out), progress or Progress()
    constraints, options = constraints or Constraints(), options or ConvertOptions()
    options = options if seed is None else options.replaced(seed=seed)
    options = _with_ignored(options, how.ignore_label)
    profile = load_profile(constraints.deploy_on)
    model = on_disk(model, example_inputs, out / WORK_FOLDER)
    _refuse_early(model, how, constraints, options)
    measuring = how.part(BenchmarkOptions, seed=options.seed)
    scoring = how.part(EvaluateOptions, seed=options.seed, jobs=options.jobs, baseline=BASELINE)
    spec = _spec(model, how, options, profile)
    dataset = open_dataset(data, labels=spec.labels, limit=how.limit, seed=options.seed, need_labels=False)
    without_labels = by_reference(how, dataset)
    check_limits(constraints, dataset, how.metric_of_all, by_reference=without_labels)
    spec = dataclasses.replace(spec, evaluation=dataset, limits=_search_limits(constraints, without_labels))
    with (
        locked(out),
        open_target(how.target) as target,
        opened(how.also_on, stream=how.stream) as places,
        ThreadPoolExecutor(1) as background,
    ):
        target.check(measuring)
        spec = dataclasses.replace(spec, clock=_clock(target, how, constraints, Hardware.of(profile)))
        values = background.submit(dataset.check_values)
        fingerprint = background.submit(_prepare_evaluation, dataset, values)  # while the worker imports TensorFlow
        check = functools.partial(_check_data, dataset, spec, how, values)
        converted = convert_unlocked(model, spec, out=out, options=options, progress=progress, check=check)
        try:
            evaluation, curve = _evaluate(converted, dataset, scoring, constraints, fingerprint.result(), progress)
        except TflitekitError as error:
            _report_what_there_is(error, converted, dataset, constraints, profile, out)
            raise
        measuring = measuring.replaced(input_shapes=evaluation.input_shapes)
        rows, doubts = measure_variants(
            evaluation.variants,
            converted.variants,
            target,
            measuring,
            BASELINE,
            progress,
            cache=out / WORK_FOLDER,
            data=dataset,
        )
        rows = on_targets(
            rows,
            converted.variants,
            dataset,
            places,
            scoring,
            progress=progress,
            constraints=constraints,
            cache=out / WORK_FOLDER,
        )
        if how.explain:
            rows = explain_lost(rows, converted.variants, dataset, constraints, options, progress)
        doubts = [*_data_warnings(model, converted, evaluation, dataset, how), *doubts]
        rows = judged(rows, converted.variants, profile)
        report = _report(converted, evaluation, rows, constraints, profile, doubts, curve)
        write_all(report, out)
        check_written([out / "report.json", *converted.files()])
    return report


def _with_ignored(options: ConvertOptions, number: int | None) -> ConvertOptions:
    """Lets training know the pixels that count for nothing."""
    training = options.training
    if training is None or training.ignore_label is not None or number is None:
        return options
    return options.replaced(training=training.replaced(ignore_label=number))


def _search_limits(constraints: Constraints, without_labels: bool) -> SearchLimits:
    """Returns what searches may lose. A drop of accuracy is one of classes here; other metrics have units of their own."""
    drop, of_class, kept = constraints.max_accuracy_drop, constraints.max_class_drop, constraints.min_fidelity
    return SearchLimits(
        lost=None if drop is None else drop / 100,
        unlike=None if kept is None else 1 - kept / 100,
        of_class=None if of_class is None or without_labels else of_class / 100,
        by_agreement=without_labels,
        size_bytes=constraints.max_size_bytes,
    )


def _clock(target: CheckedTarget, how: OptimizeOptions, constraints: Constraints, hardware: Hardware) -> Clock | None:
    """Returns what measures latency for searches; None where the target is not what the model is meant for, or times no single files."""
    counts = target.kind == hardware.kind and ("latency" in target.good_for or hardware.kind == "host")
    if not counts or hardware.accelerator not in ("", "cpu") or "measures latency" not in target.abilities:
        return None
    return Clock(target, how.threads[0], constraints.max_latency_ms)


def _refuse_early(model: Any, how: OptimizeOptions, constraints: Constraints, options: ConvertOptions) -> None:
    """Raises what can be told before anything is opened."""
    require_chief(options)
    if how.until_certain:
        check_certainty(constraints)
    if isinstance(model, str | Path):
        identify(model)


def _check_data(
    dataset: Dataset, spec: ConversionSpec, how: ScoringOptions, values: Future[None], source: PreparedSource
) -> None:
    """Raises where the data do not fit the model, or hold values that nothing can be made of."""
    pipeline = InputPipeline(source.inputs, spec.preprocessing, source.vocabularies)
    interface = Interface(tuple(source.inputs), tuple(source.outputs), spec.output, classes=spec.labels)
    check_evaluation_data(dataset, [pipeline], interface, how)
    values.result()


def _spec(model: Any, how: OptimizeOptions, options: ConvertOptions, profile: Profile) -> ConversionSpec:
    preprocessing, labels = given_or_told(model, how.preprocess, how.labels)
    default = default_schemes(profile, training=options.training is not None)
    return ConversionSpec(
        requests=_requests(default if how.schemes is None else how.schemes, how.rounding),
        calibration=how.calibration,
        preprocessing=preprocessing,
        labels=labels,
        output=how.scored,
        curve=how.calibration_curve,
        skip_unfit=how.schemes is None,
    )


def _evaluate(
    converted: ConvertResult,
    dataset: Dataset,
    how: EvaluateOptions,
    constraints: Constraints,
    fingerprint: str | None,
    progress: Progress,
) -> tuple[Evaluation, tuple[CalibrationPoint, ...]]:
    """Evaluates the variants, and those of the calibration curve."""
    common: dict[str, Any] = {
        "progress": progress,
        "cache": converted.out / WORK_FOLDER,
        "constraints": constraints,
        "fingerprint": fingerprint,
    }
    evaluation = evaluate_variants(converted.variants, dataset, how, **common)
    return evaluation, measure_curve(converted, dataset, how, **common)


def _report_what_there_is(
    error: TflitekitError,
    converted: ConvertResult,
    dataset: Dataset,
    constraints: Constraints,
    profile: Profile,
    out: Path,
) -> None:
    """Writes a report of what was converted, where the evaluation failed; one of an earlier run is worth more."""
    if (out / "report.json").exists():
        return
    found = Finding(kind="not-evaluated", message=f"The evaluation failed: {error.what}", advice=error.fix)
    record = DatasetRecord(location=dataset.location, kind=dataset.kind, samples=0, classes=dataset.classes)
    rows = tuple(VariantReport.of(variant) for variant in converted.variants)
    evaluation = Evaluation(record, None, rows, (found,))
    write_all(_report(converted, evaluation, rows, constraints, profile, ()), out)


def _prepare_evaluation(dataset: Dataset, checked: Future[None]) -> str | None:
    """Does what the evaluation will need and a core is idle for: imports SciPy, hashes data that were checked."""
    import scipy.stats  # noqa: F401

    checked.result()
    return dataset.fingerprint()


def _requests(schemes: Sequence[str | Request], rounding: str | None) -> list[Request]:
    """Returns what to build, the baseline first."""
    wanted = parse_requests(schemes, rounding)
    unique = {request.name: request for request in [parse_request(BASELINE), *wanted]}
    return list(unique.values())


def _data_warnings(
    model: Any, converted: ConvertResult, evaluation: Evaluation, dataset: Dataset, how: OptimizeOptions
) -> list[Finding]:
    found = _calibration_warnings(converted, evaluation, dataset)
    told = told_by(model)
    found += told_by_file(Path(model).name, told, how.preprocess, how.labels) if told != Told() else []
    unnamed = how.preprocess is None and told.preprocessing is None
    return found + (_unnamed_preprocessing(dataset, converted) if unnamed else [])


def _calibration_warnings(converted: ConvertResult, evaluation: Evaluation, dataset: Dataset) -> list[Finding]:
    calibration, location = converted.calibration, converted.calibration_location
    prepared = next((variant for variant in converted.variants if variant.contract is not None), None)
    if calibration is None or location is None or prepared is None:
        return []
    found = lint_calibration(
        calibration,
        location,
        pictures=converted.calibration_kind == "images",
        evaluation=evaluation.inputs,
        dataset=dataset,
        prepared=prepared,
    )
    if calibration.skipped:
        text = f"{len(calibration.skipped)} unreadable calibration samples were skipped."
        found.append(Finding(kind="unreadable-samples", message=text, advice="Repair or remove these files."))
    return found


def _unnamed_preprocessing(dataset: Dataset, converted: ConvertResult) -> list[Finding]:
    if not any(holds_pixels(dataset, spec) for spec in converted.source.inputs):
        return []
    return [
        Finding(
            kind="preprocessing-not-named",
            message="No preprocessing was named, so 'raw' was used: the model gets pixels from 0 to 255 unchanged.",
            advice="Use --preprocess to name the one that the model was trained with.",
        )
    ]


def _report(
    converted: ConvertResult,
    evaluation: Evaluation,
    rows: tuple[VariantReport, ...],
    constraints: Constraints,
    profile: Profile,
    doubts: Sequence[Finding],
    curve: tuple[CalibrationPoint, ...] = (),
) -> Report:
    source, hardware = converted.source, Hardware.of(profile)
    warnings = [*(Finding(kind="source", message=note) for note in source.notes), *evaluation.warnings, *doubts]
    return Report(
        tool=tool_versions() | {"python": platform.python_version()},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=describe_machine(),
        source=SourceRecord(
            location=converted.source_location,
            sha256=converted.source_sha256,
            kind=source.kind,
            loader=source.loader,
            parameters=source.parameters,
            notes=source.notes,
            proof=source.proof,
        ),
        dataset=_dataset_record(evaluation.dataset, converted),
        contract=converted.variants[0].contract,
        baseline=evaluation.baseline,
        constraints=constraints,
        hardware=hardware,
        variants=rows,
        recommendation=recommend(
            rows,
            constraints,
            baseline=evaluation.baseline,
            data=evaluation.dataset.location,
            unfit=evaluation.unfit,
            hardware=hardware,
        ),
        calibration_curve=curve,
        warnings=tuple(warnings),
    )


def _dataset_record(record: DatasetRecord, converted: ConvertResult) -> DatasetRecord:
    calibration = converted.calibration
    if calibration is None:
        return record
    return record.model_copy(
        update={
            "calibration_location": converted.calibration_location,
            "calibration_samples": calibration.samples,
            "calibration_sha256": calibration.sha256,
        }
    )
