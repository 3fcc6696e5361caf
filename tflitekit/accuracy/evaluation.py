"""The verb *evaluate*: accuracy of variants on the same samples."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tflitekit.accuracy.adaptive import Certainty, score_until_certain
from tflitekit.accuracy.lints.chance import chance
from tflitekit.accuracy.lints.class_numbers import MOSTLY_RIGHT, class_numbers
from tflitekit.accuracy.lints.float16 import lint_float16
from tflitekit.accuracy.lints.inputs import lint_inputs
from tflitekit.accuracy.lints.nothing_found import nothing_found
from tflitekit.accuracy.lints.one_label import one_label
from tflitekit.accuracy.lints.presets import other_preset
from tflitekit.accuracy.lints.search import lint_search
from tflitekit.accuracy.lints.training import lint_training
from tflitekit.accuracy.lints.wrong_reading import wrong_reading
from tflitekit.accuracy.meanings import told_by_answers
from tflitekit.accuracy.metric_choice import by_reference, require_metric
from tflitekit.accuracy.metrics import AnyMetric, ReferenceMetric, metrics
from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.accuracy.metrics.decoded import DecodedMetric, DecodedReference
from tflitekit.accuracy.metrics.detection import Detection
from tflitekit.accuracy.notes import (
    as_stream,
    skipped_samples,
    stopped_early,
    stored_pixels,
    told_by_file,
    unlike_processors,
    without_baseline,
)
from tflitekit.accuracy.on_targets import on_targets, opened
from tflitekit.accuracy.score_store import ScoreStore, score_all
from tflitekit.accuracy.scored import Scored
from tflitekit.accuracy.scoring import RUNTIME, ScoringJob
from tflitekit.accuracy.several_outputs import of_deciding
from tflitekit.accuracy.spread import spread_over
from tflitekit.accuracy.suitability import metric_of
from tflitekit.accuracy.variant_rows import control_of, inputs_of, linted, row_of, with_examples
from tflitekit.accuracy.without_labels import ambiguous_output, choose_reference, left_out
from tflitekit.cluster.crew import crew_of
from tflitekit.cluster.depot import require_relative
from tflitekit.core.arguments import as_list
from tflitekit.core.errors import DataError, ModelError, UsageError
from tflitekit.core.files import hash_json
from tflitekit.core.lifetime import scratch, temporary_folder
from tflitekit.core.packing import pack_labels
from tflitekit.core.process.crew import THIS_MACHINE, Crew
from tflitekit.core.process.workers import run_alone
from tflitekit.core.progress import Progress
from tflitekit.core.remote import local_copy
from tflitekit.data.contract import Contract, resolve_labels
from tflitekit.data.dataset import Dataset, UnreadableSampleError, open_dataset
from tflitekit.data.facts import Inputs, usual_shapes
from tflitekit.data.preprocessing import Preprocessing, load_preprocessing
from tflitekit.data.sound_format import check_same_rate
from tflitekit.options.base import takes
from tflitekit.options.evaluate import EvaluateOptions, ScoringOptions
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import Constraints, DatasetRecord, Finding, Rejection, Report, VariantReport, only_here
from tflitekit.results.limits import certainty_limit
from tflitekit.results.recommendation import UNFIT, broken_gates
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model, runtime_name, zeros
from tflitekit.tflite.told import Told, told_by
from tflitekit.tflite.variant import Variant, load_variant, with_stored_pixels

__all__ = ["Evaluation", "choose_baseline", "evaluate", "evaluate_variants", "named_variants", "probe"]


@dataclass(frozen=True)
class Evaluation:
    """Accuracy of several variants on the same samples, or, without labels, their fidelity to the baseline.

    Attributes:
        variants: Reports without latency, in the order given.
        baseline: The variant that the others are compared with.
        broken: Variants that break a limit that was given, with the reasons.
        contract: What the files were fed; null where `evaluate_variants` was called with variants that know theirs.
        inputs: What the baseline was fed; not part of the report.
        input_shapes: The shape that most samples have, without batch, of each input whose size the files leave open.
    """

    dataset: DatasetRecord
    baseline: str | None
    variants: tuple[VariantReport, ...]
    warnings: tuple[Finding, ...] = ()
    broken: tuple[Rejection, ...] = ()
    contract: Contract | None = None
    inputs: Inputs | None = field(default=None, compare=False, repr=False)
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def report(self, constraints: Constraints | None = None) -> Report:
        """Returns the same as a report, without a source and a recommendation."""
        return Report.made_now(
            source=None,
            dataset=self.dataset,
            contract=self.contract,
            baseline=self.baseline,
            constraints=constraints or Constraints(),
            variants=self.variants,
            recommendation=None,
            warnings=self.warnings,
        )

    @property
    def unfit(self) -> Finding | None:
        """Why nothing can be recommended on these figures; None where something can."""
        return next((warning for warning in self.warnings if warning.kind in UNFIT), None)


@takes(EvaluateOptions)
def evaluate(
    files: str | Path | Sequence[str | Path],
    *,
    data: Any,
    how: EvaluateOptions,
    constraints: Constraints | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measures the accuracy of any ``.tflite`` files on one data set; without labels, their fidelity to the float one among them.

    Args:
        files: One or several, made by the kit or not; a sidecar's contract is used where there is one.
        data: See `open_dataset`.
        constraints: Limits on the drop of accuracy and of each class's recall, or on fidelity; what breaks them is in `Evaluation.broken`.
        progress: Receives progress.

    Returns:
        The accuracy of each file, and its drop from the baseline.

    Raises:
        ModelError: A file is damaged or the runtime cannot run it.
        DataError: The data do not fit.

    Example:
        >>> evaluation = tk.evaluate(["build/float32.tflite", "build/int8.tflite"], data="photos/test", limit=500)
        >>> print({row.name: row.drop.verdict for row in evaluation.variants if row.drop})
    """
    files, progress = as_list(files), progress or Progress()
    for metric in how.metric.values():
        require_metric(metric)
    if how.cluster is not None and (how.until_certain or how.stream):
        flag = "--until-certain" if how.until_certain else "--stream"
        raise UsageError(f"{flag} takes one sample after the other, on one machine.", fix="Leave out --cluster.")
    with opened(how.also_on, stream=how.stream) as places:
        preprocessing = load_preprocessing(how.preprocess) if how.preprocess is not None else None
        names = resolve_labels(how.labels)
        variants = named_variants(files, preprocessing=preprocessing, labels=names)
        first = variants[0].contract
        assert first is not None
        dataset = open_dataset(data, labels=first.labels, limit=how.limit, seed=how.seed, need_labels=False)
        check_same_rate({f"what {files[0]} was made for": first.sound, dataset.location: dataset.sound})
        how = how.replaced(baseline=_reference(variants, files, dataset, how))
        stored = (
            variants if preprocessing is not None else [with_stored_pixels(variant, dataset) for variant in variants]
        )
        for variant in stored:
            probe(variant, dataset)
        common: dict[str, Any] = {"constraints": constraints, "progress": progress}
        if how.cluster is not None:
            metric_of(
                _jobs_of(stored, how), dataset, how, constraints or Constraints()
            )  # before anybody is asked to work
        if how.depot is not None:
            require_relative(data)
        with _crew(files, how, progress) as (crew, folder):
            found = evaluate_variants(stored, dataset, how, cache=folder, crew=crew, **common)
        rows = on_targets(found.variants, stored, dataset, places, how, **common)
        notes = [stored_pixels(now) for now, before in zip(stored, variants, strict=True) if now != before]
        for variant in variants:
            told = told_by(variant.path) if variant.scheme is None else Told()
            notes += told_by_file(variant.name, told, how.preprocess, how.labels)
        return replace(found, contract=stored[0].contract, variants=only_here(rows), warnings=(*notes, *found.warnings))


