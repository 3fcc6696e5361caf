"""The verb *explain*: where a quantized file departs from its float original, and why."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflitekit.accuracy.evaluation import named_variants, probe
from tflitekit.core.errors import DataError, ModelError, UsageError
from tflitekit.core.lifetime import scratch, temporary_folder
from tflitekit.core.progress import Progress
from tflitekit.data.calibration import store_calibration
from tflitekit.data.contract import Contract
from tflitekit.data.dataset import Dataset, SkippedSamples, open_dataset
from tflitekit.data.preprocessing import load_preprocessing
from tflitekit.explanation.along import compare_along
from tflitekit.explanation.blame import Verdict, find_culprits, judge
from tflitekit.explanation.candidates import LayerCosts, costs_by_layer, ranges_of, recipe_of
from tflitekit.explanation.constants import WeightSums, compare_weights
from tflitekit.explanation.described import described
from tflitekit.explanation.names import names_of
from tflitekit.explanation.pairs import INPUT, Pair, pair_steps, read_steps
from tflitekit.explanation.patterns import suspects
from tflitekit.explanation.sums import TensorSums
from tflitekit.options.base import takes
from tflitekit.options.explain import ExplainOptions
from tflitekit.options.general import SEED
from tflitekit.results.explanation import Explanation, LayerError
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import Variant, with_stored_pixels

__all__ = ["explain"]

_TRIED_SAMPLES = 64
_NAMED = 3
BASELINE = "float32.tflite"
"""The file that *optimize* and *convert* leave beside the others."""


@takes(ExplainOptions)
def explain(file: str | Path, *, data: Any, how: ExplainOptions, progress: Progress | None = None) -> Explanation:
    """Compares a quantized file with its float original on real samples, tensor by tensor, and layer by layer alone.

    Needs no labels: the outputs of the float file are what others are compared with.

    Args:
        file: The quantized ``.tflite`` file.
        data: See `open_dataset`.
        progress: Receives progress.

    Returns:
        The error along the network, what each layer costs alone, and what is to blame.

    Raises:
        ModelError: A file is damaged, or the two are not of one model.
        UsageError: There is no float file to compare with.
        DataError: The data do not fit.

    Example:
        >>> found = tk.explain("build/int8.tflite", data="photos/test")
        >>> print([(culprit.layer, culprit.message) for culprit in found.culprits])
    """
    progress = progress or Progress()
    jobs = how.jobs or os.cpu_count() or 1
    opened = _open(Path(file), how)
    dataset = open_dataset(data, limit=how.limit, seed=how.seed, need_labels=False)
    baseline, variant = (with_stored_pixels(each, dataset) for each in opened)
    for each in (baseline, variant):
        probe(each, dataset)
    seen = _look(baseline, variant, dataset, jobs=jobs, progress=progress)
    costs = _costs(seen, dataset, jobs=jobs, progress=progress)
    measured = costs if isinstance(costs, LayerCosts) else None
    layers = described(seen.pairs, seen.names, seen.sums, seen.weights, measured)
    whole = measured.file if measured is not None else None
    verdict = judge(whole) if whole is not None else None
    return Explanation(
        baseline=baseline.path.name,
        variant=variant.path.name,
        scheme=variant.scheme,
        samples=seen.samples,
        location=dataset.location,
        whole=whole,
        layers=layers,
        culprits=find_culprits(
            suspects(layers, seen.pairs, seen.sums),
            measured,
            harmed=verdict is not None and verdict.harmed,
            float16=any(each.dtype == "float16" for each in seen.weights.values()),
        ),
        notes=_notes(costs, verdict, layers),
    )


def _open(file: Path, how: ExplainOptions) -> tuple[Variant, Variant]:
    """Opens the float file and the quantized one."""
    against = Path(how.against) if how.against is not None else file.with_name(BASELINE)
    if how.against is None and not against.is_file():
        raise UsageError(
            f"There is no {BASELINE} beside {file.name} to compare it with.",
            fix="Name the float file that it was quantized from: --against FILE.",
        )
    if against.is_file() and file.is_file() and against.samefile(file):
        raise UsageError(
            f"{file} cannot be compared with itself.", fix="Give the quantized file, and the float one with --against."
        )
    preprocessing = load_preprocessing(how.preprocess) if how.preprocess is not None else None
    baseline, variant = named_variants([against, file], preprocessing=preprocessing)
    for each in (baseline, variant):
        if not each.runnable:
            raise ModelError(f"{each.path} cannot run here.", why="It needs TensorFlow operators in the runtime.")
    return baseline, variant


@dataclass(frozen=True)
class _Seen:
    """Two files side by side on all samples."""

    files: tuple[Path, Path]
    contract: Contract
    pairs: list[Pair]
    names: list[str]
    sums: list[TensorSums]
    weights: dict[int, WeightSums]
    samples: int


def _look(baseline: Variant, variant: Variant, dataset: Dataset, *, jobs: int, progress: Progress) -> _Seen:
    files = baseline.path, variant.path
    assert baseline.contract is not None and variant.contract is not None
    steps = [read_steps(path) for path in files]
    pairs = pair_steps(*steps, names=(files[0].name, files[1].name))
    given = [step.index for step in steps[0] if step.operator.name == INPUT]
    inputs = dict(zip(given, (spec.name for spec in read_graph(files[0]).inputs), strict=True))
    skipped = SkippedSamples(dataset.size)
    preprocessing = baseline.contract.preprocessing, variant.contract.preprocessing
    sums = compare_along(files, pairs, dataset, preprocessing, jobs=jobs, progress=progress, skipped=skipped)
    if not sums:
        raise DataError(
            f"None of the samples at {dataset.location} can be read.", why=", ".join(skipped.names[:3]) or None
        )
    return _Seen(
        files,
        baseline.contract,
        pairs,
        names_of(pairs, variant.layers or baseline.layers, inputs),
        sums,
        {each.pair: each for each in compare_weights(files, pairs)},
        (dataset.size or 0) - len(skipped.names),
    )


def _costs(seen: _Seen, dataset: Dataset, *, jobs: int, progress: Progress) -> LayerCosts | str:
    """Returns what each layer costs alone, or why that cannot be told."""
    recipe = recipe_of(seen.pairs, list(seen.weights.values()))
    if recipe is None:
        return "it has no quantized weights"
    graph = read_graph(seen.files[0])
    with temporary_folder(scratch(), "explain-") as folder:
        samples = store_calibration(dataset, graph.inputs, seen.contract.preprocessing, folder, Progress())
        few = samples.first(_TRIED_SAMPLES, SEED)
        ranges, layers = ranges_of(seen.pairs, seen.sums), _layers(seen)
        return costs_by_layer(seen.files, recipe, ranges, layers, samples, few, jobs=jobs, progress=progress)


def _layers(seen: _Seen) -> list[list[int]]:
    """Returns the positions of each layer's operators in the float file; what only that has belongs to what follows."""
    named = {pair.baseline.position: name for pair, name in zip(seen.pairs, seen.names, strict=True)}
    found: list[list[int]] = []
    before, loose = None, []
    for position in sorted({step.position for step in read_steps(seen.files[0])} - {-1}):
        if position not in named:
            loose.append(position)
            continue
        if named[position] == before:
            found[-1] += [*loose, position]
        else:
            found.append([*loose, position])
        before, loose = named[position], []
    return found


def _notes(costs: LayerCosts | str, verdict: Verdict | None, layers: Sequence[LayerError]) -> tuple[str, ...]:
    if isinstance(costs, str):
        return (f"What each layer costs alone was not measured: {costs}.",)
    names = {layer.layer for layer in layers if layer.operator != INPUT and layer.alone is None}
    notes = [f"{verdict.doubt}."] if verdict is not None and verdict.doubt else []
    if names:
        why = next(iter(costs.failed.values()), None)
        notes.append(
            f"Not tried alone: {', '.join(sorted(names)[:_NAMED])}{' and others' if len(names) > _NAMED else ''}"
            + (f" ({why})." if why else ".")
        )
    return tuple(notes)
