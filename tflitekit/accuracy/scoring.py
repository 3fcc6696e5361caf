"""Scores of several variants on the same samples, streamed, on all cores.

Each worker has an interpreter per variant; it takes a few samples, decodes them once, and runs every variant on them.
Memory holds a few samples and a few bytes of scores per sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.fidelity import Sums, add_sums
from tflitekit.accuracy.inference import Columns, Elsewhere, by_shape, outputs_of
from tflitekit.accuracy.matching import Baseline, matched
from tflitekit.accuracy.metrics import AnyMetric, ReferenceMetric, Scores
from tflitekit.accuracy.metrics.anomaly import AnomalyScore, Reconstructed
from tflitekit.accuracy.metrics.several import SeveralMetrics
from tflitekit.accuracy.reading import reading_of
from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.machine import usable_cores
from tflitekit.core.progress import Progress
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.contract import Contract, find_output
from tflitekit.data.dataset import Dataset, InputPipeline, Sample, SkippedSamples, UnreadableSampleError
from tflitekit.data.facts import Facts, input_facts, size_facts
from tflitekit.data.frame import Frame
from tflitekit.data.parallel import Done, process_chunks
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.targets import RunningTarget
from tflitekit.tasks.interface import Interface, Meaning
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.runtime import Model
from tflitekit.tflite.variant import Variant

__all__ = ["RUNTIME", "Against", "ChunkEvaluator", "Collected", "ScoringJob", "Spreading", "score"]

RUNTIME = ("ai_edge_litert.interpreter", "tflitekit.accuracy.evaluation")
"""Modules that a process needs to run one file, imported once for all such processes."""

_CHUNK = 16
_LARGEST_CHUNK = 64
_SMALL_BYTES = 1 << 20
"""What the inputs and outputs of a chunk may take that is larger than `_CHUNK`, so that it stays in the processor's cache."""
_CHUNKS_EACH = 4
_CHUNK_BYTES = 1 << 26
"""What the outputs of a chunk may take; fewer samples are run at a time where they are large."""


@dataclass
class ScoringJob:
    """A variant that is to be scored, and by which of its outputs.

    Attributes:
        place: Where it runs; None for this host.
        probabilities: Outputs that hold probabilities although their last operator does not tell (see `tflitekit.accuracy.meanings`).
        twin: Name of the run of the same file on this host that it is compared with; it needs to stand before this one.
    """

    variant: Variant
    graph: Graph
    output: str | None
    place: RunningTarget | None = None
    twin: str | None = None
    probabilities: frozenset[str] = frozenset()
    output_index: int = field(init=False)

    def __post_init__(self) -> None:
        wanted = self.output or self.contract.outputs[0].name
        self.output_index = self.graph.outputs.index(find_output(self.graph.outputs, wanted, self.variant.name))

    @property
    def contract(self) -> Contract:
        """The variant's, which every file that can run has."""
        assert self.variant.contract is not None
        return self.variant.contract

    @property
    def identity(self) -> tuple[str | None, Preprocessing, int]:
        """What decides the scores: the same for two names of one file with one contract."""
        return self.variant.sha256, self.contract.preprocessing, self.output_index

    @property
    def interface(self) -> Interface:
        """The file from outside."""
        found = self.graph.interface(
            first=self.contract.outputs[0].name,
            scored=self.output,
            classes=self.contract.labels,
            owner=self.variant.name,
        )
        told: dict[str, Meaning] = dict.fromkeys(self.probabilities, "probabilities")
        return replace(found, meanings={**found.meanings, **told})

    @property
    def output_spec(self) -> TensorSpec:
        return self.graph.outputs[self.output_index]

    def open(self, *, stream: bool) -> Model | Elsewhere:
        """Loads the file where it is to run."""
        if self.place is None:
            return Model(self.variant.path, graph=self.graph, stream=stream)
        return Elsewhere(self.place.model(self.variant.path, graph=self.graph), self.graph)

    def pipeline(self, preprocessing: Preprocessing | None = None) -> InputPipeline:
        return InputPipeline(self.graph.inputs, preprocessing or self.contract.preprocessing, self.graph.vocabularies)