@contextlib.contextmanager
def _crew(files: Sequence[str | Path], how: EvaluateOptions, progress: Progress) -> Iterator[tuple[Crew, Path | None]]:
    """Gives who runs the files, and where scores of other machines come back: without a depot a folder beside the first file, which all of
    them see."""
    if how.cluster is None:
        yield THIS_MACHINE, None
        return
    with (
        temporary_folder(
            Path(files[0]).resolve().parent if how.depot is None else scratch(), ".tflitekit-scores-"
        ) as folder,
        crew_of(how.cluster, (str(folder),), progress, depot=how.depot) as crew,
    ):
        yield crew, folder


def _reference(variants: Sequence[Variant], files: Sequence[str | Path], dataset: Dataset, how: EvaluateOptions) -> str:
    """Returns the variant that others are compared with."""
    if how.baseline is None and by_reference(how, dataset):
        return choose_reference(variants, dataset.location)
    return choose_baseline(variants, files, how.baseline)


def named_variants(
    files: Sequence[str | Path], *, preprocessing: Preprocessing | None = None, labels: tuple[str, ...] | None = None
) -> list[Variant]:
    """Opens files and names each by its file, or by folder and file where two files have one name.

    Raises:
        UsageError: A file was given twice, or none.
        ModelError: A file is missing or damaged.
    """
    if not files:
        raise UsageError("No .tflite file was given.")
    paths = [local_copy(path) for path in files]
    stems = [path.stem for path in paths]
    named: list[Variant] = []
    for path, stem in zip(paths, stems, strict=True):
        variant, _ = load_variant(path, preprocessing=preprocessing, labels=labels)
        name = stem if stems.count(stem) == 1 else str(path.with_suffix(""))
        if name in [other.name for other in named]:
            raise UsageError(f"{path} was given twice.")
        named.append(variant.model_copy(update={"name": name}))
    return named


