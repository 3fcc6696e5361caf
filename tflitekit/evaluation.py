"""The verb *evaluate*: accuracy of variants on the same samples, streamed, on all cores.

Each worker has an interpreter per variant; it takes a few samples, decodes them once, and runs every variant on them.
Memory holds a few samples and a few bytes of scores per sample.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.conversion import labels_mismatch, resolve_labels
from tflitekit.dataset import (
    DEFAULT_SEED,
    Dataset,
    InputPipeline,
    Sample,
    SkippedSamples,
    Subset,
    UnreadableSampleError,
    load_function,
    open_dataset,
)
from tflitekit.errors import DataError, ModelError, TflitekitError, UsageError
from tflitekit.files import hash_json, write_whole
from tflitekit.graph import Graph, read_graph
from tflitekit.metrics import Metric, Scores
from tflitekit.metrics.classification import Classification
from tflitekit.metrics.custom import CustomMetric
from tflitekit.metrics.regression import Regression
from tflitekit.parallel import process_chunks
from tflitekit.preprocessing import PRESETS, Preprocessing, load_preprocessing
from tflitekit.progress import Progress
from tflitekit.results import DatasetRecord, Finding, VariantReport
from tflitekit.results.packing import pack_hits, pack_labels
from tflitekit.runtime import Model, runtime_name
from tflitekit.tensor import TensorSpec
from tflitekit.variant import Variant, load_variant
from tflitekit.workers import run_alone

__all__ = ["Evaluation", "choose_baseline", "evaluate", "evaluate_variants", "named_variants", "probe"]

_CHUNK = 16
_PROBE_SAMPLES = 200


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
    chosen = choose_baseline(variants, files, baseline)
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


def choose_baseline(variants: Sequence[Variant], files: Sequence[str | Path], wanted: str | Path | None) -> str:
    """Returns the variant that others are compared with: the one wanted, else float32, else the first.

    Raises:
        UsageError: The one wanted is not among the files.
    """
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
    runs = {v.name: _Scored(v, read_graph(v.path), output) for v in usable}
    _check_inputs(runs.values(), dataset)
    scorer = _make_metric(metric, dataset, next(iter(runs.values())))
    for run in runs.values():
        scorer.check(run.output_spec.shape)
    fingerprint = fingerprint or dataset.fingerprint()
    store = _ScoreStore(cache, fingerprint, scorer.name, metric, output)
    scores: dict[str, Scores] = {}
    skipped: list[str] = []
    pending: list[_Scored] = []
    for run in runs.values():
        found = store.load(run.variant)
        if found is None:
            pending.append(run)
        else:
            scores[run.variant.name], skipped = found
    if pending:
        distinct = {run.identity: run for run in pending}  # the same bytes are scored once
        fresh, skipped = _score(list(distinct.values()), dataset, scorer, jobs, progress)
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
        labels=_packed_labels(scores),
    )
    warnings = []
    if skipped:
        text = f"Unreadable samples that were skipped: {len(skipped)} ({', '.join(skipped[:5])})."
        warnings.append(Finding(kind="unreadable-samples", message=text, advice="Repair or remove these files."))
    doubts = _chance_warning(runs[baseline], scores[baseline], dataset, scorer, jobs) if advise and baseline else []
    cautions = ["caution: the baseline is no better than chance on these data (see the warnings)"] if doubts else []
    return Evaluation(record, baseline, rows, tuple(warnings + doubts), tuple(cautions))


@dataclass
class _Scored:
    """A variant on its way through the evaluation."""

    variant: Variant
    graph: Graph
    output: str | None
    output_index: int = field(init=False)

    def __post_init__(self) -> None:
        assert self.variant.contract is not None
        names = [spec.name for spec in self.graph.outputs]
        wanted = self.output or self.variant.contract.outputs[0].name
        if wanted not in names:
            raise UsageError(f"{self.variant.name} has no output '{wanted}'.", fix=f"Its outputs: {', '.join(names)}.")
        self.output_index = names.index(wanted)

    @property
    def identity(self) -> tuple[str | None, Preprocessing, int]:
        """What decides the scores: the same for two names of one file with one contract."""
        assert self.variant.contract is not None
        return self.variant.sha256, self.variant.contract.preprocessing, self.output_index

    @property
    def output_spec(self) -> TensorSpec:
        return self.graph.outputs[self.output_index]

    def pipeline(self, preprocessing: Preprocessing | None = None) -> InputPipeline:
        assert self.variant.contract is not None
        return InputPipeline(self.graph.inputs, preprocessing or self.variant.contract.preprocessing)


def _check_inputs(runs: Iterable[_Scored], dataset: Dataset) -> None:
    """Refuses data that do not fit the models' inputs at the first sample, before anything else is said of them."""
    for sample in itertools.islice(dataset, 1):
        with contextlib.suppress(UnreadableSampleError):
            raw = sample.read()
            for run in runs:
                run.pipeline().prepare(raw, sample.key)


