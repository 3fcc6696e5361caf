"""The verb *evaluate*: accuracy of variants on the same samples."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.conversion import labels_mismatch, resolve_labels
from tflitekit.dataset import DEFAULT_SEED, Dataset, UnreadableSampleError, load_function, open_dataset
from tflitekit.errors import DataError, ModelError, UsageError
from tflitekit.graph import read_graph
from tflitekit.lints.chance import chance
from tflitekit.metrics import Metric, Scores
from tflitekit.metrics.classification import Classification
from tflitekit.metrics.custom import CustomMetric
from tflitekit.metrics.regression import Regression
from tflitekit.preprocessing import Preprocessing, load_preprocessing
from tflitekit.progress import Progress
from tflitekit.results import DatasetRecord, Finding, VariantReport
from tflitekit.runtime import Model, runtime_name
from tflitekit.score_store import ScoreStore
from tflitekit.scoring import Scored, score
from tflitekit.variant import Variant, load_variant
from tflitekit.workers import run_alone

__all__ = ["Evaluation", "evaluate", "evaluate_variants", "named_variants", "probe"]


@dataclass(frozen=True)
class Evaluation:
    """Accuracy of several variants on the same samples.

    Attributes:
        variants: Reports without latency, in the order given.
        baseline: The variant that drops are measured against.
        cautions: What casts doubt on the figures as a whole.
    """

    dataset: DatasetRecord
    baseline: str | None
    variants: tuple[VariantReport, ...]
    warnings: tuple[Finding, ...] = ()
    cautions: tuple[str, ...] = ()


def evaluate(
    files: Sequence[str | Path],
    *,
    data: Any,
    preprocess: str | Path | Preprocessing | None = None,
    labels: str | Path | Sequence[str] | None = None,
    limit: int | None = None,
    metric: str | None = None,
    output: str | None = None,
    baseline: str | Path | None = None,
    jobs: int | None = None,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
) -> Evaluation:
    """Measures the accuracy of any ``.tflite`` files on one data set.

    Args:
        files: Made by the kit or not; a sidecar's contract is used where there is one.
        data: See `open_dataset`.
        preprocess: Preset or JSON file; the sidecar's when not given, else 'raw'.
        labels: Names or labels file; the sidecar's when not given.
        limit: Seeded, class-balanced sample of this many.
        metric: ``module:function`` with ``function(output, label) -> float`` per sample.
        output: The output to score; the first when not given.
        baseline: The file to compare with; the float32 variant, else the first, when not given.
        jobs: Processes; one per core when not given.

    Raises:
        ModelError: A file is damaged or the runtime cannot run it.
        DataError: The data do not fit.
    """
    preprocessing = load_preprocessing(preprocess) if preprocess is not None else None
    names = resolve_labels(labels)
    variants = named_variants(files, preprocessing=preprocessing, labels=names)
    for variant in variants:
        probe(variant)
    first = variants[0].contract
    assert first is not None
    dataset = open_dataset(data, labels=names or first.labels, limit=limit, seed=seed)
    chosen = _choose_baseline(variants, files, baseline)
    return evaluate_variants(
        variants, dataset, metric=metric, output=output, baseline=chosen, jobs=jobs, progress=progress or Progress()
    )


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
    stems = [Path(path).stem for path in files]
    named: list[Variant] = []
    for path, stem in zip(files, stems, strict=True):
        variant, _ = load_variant(path, preprocessing=preprocessing, labels=labels)
        name = stem if stems.count(stem) == 1 else str(Path(path).with_suffix(""))
        if name in [other.name for other in named]:
            raise UsageError(f"{path} was given twice.")
        named.append(variant.model_copy(update={"name": name}))
    return named


def _choose_baseline(variants: Sequence[Variant], files: Sequence[str | Path], wanted: str | Path | None) -> str:
    if wanted is not None:
        for variant, path in zip(variants, files, strict=True):
            if Path(path) == Path(wanted) or variant.name == str(wanted):
                return variant.name
        raise UsageError(f"The baseline {wanted} is not among the files.", fix="Name it among the files too.")
    floats = [variant.name for variant in variants if variant.scheme == "float32"]
    return (floats or [variants[0].name])[0]


def probe(variant: Variant) -> None:
    """Loads and runs a file once in a process of its own, so that one that crashes the runtime is an error.

    Raises:
        ModelError: It crashes or the runtime refuses it.
    """
    try:
        run_alone("tflitekit.evaluation:run_once", {"path": str(variant.path)}, label=variant.name, timeout_s=300)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{variant.path} crashes the runtime ({runtime_name()}).", why=str(error)) from error


def run_once(*, path: str) -> bool:
    """Invokes a file on zeros (runs in a worker)."""
    model = Model(path)
    shapes = [[max(1, d) for d in spec.shape] for spec in model.inputs]
    dtypes = ["float32" if spec.quantization else spec.dtype for spec in model.inputs]
    if any(dtype in ("string", "resource", "variant") for dtype in dtypes):
        return True
    model.run([np.zeros(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)])
    return True


def evaluate_variants(
    variants: Sequence[Variant],
    dataset: Dataset,
    *,
    metric: str | None,
    output: str | None,
    baseline: str | None,
    jobs: int | None,
    progress: Progress,
    cache: Path | None = None,
    max_drop: float | None = None,
    fingerprint: str | None = None,
    advise: bool = True,
) -> Evaluation:
    """Scores variants that are finished and can run here; the others keep their status.

    Args:
        cache: Folder where scores are kept, so that a later run takes them from there.
        max_drop: The drop that matters, in points for classes, else in the metric's unit; makes the verdicts'
            'too few samples'.
        fingerprint: The data's, where the caller has it already.
        advise: Whether to look for a better preprocessing where the baseline is at chance.
    """
    usable = [v for v in variants if v.status == "ok" and v.runnable]
    if not usable:
        record = DatasetRecord(location=dataset.location, kind=dataset.kind, samples=0, classes=dataset.classes)
        return Evaluation(record, None, tuple(VariantReport.of(v) for v in variants))
    runs = {v.name: Scored(v, read_graph(v.path), output) for v in usable}
    _check_inputs(runs.values(), dataset)
    scorer = _make_metric(metric, dataset, next(iter(runs.values())))
    for run in runs.values():
        scorer.check(run.output_spec.shape)
    fingerprint = fingerprint or dataset.fingerprint()
    store = ScoreStore(cache, fingerprint, scorer.name, metric, output)
    scores: dict[str, Scores] = {}
    skipped: list[str] = []
    pending: list[Scored] = []
    for run in runs.values():
        found = store.load(run.variant)
        if found is None:
            pending.append(run)
        else:
            scores[run.variant.name], skipped = found
    if pending:
        distinct = {run.identity: run for run in pending}  # the same bytes are scored once
        fresh, skipped = score(list(distinct.values()), dataset, scorer, jobs, progress)
        for run in pending:
            scores[run.variant.name] = fresh[distinct[run.identity].variant.name]
            store.save(run.variant, scores[run.variant.name], skipped)
    baseline = baseline if baseline in scores else None
    rows = tuple(_report(v, scores, scorer, baseline, max_drop) for v in variants)
    samples = len(next(iter(next(iter(scores.values())).values())))
    record = DatasetRecord(
        location=dataset.location,
        kind=dataset.kind,
        samples=samples,
        classes=dataset.classes,
        sha256=fingerprint,
        skipped=tuple(skipped),
    )
    warnings = []
    if skipped:
        text = f"Unreadable samples that were skipped: {len(skipped)} ({', '.join(skipped[:5])})."
        warnings.append(Finding(kind="unreadable-samples", message=text, advice="Repair or remove these files."))
    doubts = chance(runs[baseline], scores[baseline], dataset, scorer, jobs) if advise and baseline else []
    cautions = ["caution: the baseline is no better than chance on these data (see the warnings)"] if doubts else []
    return Evaluation(record, baseline, rows, tuple(warnings + doubts), tuple(cautions))


def _check_inputs(runs: Iterable[Scored], dataset: Dataset) -> None:
    """Refuses data that do not fit the models' inputs at the first sample, before anything else is said of them."""
    for sample in itertools.islice(dataset, 1):
        with contextlib.suppress(UnreadableSampleError):
            raw = sample.read()
            for run in runs:
                run.pipeline().prepare(raw, sample.key)