def choose_baseline(variants: Sequence[Variant], files: Sequence[str | Path], wanted: str | Path | None) -> str:
    """Returns the variant that others are compared with: the one wanted, else float32, else the first.

    Raises:
        UsageError: The one wanted is not among the files.
    """
    if wanted is not None:
        for variant, path in zip(variants, files, strict=True):
            if Path(path) == Path(wanted) or variant.name == str(wanted):
                return variant.name
        raise UsageError(f"The baseline {wanted} is not among the files.", fix="Name it among the files, too.")
    floats = [variant.name for variant in variants if variant.scheme == "float32"]
    return (floats or [variants[0].name])[0]


def probe(variant: Variant, dataset: Dataset) -> None:
    """Loads and runs a file once in a process of its own, so that one that crashes the runtime is an error.

    Args:
        dataset: Tells the sizes of inputs that the file leaves open.

    Raises:
        ModelError: It crashes or the runtime refuses it.
        DataError: It cannot take the size of the first sample.
    """
    arguments = {"path": str(variant.path), "shapes": _first_shapes(variant, dataset)}
    try:
        run_alone(
            "tflitekit.accuracy.evaluation:run_once", arguments, label=variant.name, timeout_s=300, preload=RUNTIME
        )
    except (DataError, ModelError):
        raise
    except Exception as error:
        raise ModelError(f"{variant.path} crashes the runtime ({runtime_name()}).", why=str(error)) from error


def _first_shapes(variant: Variant, dataset: Dataset) -> list[list[int]] | None:
    """Returns the shapes of the first readable sample where a file leaves sizes open."""
    run = ScoringJob(variant, read_graph(variant.path), None)
    if not run.graph.open_inputs:
        return None
    for sample in dataset:
        with contextlib.suppress(UnreadableSampleError):
            return [[1, *array.shape] for array in run.pipeline().prepare(sample.read(), sample.key)]
    return None


def run_once(*, path: str, shapes: list[list[int]] | None = None) -> bool:
    """Invokes a file on zeros, of these shapes for one sample where it leaves sizes open (runs in a worker)."""
    model = Model(path)
    if model.graph.open_inputs and shapes is None:
        return True
    given = shapes or [list(spec.shape) for spec in model.inputs]
    sizes = [
        [size if wanted < 0 else wanted for wanted, size in zip(spec.shape, shape, strict=True)]
        for spec, shape in zip(model.inputs, given, strict=True)
    ]
    if not any(spec.dtype in ("resource", "variant") for spec in model.inputs):
        model.run([zeros(spec, shape) for spec, shape in zip(model.inputs, sizes, strict=True)])
    return True


def _jobs_of(variants: Sequence[Variant], how: ScoringOptions) -> dict[str, ScoringJob]:
    """Returns what is to be scored of the variants that are finished and can run."""
    return {v.name: ScoringJob(v, read_graph(v.path), how.scored) for v in variants if v.status == "ok" and v.runnable}