def _make_metric(metric: str | None, dataset: Dataset, run: _Scored) -> Metric:
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


def _score(
    runs: Sequence[_Scored], dataset: Dataset, metric: Metric, jobs: int | None, progress: Progress
) -> tuple[dict[str, Scores], list[str]]:
    """Runs every variant on every sample; returns scores in the data's order."""
    batch = int(np.lcm.reduce([max(1, run.graph.inputs[0].shape[0]) for run in runs]))
    skipped = SkippedSamples(dataset.size)
    collected = _Collector(dataset.size or 1024)
    with progress.task(f"Evaluating {len(runs)} variants", dataset.size) as advance:
        for done in process_chunks(
            dataset, max(_CHUNK, batch), jobs or os.cpu_count() or 1, lambda: _ChunkEvaluator(runs, metric)
        ):
            positions, scores, unreadable = done.value
            for key, reason in unreadable:
                skipped.add(key, reason)
            collected.add(done.start + positions, scores)
            advance(done.length)
    if not len(collected):
        skipped.check(len(skipped.names))
        raise DataError(f"The data at {dataset.location} are empty.")
    skipped.check(len(collected) + len(skipped.names))
    return collected.finish(), sorted(skipped.names)


class _Collector:
    """Scores of all variants in one array a column, in the data's order, whatever order they arrive in."""

    def __init__(self, capacity: int) -> None:
        self._there = np.zeros(capacity, np.bool_)
        self._columns: dict[str, Scores] = {}

    def __len__(self) -> int:
        return int(np.count_nonzero(self._there))

    def add(self, positions: NDArray[np.int64], scores: Mapping[str, Scores]) -> None:
        if not positions.size:
            return
        last = int(positions.max())
        if last >= len(self._there):
            self._there = _grown(self._there, last)
            self._columns = {
                n: {c: _grown(v, last) for c, v in columns.items()} for n, columns in self._columns.items()
            }
        self._there[positions] = True
        for name, columns in scores.items():
            own = self._columns.setdefault(name, {})
            for column, values in columns.items():
                if column not in own:
                    own[column] = np.zeros(len(self._there), values.dtype)
                own[column][positions] = values

    def finish(self) -> dict[str, Scores]:
        return {
            name: {column: values[self._there] for column, values in columns.items()}
            for name, columns in self._columns.items()
        }


def _grown(values: NDArray[Any], last: int) -> NDArray[Any]:
    bigger = np.zeros(2 * (last + 1), values.dtype)
    bigger[: len(values)] = values
    return bigger