def _make_metric(metric: str | None, dataset: Dataset, run: Scored) -> Metric:
    if metric is not None:
        return CustomMetric(metric, load_function(metric, "metric"))
    first = next(iter(dataset), None)
    if first is None:
        raise DataError(f"The data at {dataset.location} are empty.")
    size = int(np.prod([d for d in run.output_spec.shape[1:] if d > 0]))
    if not isinstance(first.label, int):
        return Regression(int(np.size(first.label)))
    largest = dataset.largest_label()
    if size == 1 and dataset.classes is None and largest is not None and largest > 1:
        return Regression(1)
    _check_classes(dataset, run.variant, max(2, size), -1 in run.output_spec.shape[1:])
    return Classification(dataset.classes, size, run.graph.output_meanings[run.output_index])


def _check_classes(dataset: Dataset, variant: Variant, outputs: int, dynamic: bool) -> None:
    if dataset.classes is None or dynamic or len(dataset.classes) == outputs:
        return
    assert variant.contract is not None
    if variant.contract.labels is not None or dataset.kind != "images":
        raise labels_mismatch(len(dataset.classes), outputs)
    more = "more" if len(dataset.classes) > outputs else "fewer"
    raise DataError(
        f"The data at {dataset.location} have {len(dataset.classes)} class folders, {more} than the model's {outputs} outputs.",
        why="Without a labels file, the folders in sorted order are the model's classes, so the counts must agree.",
        fix="Give the model's labels, one a line in output order, with --labels FILE; folders are then matched by name."
        if more == "fewer"
        else "Remove the folders that the model does not know, or check that this is the right model.",
    )