class Spreading(Protocol):
    """Others who run chunks; see `tflitekit.accuracy.spread.Spread`."""

    @property
    def machines(self) -> Mapping[str, str]:
        """The processors of the machines that did, by the machine's name."""

    def chunks(
        self,
        runs: Sequence[ScoringJob],
        dataset: Dataset,
        baseline: str | None,
        size: int,
        evaluator: Callable[[], ChunkEvaluator],
        jobs: int,
    ) -> Generator[Done, None, None]:
        """Yields the chunks of the data, as `tflitekit.data.parallel.process_chunks` does.

        Args:
            size: Samples of a chunk.
            evaluator: Makes what would run them on this machine.
            jobs: Processes of this machine.
        """


@dataclass
class Against:
    """The variant that others are compared with while all are scored, output by output.

    Attributes:
        baseline: Its name.
        sums: By variant; takes what is found.
    """

    baseline: str
    sums: dict[str, Sums] = field(default_factory=dict)


def score(
    runs: Sequence[ScoringJob],
    dataset: Dataset,
    metric: AnyMetric,
    *,
    jobs: int | None,
    progress: Progress,
    skipped: SkippedSamples,
    stream: bool = False,
    against: Against | None = None,
    spread: Spreading | None = None,
) -> dict[str, Scores]:
    """Runs every variant on every sample.

    Args:
        stream: Whether the samples are one stream: they are taken in order, in one process, and state goes on from each to
            the next.
        skipped: Takes the samples that cannot be read.
        against: Which of the runs the others are compared with; None to compare nothing.
        spread: Runs the chunks elsewhere.

    Returns:
        By variant, in the data's order: the metric's columns, 'position' in the data, and what `tflitekit.data.facts` says of
        inputs and output.
    """
    batch = _common_batch(runs)
    if stream and batch > 1:
        raise UsageError(
            f"Samples are one stream (--stream), but a file takes {batch} at once.", fix="Convert with --batch 1."
        )
    alone = stream or any(run.place is not None and not run.place.parallel for run in runs)
    workers = 1 if alone else jobs or usable_cores()
    baseline = against.baseline if against is not None else None
    collected = Collected(dataset.size or 1024)
    with ExitStack() as stack, progress.task(f"Evaluating {len(runs)} variants", dataset.size) as advance:

        def evaluator() -> ChunkEvaluator:
            made = ChunkEvaluator(runs, metric, baseline, stream=stream)
            stack.callback(made.close)  # of one in a process of its own, that process's end does it
            return made

        size = max(_chunk(runs, dataset.size, workers), batch)
        found = (
            process_chunks(dataset, size, workers, evaluator)
            if spread is None
            else spread.chunks(runs, dataset, baseline, size, evaluator, workers)
        )
        with closing(found) as chunks:  # threads end before their models
            for done in chunks:
                positions, scores, unreadable, sums = done.value
                for key, reason in unreadable:
                    skipped.add(key, reason)
                collected.add(done.start + positions, scores)
                for name, found in sums.items():
                    assert against is not None
                    add_sums(against.sums.setdefault(name, {}), found)
                advance(done.length)
    if not len(collected):
        skipped.check(len(skipped.names))
        raise DataError(f"The data at {dataset.location} are empty.")
    if skipped.total is None:
        skipped.check(len(collected) + len(skipped.names))
    return collected.finish()