class _ChunkEvaluator:
    """One worker's interpreters: decodes a chunk once and runs every variant on it."""

    def __init__(self, runs: Sequence[_Scored], metric: Metric) -> None:
        self._metric = metric
        self._models = [(run, Model(run.variant.path, graph=run.graph)) for run in runs]
        self._pipelines: dict[Any, InputPipeline] = {}
        self._keys = {}
        for run in runs:
            assert run.variant.contract is not None
            logical = tuple(
                (s.name, s.shape[1:], s.dtype if s.quantization is None else "real") for s in run.graph.inputs
            )
            key = (logical, run.variant.contract.preprocessing)
            self._keys[run.variant.name] = key
            self._pipelines.setdefault(key, run.pipeline())

    def __call__(self, chunk: Sequence[Sample]) -> tuple[NDArray[np.int64], dict[str, Scores], list[tuple[str, str]]]:
        """Returns the positions in the chunk that could be read, scores by variant, and what could not be read."""
        samples, positions, unreadable = [], [], []
        for position, sample in enumerate(chunk):
            try:
                samples.append((sample, sample.read()))
                positions.append(position)
            except UnreadableSampleError as error:
                unreadable.append((sample.key, str(error)))
        if not samples:
            return np.zeros(0, np.int64), {}, unreadable
        prepared = {
            key: [pipeline.prepare(raw, sample.key) for sample, raw in samples]
            for key, pipeline in self._pipelines.items()
        }
        labels = [sample.label for sample, _ in samples]
        scores = {
            run.variant.name: self._metric.score(_outputs(model, run, prepared[self._keys[run.variant.name]]), labels)
            for run, model in self._models
        }
        return np.asarray(positions, np.int64), scores, unreadable


def _outputs(model: Model, run: _Scored, rows: Sequence[tuple[NDArray[Any], ...]]) -> NDArray[np.float32]:
    """Runs a model on rows, batch by batch; the last batch is filled up by repeating its last row."""
    collected = []
    for start in range(0, len(rows), model.batch):
        group = list(rows[start : start + model.batch])
        filled = group + [group[-1]] * (model.batch - len(group))
        arrays = [column[0][None] for column in zip(*filled, strict=True)] if model.batch == 1 else [
            np.stack(column) for column in zip(*filled, strict=True)
        ]  # fmt: skip
        model.set_inputs(arrays)
        model.invoke()
        collected.append(model.output(run.output_index)[: len(group)])
    return np.concatenate(collected) if len(collected) > 1 else collected[0]


class _ScoreStore:
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


def _packed_labels(scores: Mapping[str, Scores]) -> str | None:
    """Returns the true classes; they are the same for all variants."""
    own = next(iter(scores.values()))
    return pack_labels(own["label"]) if "label" in own else None


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
    if "correct" in own:
        measured["hits"] = pack_hits(own["correct"])
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


def _chance_warning(run: _Scored, scores: Scores, dataset: Dataset, metric: Metric, jobs: int | None) -> list[Finding]:
    """Where the baseline is no better than chance, says so, and tries which preset would fit the model."""
    if not isinstance(metric, Classification) or not scores["finite"].all():
        return []
    classes = len(np.unique(scores["label"]))
    figure = metric.summarize(scores)[0]
    if classes < 2 or (figure.low or 0.0) > 1 / classes:
        return []
    assert run.variant.contract is not None
    current = run.variant.contract.preprocessing
    text = f"The baseline's accuracy, {figure.value:.1%}, is no better than chance ({1 / classes:.1%})."
    if dataset.kind != "images":
        advice = "Check that the data are scaled as in training, and that labels and outputs are in the same order."
        return [Finding(kind="chance", message=text, advice=advice)]
    best: tuple[float, str] | None = None
    few = Subset(dataset, limit=_PROBE_SAMPLES)
    for preset in PRESETS.values():
        if preset != current:
            contract = run.variant.contract.model_copy(update={"preprocessing": preset})
            trial = _Scored(run.variant.model_copy(update={"contract": contract}), run.graph, run.output)
            try:
                found, _ = _score([trial], few, metric, jobs, Progress())
            except TflitekitError:  # a preset that does not fit this input
                continue
            value = float(found[run.variant.name]["correct"].mean())
            if best is None or value > best[0]:
                best = (value, preset.name)
    if best is not None and best[0] > 2 / classes and best[0] > figure.value + 0.1:
        advice = (
            f"The preprocessing '{current.name}' is probably not the one that the model was trained with: "
            f"with --preprocess {best[1]} it reaches {best[0]:.0%} on {few.size} samples."
        )
    else:
        advice = (
            f"Either the preprocessing '{current.name}' is not the one that it was trained with, or the labels are in "
            "another order than its outputs (give them with --labels)."
        )
    return [Finding(kind="chance", message=text, advice=advice)]