def evaluate_variants(
    variants: Sequence[Variant],
    dataset: Dataset,
    how: EvaluateOptions,
    *,
    progress: Progress,
    cache: Path | None = None,
    constraints: Constraints | None = None,
    fingerprint: str | None = None,
    advise: bool = True,
    crew: Crew = THIS_MACHINE,
) -> Evaluation:
    """Scores variants that are finished and can run here; the others keep their status.

    Args:
        how: ``baseline`` is the name of the variant that the others are compared with; None compares none.
        cache: Folder where scores are kept, so that a later run takes them from there.
        constraints: The drops that matter; they make the verdicts' 'too few samples'.
        fingerprint: The data's, where the caller has it already.
        crew: Who runs the files on the samples.
        advise: Whether to lint: to look for a better preprocessing where the baseline is at chance, and so on.
    """
    constraints = constraints or Constraints()
    if how.until_certain:
        check_certainty(constraints)
    runs = _jobs_of(variants, how)
    if not runs:
        return _nothing_scored(variants, dataset, how)
    metric = metric_of(runs, dataset, how, constraints)
    fingerprint = fingerprint or dataset.fingerprint()
    baseline = str(how.baseline) if how.baseline in runs else None
    if baseline is None and isinstance(metric, ReferenceMetric):
        return _nothing_scored(variants, dataset, how)
    runs, notes = told_by_answers(runs, baseline, dataset, metric)
    reference = runs[baseline] if baseline is not None else None
    task = how.part(TaskOptions)
    store = ScoreStore(
        cache, fingerprint, metric.name, how.own_metric, how.output, reference, task=task, stream=how.stream
    )
    if not how.until_certain:
        spread = spread_over(crew, dataset, how, constraints, cache)
        if crew.spread and spread is None:
            progress.note(f"{dataset.location} is evaluated on this machine: no other one could open it.")
        scored = score_all(
            runs, dataset, metric, store, baseline=baseline, jobs=how.jobs, progress=progress, spread=spread
        )
        notes += unlike_processors(spread.machines) if spread is not None else []
    elif baseline is None:
        raise UsageError("--until-certain needs a baseline, and the baseline cannot run here.")
    else:
        limit = certainty_limit(constraints, by_reference=isinstance(metric, ReferenceMetric))
        certainty = Certainty(limit, how.error_rate, how.seed)
        scored = score_until_certain(
            runs, dataset, metric, store, baseline=baseline, certainty=certainty, jobs=how.jobs, progress=progress
        )
    record = _record(dataset, of_deciding(scored, dataset)[0], fingerprint, how)
    found = _evaluation(variants, scored, record, dataset, how, constraints, advise=advise)
    return replace(found, warnings=(*notes, *found.warnings))


def _nothing_scored(variants: Sequence[Variant], dataset: Dataset, how: EvaluateOptions) -> Evaluation:
    by = "baseline" if by_reference(how, dataset) else "labels"
    nothing = DatasetRecord(
        location=dataset.location, kind=dataset.kind, samples=0, classes=dataset.classes, reference=by
    )
    rows = tuple(VariantReport.of(v) for v in variants)
    return Evaluation(nothing, None, rows, tuple(without_baseline(rows, how.baseline)))


def _evaluation(
    variants: Sequence[Variant],
    scored: Scored,
    record: DatasetRecord,
    dataset: Dataset,
    how: EvaluateOptions,
    constraints: Constraints,
    *,
    advise: bool,
) -> Evaluation:
    """Compares, lints and sums up."""
    baseline, scores = scored.baseline, scored.scores
    rows = tuple(
        row_of(v, scored, constraints, control=control_of(v, variants, scores)).at(
            evaluated=scored.machines.get(v.name, ())
        )
        for v in variants
    )
    deciding, labelled = of_deciding(scored, dataset)
    rows = with_examples(rows, deciding, dataset)
    warnings = without_baseline(rows, how.baseline) if baseline is None else []
    warnings += skipped_samples(scored.skipped) + stopped_early(scored)
    warnings += as_stream(how.stream, scored.runs.values()) + left_out(dataset)
    inputs = None
    if baseline is not None:
        run = scored.runs[baseline]
        inputs = inputs_of(run, scores[baseline])
        if advise:
            warnings += ambiguous_output(run, scored.metric, how.metric_of_all)
            warnings += one_label(deciding.runs[baseline], deciding.scores[baseline], deciding.metric, dataset.location)
            warnings += chance(
                deciding.runs[baseline],
                deciding.scores[baseline],
                labelled,
                deciding.metric,
                how.jobs,
                stream=how.stream,
            )
            warnings += _reading_doubts(deciding, baseline, labelled, how)
            warnings += _lint_data(run, inputs, dataset)
            rows = tuple(linted(row, deciding, baseline) for row in rows)
    if advise:
        rows = tuple(lint_search(lint_training(row, record, baseline)) for row in rows)
    return Evaluation(
        dataset=record,
        baseline=baseline,
        variants=rows,
        warnings=tuple(warnings),
        broken=broken_gates(rows, constraints, baseline=baseline),
        inputs=inputs,
        input_shapes={
            name: shape
            for run in sorted(scored.runs.values(), key=lambda run: len(scores[run.variant.name]["position"]))
            if "sizes" in scores[run.variant.name]
            for name, shape in usual_shapes(scores[run.variant.name]["sizes"], run.graph.inputs).items()
        },
    )