def _chunk(runs: Sequence[ScoringJob], samples: int | None, workers: int) -> int:
    """Returns how many samples are run at a time: few enough that their outputs stay small, more where all of them are.

    Each worker gets some chunks at least, so that none waits long for the last one.
    """
    outputs = max(_bytes(run.graph.outputs) for run in runs)
    each = outputs + max(_bytes(run.graph.inputs) for run in runs)
    share = _CHUNK if samples is None else samples // (_CHUNKS_EACH * workers)
    chunk = max(_CHUNK, min(_LARGEST_CHUNK, _SMALL_BYTES // max(1, each), share))
    return max(1, min(chunk, _CHUNK_BYTES // max(1, outputs)))


def _common_batch(runs: Sequence[ScoringJob]) -> int:
    """Returns the fewest samples that fill whole batches of every file."""
    return int(np.lcm.reduce([run.graph.batch for run in runs]))


def _bytes(specs: Sequence[TensorSpec]) -> int:
    """Returns what one sample takes as float32; open dimensions count as 1."""
    return sum(4 * math.prod(max(1, d) for d in spec.shape[1:]) for spec in specs)


class Collected:
    """Scores of all variants in one array a column, in the data's order, whatever order they arrive in.

    Args:
        capacity: How many samples there are, as far as that is known; more find their place, too.
    """

    def __init__(self, capacity: int) -> None:
        self._there = np.zeros(capacity, np.bool_)
        self._columns: dict[str, Scores] = {}

    def __len__(self) -> int:
        return int(np.count_nonzero(self._there))

    def add(self, positions: NDArray[np.int64], scores: Mapping[str, Scores]) -> None:
        """Takes the scores of the samples at some positions."""
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
                    own[column] = np.zeros((len(self._there), *values.shape[1:]), values.dtype)
                own[column][positions] = values

    def finish(self) -> dict[str, Scores]:
        """Returns the scores of the samples that have some, by variant, and as 'position' which these are."""
        positions = np.flatnonzero(self._there).astype(np.int32)
        return {
            name: {column: values[positions] for column, values in columns.items()} | {"position": positions}
            for name, columns in self._columns.items()
        }


def _grown(values: NDArray[Any], last: int) -> NDArray[Any]:
    bigger = np.zeros((2 * (last + 1), *values.shape[1:]), values.dtype)
    bigger[: len(values)] = values
    return bigger


class ChunkEvaluator:
    """One worker's interpreters: decodes a chunk once and runs every variant on it."""

    def __init__(self, runs: Sequence[ScoringJob], metric: AnyMetric, baseline: str | None, *, stream: bool) -> None:
        self._metric = metric
        self._batch = _common_batch(runs)
        self._models = [(run, run.open(stream=stream)) for run in runs]
        reference = next((run for run in runs if run.variant.name == baseline), None)
        # The baseline goes first, so that the outputs of one other variant at a time lie beside its own.
        self._models.sort(key=lambda pair: pair[0] is not reference)
        self._reference = reference
        self._compared = {
            run.variant.name: matched(run.graph, run.output_index, reference.graph, reference.output_index)
            if reference is not None and run is not reference
            else []
            for run in runs
        }
        self._readings = {
            run.variant.name: reading_of(metric, run.interface, run.graph.outputs, (reference or run).interface)
            for run in runs
        }
        wanted = {match.of_baseline for matches in self._compared.values() for match in matches}
        self._wanted = {
            run.variant.name: {run.output_index, *self._readings[run.variant.name].wanted}
            | (wanted if run is reference else {match.index for match in self._compared[run.variant.name]})
            for run in runs
        }
        self._twins = {run.twin for run in runs}
        self._pipelines: dict[Any, InputPipeline] = {}
        self._keys = {}
        for run in runs:
            logical = tuple(
                (s.name, s.shape[1:], s.dtype if s.quantization is None else "real") for s in run.graph.inputs
            )
            key = (logical, run.contract.preprocessing)
            self._keys[run.variant.name] = key
            self._pipelines.setdefault(key, run.pipeline())

    def __call__(
        self, chunk: Sequence[Sample]
    ) -> tuple[NDArray[np.int64], dict[str, Scores], list[tuple[str, str]], dict[str, Sums]]:
        """Returns the positions in the chunk that could be read, scores by variant, what could not be read, and sums."""
        samples, positions, unreadable = [], [], []
        for position, sample in enumerate(chunk):
            try:
                samples.append((sample, sample.read()))
                positions.append(position)
            except UnreadableSampleError as error:
                unreadable.append((sample.key, str(error)))
        if not samples:
            return np.zeros(0, np.int64), {}, unreadable, {}
        facts, groups, frames = self._prepared(samples)
        names = [sample.key for sample, _ in samples]
        truth: Sequence[Any] | None = None if isinstance(self._metric, ReferenceMetric) else self._labels(samples)
        scores: dict[str, Scores] = {}
        sums: dict[str, Sums] = {}
        reference: Baseline | None = None
        twins: dict[str, list[NDArray[Any]]] = {}
        for run, model in self._models:
            name = run.variant.name
            key = self._keys[name]
            found = outputs_of(model, sorted(self._wanted[name]), groups[key], names)
            reference = reference or Baseline(found)
            reading = self._readings[name]
            read = reading.read(found, frames[key])
            truth = truth if truth is not None else read  # the baseline goes first
            scores[name] = reading.score(found, read, self._beside_inputs(truth, groups[key])) | facts[key]
            if run.twin is not None:
                scores[name]["deviation"] = _deviations(found[run.output_index], twins[run.twin])
            elif name in self._twins:
                twins[name] = found[run.output_index]
            if self._compared[name]:
                sums[name] = reference.compared(self._compared[name], found)
        return np.asarray(positions, np.int64), scores, unreadable, sums

    def close(self) -> None:
        """Ends what runs on other targets."""
        for _, model in self._models:
            if isinstance(model, Elsewhere):
                model.close()

    def _prepared(
        self, samples: Sequence[tuple[Sample, Any]]
    ) -> tuple[dict[Any, Facts], dict[Any, list[Columns]], dict[Any, list[Frame]]]:
        """Returns what there is to know of decoded samples, them as the files take them, and where pictures lie in them, each by pipeline."""
        facts, groups, frames = dict[Any, Facts](), dict[Any, list[Columns]](), dict[Any, list[Frame]]()
        for key, pipeline in self._pipelines.items():
            rows = [pipeline.prepare(raw, sample.key) for sample, raw in samples]
            facts[key] = input_facts(rows) | size_facts(rows, pipeline.inputs)
            groups[key] = by_shape(rows, self._batch)
            frames[key] = [pipeline.frame(raw) for _, raw in samples]
        return facts, groups, frames

    def _beside_inputs(self, truth: Sequence[Any], groups: Sequence[Columns]) -> Sequence[Any]:
        """Returns labels as the metric takes them: with the input, where that is what an output is compared with."""
        parts = self._metric.parts if isinstance(self._metric, SeveralMetrics) else ()
        by_output = [part.output for part in parts if isinstance(part.metric, AnomalyScore)]
        if not by_output and not isinstance(self._metric, AnomalyScore):
            return truth
        pairs = zip(truth, (row for columns in groups for row in columns[0]), strict=True)
        if not by_output:
            return [Reconstructed(label, row) for label, row in pairs]
        return [{**label, **{n: Reconstructed(label[n], row) for n in by_output if n in label}} for label, row in pairs]

    def _labels(self, samples: Sequence[tuple[Sample, Any]]) -> list[Any]:
        for sample, _ in samples:
            if sample.label is None:
                raise DataError(
                    f"The sample '{sample.key}' has no label, and the first one has.",
                    fix="Give each sample a label, or none, to compare with the float model instead.",
                )
        return [sample.label for sample, _ in samples]


def _deviations(outputs: Sequence[NDArray[np.float32]], others: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Returns the largest difference of each sample's values; infinity where only one of two is a number."""
    found = np.zeros(len(outputs), np.float32)
    for index, (one, other) in enumerate(zip(outputs, others, strict=True)):
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        with np.errstate(all="ignore"):
            apart = np.where(same, 0, np.abs(one.astype(np.float64) - other))
        found[index] = np.where(np.isnan(apart), np.inf, apart).max(initial=0)
    return found