def _report(
    variant: Variant, scores: Mapping[str, Scores], metric: Metric, baseline: str | None, max_drop: float | None
) -> VariantReport:
    own = scores.get(variant.name)
    if own is None:
        return VariantReport.of(variant)
    broken = int(np.count_nonzero(~own["finite"]))
    if broken:
        return VariantReport.of(
            variant,
            status="failed",
            error=f"NaN or infinite values in the output for {broken} of {own['finite'].size} samples. "
            "Look for overflow in float16, or for data that the model was not made for.",
        )
    figures = metric.summarize(own)
    measured: dict[str, Any] = {
        "accuracy": figures[0],
        "other_metrics": figures[1:],
        "per_class": metric.per_class(own),
    }
    if baseline is not None:
        measured["agreement"] = metric.agreement(scores[baseline], own)
        measured["drop"] = metric.drop(scores[baseline], own, max_drop)
    row = VariantReport.of(variant, **measured)
    return row.model_copy(update={"warnings": (*row.warnings, *_constant_warning(own))})


def _constant_warning(scores: Scores) -> list[Finding]:
    """An output that never changes is the loudest sign of a broken conversion."""
    predicted = scores.get("predicted")
    if predicted is None or len(np.unique(scores["label"])) < 2 or len(predicted) < 20:
        return []
    if len(np.unique(predicted)) > 1:
        return []
    return [
        Finding(
            kind="constant-output",
            message=f"The output is the class {int(predicted[0])} for every sample: the variant is broken.",
            advice="Calibrate on samples with the preprocessing that the model was trained with, or try int16x8.",
        )
    ]
