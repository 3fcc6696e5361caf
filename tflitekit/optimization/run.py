"""The steps of *optimize*, in their order: convert, evaluate, benchmark, recommend, and write the report."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflitekit.accuracy.adaptive import check_decidable
from tflitekit.accuracy.evaluation import Evaluation, evaluate_variants
from tflitekit.accuracy.metric_choice import by_reference
from tflitekit.accuracy.metrics import ReferenceMetric
from tflitekit.accuracy.on_targets import on_targets, opened
from tflitekit.accuracy.suitability import check_evaluation_data, check_metric_limits
from tflitekit.accuracy.without_labels import check_limits
from tflitekit.cluster.depot import require_relative
from tflitekit.conversion import (
    WORK_FOLDER,
    ConversionSpec,
    ConvertResult,
    convert_unlocked,
    open_calibration,
    with_output,
)
from tflitekit.conversion.proving import BASELINE
from tflitekit.conversion.searching import searches_by_latency
from tflitekit.core.errors import TflitekitError, UsageError
from tflitekit.core.files import check_written, locked
from tflitekit.core.process.crew import THIS_MACHINE, Crew
from tflitekit.core.progress import Progress
from tflitekit.core.remote import at_hand
from tflitekit.data.dataset import Dataset, InputPipeline, open_dataset
from tflitekit.hardware import Hardware, Profile, default_schemes, load_profile
from tflitekit.latency.benchmarking import measure_variants
from tflitekit.optimization.calibration_curve import measure_curve
from tflitekit.optimization.early import faults_in
from tflitekit.optimization.explaining import explain_lost
from tflitekit.optimization.judging import judged
from tflitekit.optimization.order import Order
from tflitekit.optimization.reporting import data_warnings, report_of, write_what_there_is
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.evaluate import EvaluateOptions, ScoringOptions
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.render import write_all
from tflitekit.results import CalibrationPoint, Constraints, Finding, Report, VariantReport, only_here
from tflitekit.schemes import Request, parse_request, parse_requests
from tflitekit.search import Clock, SearchLimits
from tflitekit.source.models import recognize
from tflitekit.source.prepared import PreparedSource
from tflitekit.targets import AWAY, CheckedTarget, is_device, open_target
from tflitekit.tasks.interface import Interface
from tflitekit.tflite.told import given_or_told

__all__ = ["Prepared", "finish", "needs_clock", "prepare", "run"]


def run(order: Order, crew: Crew, progress: Progress, *, ahead: bool = False) -> Report:
    """Takes the whole way, or goes on where an earlier run stopped.

    Args:
        crew: Who converts and evaluates; what is measured, is measured on this machine or from it.
        ahead: Whether to stop before anything is measured that needs a device, or a machine of its own; the same order without it then goes on.

    Raises:
        TflitekitError: See `tflitekit.optimize`.
    """
    return finish(prepare(order), crew, progress, ahead=ahead)


@dataclass(frozen=True)
class Prepared:
    """An order of which nothing is known to be wrong, with what was opened to find out.

    Attributes:
        order: With the model on this machine, and options that follow from others.
        dataset: To evaluate on.
        calibration: To calibrate on; None where nothing needs them.
    """

    order: Order
    profile: Profile
    spec: ConversionSpec
    dataset: Dataset
    calibration: Dataset | None


def prepare(order: Order) -> Prepared:
    """Opens what an order names, and raises what is wrong as far as that is known before anything takes time."""
    how, constraints = order.how, order.constraints
    options = _with_ignored(order.options, how.ignore_label)
    for fault in faults_in(how, constraints, options):
        raise fault.error
    order = dataclasses.replace(order, model=at_hand(order.model), options=options)
    profile = load_profile(constraints.deploy_on)
    if isinstance(order.model, str | Path):
        recognize(order.model)
    spec = _spec(order.model, how, options, profile)
    dataset = open_dataset(order.data, labels=spec.labels, limit=how.limit, seed=options.seed, need_labels=False)
    without_labels = by_reference(how, dataset)
    check_limits(constraints, dataset, how.metric_of_all, by_reference=without_labels)
    spec = dataclasses.replace(spec, evaluation=dataset, limits=_search_limits(constraints, without_labels))
    calibration = open_calibration(order.model, spec, options)
    if how.depot is not None:
        for place in (order.data, options.training.data if options.training is not None else None):
            require_relative(place)
    for data in (dataset, calibration):
        if data is not None:
            _refuse_inside(order.out, data)
    return Prepared(order, profile, spec, dataset, calibration)


def _refuse_inside(out: Path, data: Dataset) -> None:
    """Refuses to write among class folders, of which the results would be one in the next run."""
    if data.kind in ("images", "sounds") and Path(out).resolve().is_relative_to(Path(data.location).resolve()):
        raise UsageError(
            f"The results would lie among the data: {out} is in {data.location}.",
            fix="With --out, choose a folder elsewhere.",
        )


def finish(found: Prepared, crew: Crew, progress: Progress, *, ahead: bool = False) -> Report:
    """Does as `run` for an order that was prepared."""
    order, profile, spec, dataset = found.order, found.profile, found.spec, found.dataset
    out, how, constraints, options = order.out, order.how, order.constraints, order.options
    measuring = how.part(BenchmarkOptions, seed=options.seed)
    scoring = how.part(EvaluateOptions, seed=options.seed, jobs=options.jobs, baseline=BASELINE)
    with (
        locked(out),
        _target(how, ahead) as target,
        opened([name for name in how.also_on if not (ahead and is_device(name))], stream=how.stream) as places,
        ThreadPoolExecutor(1) as background,
    ):
        if target is not None:
            target.check(measuring)
        spec = dataclasses.replace(spec, clock=_clock(target, how, constraints, Hardware.of(profile)))
        values = background.submit(dataset.check_values)
        fingerprint = background.submit(_prepare_evaluation, dataset, values)  # while the worker imports TensorFlow
        check = functools.partial(_check_data, dataset, spec, how, constraints, values)
        options = with_output(options, how.output)
        converted = convert_unlocked(
            order.model,
            spec,
            data=found.calibration,
            out=out,
            options=options,
            progress=progress,
            check=check,
            crew=crew,
        )
        try:
            evaluation, curve = _evaluate(
                converted, dataset, scoring, constraints, fingerprint.result(), progress, crew
            )
        except TflitekitError as error:
            write_what_there_is(error, converted, dataset, constraints, profile, out)
            raise
        rows, doubts = _measured(evaluation, converted, target, measuring, dataset, crew, progress)
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
        if how.explain and not ahead:
            rows = explain_lost(rows, converted.variants, dataset, constraints, options, scoring, progress)
        doubts = [*data_warnings(order.model, converted, evaluation, dataset, how), *doubts]
        rows = judged(rows, converted.variants, profile)
        rows = only_here(rows) if crew is THIS_MACHINE else rows
        report = report_of(converted, evaluation, rows, constraints, profile, doubts, curve)
        write_all(report, out)
        check_written([out / "report.json", *converted.files()])
    return report


@contextmanager
def _target(how: OptimizeOptions, ahead: bool) -> Iterator[CheckedTarget | None]:
    """Opens what latency is measured on; None where that comes later."""
    with nullcontext() if ahead else open_target(how.target) as target:
        yield target


def _measured(
    evaluation: Evaluation,
    converted: ConvertResult,
    target: CheckedTarget | None,
    how: BenchmarkOptions,
    dataset: Dataset,
    crew: Crew,
    progress: Progress,
) -> tuple[tuple[VariantReport, ...], list[Finding]]:
    """Returns the rows with latencies, and doubts about these; without a target the rows as they are."""
    if target is None:
        later = Finding(
            kind="not-measured-yet", message="Latency was not measured yet.", advice="Run the same command again."
        )
        return evaluation.variants, [later]
    with crew.alone(here=target.kind not in AWAY):
        rows, doubts = measure_variants(
            evaluation.variants,
            converted.variants,
            target,
            how.replaced(input_shapes=evaluation.input_shapes),
            BASELINE,
            progress,
            cache=converted.out / WORK_FOLDER,
            data=dataset,
        )
    return tuple(rows), list(doubts)


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


def _clock(
    target: CheckedTarget | None, how: OptimizeOptions, constraints: Constraints, hardware: Hardware
) -> Clock | None:
    """Returns what measures latency for searches; None where the target is not what the model is meant for, or times no single files."""
    if target is None:
        return None
    counts = target.kind == hardware.kind and ("latency" in target.good_for or hardware.kind == "host")
    if not counts or hardware.accelerator not in ("", "cpu") or "measures latency" not in target.abilities:
        return None
    return Clock(target, how.threads[0], constraints.max_latency_ms)


def needs_clock(how: OptimizeOptions) -> bool:
    """Whether something is searched for by its latency, which only the target tells."""
    return any(map(searches_by_latency, _requests(how.schemes or (), how.rounding)))


def _check_data(
    dataset: Dataset,
    spec: ConversionSpec,
    how: ScoringOptions,
    constraints: Constraints,
    values: Future[None],
    source: PreparedSource,
) -> None:
    """Raises where the data do not fit the model, the limits not the metric, or where nothing can be made of the values."""
    pipeline = InputPipeline(source.inputs, spec.preprocessing, source.vocabularies)
    interface = Interface(tuple(source.inputs), tuple(source.outputs), spec.output, classes=spec.labels)
    metric = check_evaluation_data(dataset, [pipeline], interface, how)
    check_metric_limits(metric, how, constraints)
    if how.until_certain and not isinstance(
        metric, ReferenceMetric
    ):  # what an output means without labels, the files will tell
        check_decidable(dataset, metric)
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
    crew: Crew,
) -> tuple[Evaluation, tuple[CalibrationPoint, ...]]:
    """Evaluates the variants, and those of the calibration curve."""
    common: dict[str, Any] = {
        "progress": progress,
        "cache": converted.out / WORK_FOLDER,
        "constraints": constraints,
        "fingerprint": fingerprint,
        "crew": crew,
    }
    evaluation = evaluate_variants(converted.variants, dataset, how, **common)
    return evaluation, measure_curve(converted, dataset, how, **common)


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