def _reading_doubts(deciding: Scored, baseline: str, dataset: Dataset, how: EvaluateOptions) -> list[Finding]:
    """Says what may be wrong with how a baseline's boxes, masks or keypoints come about; what names the flag that is missing goes first."""
    run, scores, metric = deciding.runs[baseline], deciding.scores[baseline], deciding.metric
    named: list[Finding] = []
    if isinstance(metric, Detection) and metric.value(scores) <= MOSTLY_RIGHT:
        named = class_numbers(run, dataset, metric)
    if not named and how.preprocess is None:
        named = other_preset(run, scores, dataset, metric, how.jobs, stream=how.stream)
    return named or [*nothing_found(run, scores, metric), *wrong_reading(run, scores, metric)]


def check_certainty(constraints: Constraints) -> None:
    """Raises `UsageError` where stopping early and a limit on each class are asked for together."""
    if constraints.max_class_drop is not None:
        raise UsageError(
            "--until-certain decides about the average and may stop before a class has enough samples.",
            fix="Leave out --max-class-drop, or --until-certain.",
        )


def _record(dataset: Dataset, scored: Scored, fingerprint: str | None, how: EvaluateOptions) -> DatasetRecord:
    """Describes the data; the labels are the same in all scores."""
    own, stopped = scored.most, scored.stopped
    available, seed = dataset.available, dataset.seed
    if stopped is not None:
        available, seed = available or stopped.record.available, stopped.record.seed
        if fingerprint is not None and stopped.record.samples < stopped.record.available:
            fingerprint = hash_json([fingerprint, stopped.positions.tolist()])
    return DatasetRecord(
        location=dataset.location,
        kind=dataset.kind,
        samples=len(own["finite"]),
        classes=dataset.classes,
        sha256=fingerprint,
        skipped=tuple(scored.skipped),
        labels=pack_labels(own["label"]) if "label" in own else None,
        available=available or dataset.size,
        seed=seed,
        adaptive=stopped.record if stopped is not None else None,
        stream=how.stream,
        task=_task(scored.metric),
        reader=_reader(scored, how.reader),
        reference="baseline" if isinstance(scored.metric, ReferenceMetric) else "labels",
    )


def _task(metric: AnyMetric) -> str | None:
    """Returns what a metric is for."""
    if isinstance(metric, Classification):
        return "classification"
    kind = metrics().get(metric.name)
    return kind.task if kind is not None and kind.task is not None else getattr(metric, "task", None)


def _reader(scored: Scored, given: str | None) -> dict[str, Any] | None:
    """Returns how outputs were read, where they were decoded first."""
    if not isinstance(scored.metric, DecodedMetric | DecodedReference):
        return None
    run = scored.runs[scored.wanted] if scored.wanted is not None else next(iter(scored.runs.values()))
    said = {} if given is None else {"given": given}
    return scored.metric.open(run.interface).describe() | said


def _lint_data(run: ScoringJob, inputs: Inputs, dataset: Dataset) -> list[Finding]:
    preprocessing = run.contract.preprocessing
    found = lint_inputs(inputs, what="evaluation", preprocessing=preprocessing, pictures=dataset.pictures)
    return found + lint_float16(run, dataset)
