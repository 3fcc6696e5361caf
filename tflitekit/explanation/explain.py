"""The verb *explain*: where a quantized file departs from its float original, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.accuracy.evaluation import named_variants, probe
from tflitekit.core.errors import DataError, ModelError, UsageError
from tflitekit.core.lifetime import scratch, temporary_folder
from tflitekit.core.machine import usable_cores
from tflitekit.core.progress import Progress
from tflitekit.data.calibration import store_calibration
from tflitekit.data.contract import Contract, resolve_labels
from tflitekit.data.dataset import Dataset, SkippedSamples, open_dataset
from tflitekit.data.preprocessing import load_preprocessing
from tflitekit.data.sound_format import check_same_rate
from tflitekit.explanation.along import compare_along
from tflitekit.explanation.blame import Verdict, find_culprits, find_suspicious, judge
from tflitekit.explanation.candidates import LayerCosts, costs_by_layer, ranges_of, recipe_of
from tflitekit.explanation.constants import WeightSums, compare_weights
from tflitekit.explanation.described import described
from tflitekit.explanation.names import names_of
from tflitekit.explanation.pairs import INPUT, Pair, pair_steps, read_steps
from tflitekit.explanation.patterns import suspects
from tflitekit.explanation.reading import read_as
from tflitekit.explanation.sums import TensorSums
from tflitekit.options.base import takes
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.options.explain import ExplainOptions
from tflitekit.options.general import SEED
from tflitekit.results.explanation import Explanation, LayerError
from tflitekit.tasks.readers import Columns
from tflitekit.tflite.flatbuffer import QUANTIZED
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import Variant, with_stored_pixels

__all__ = ["explain", "explain_variant", "probed"]

_TRIED_SAMPLES = 64
_NAMED = 3
_UNRELATED_DB, _TRAINED_DB = 3.0, 12.0
_LOOPS = ("WHILE", "IF", "CALL")
ALONE = "the float file that it was made from is not here; name it with --against"
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
        The error along the network, what each layer costs alone, and what is to blame. Without a float file (``against``, or
        ``float32.tflite`` beside it): how the quantized file takes its grids, and which known patterns it has.

    Raises:
        ModelError: A file is damaged, or the two are not of one model.
        UsageError: There is nothing to explain.
        DataError: The data do not fit.

    Example:
        >>> found = tk.explain("build/int8.tflite", data="photos/test")
        >>> print([(culprit.layer, culprit.message) for culprit in found.culprits])
    """
    progress = progress or Progress()
    baseline, variant = _open(Path(file), how)
    assert variant.contract is not None
    dataset = open_dataset(data, labels=variant.contract.labels, limit=how.limit, seed=how.seed, need_labels=False)
    check_same_rate({f"what {file} was made for": variant.contract.sound, dataset.location: dataset.sound})
    variant = probed(variant, dataset)
    baseline = probed(baseline, dataset) if baseline is not None else None
    files = [each for each in (baseline, variant) if each is not None]
    read = read_as(files, dataset, how.part(EvaluateOptions), progress=progress)
    found = explain_variant(
        variant, baseline, dataset, read.columns, read.figures, jobs=how.jobs or usable_cores(), progress=progress
    )
    return found.model_copy(update={"notes": (*found.notes, *read.notes)})


def probed(variant: Variant, dataset: Dataset) -> Variant:
    """Returns a file with the preprocessing that its stored pixels ask for, after it has run once.

    Raises:
        ModelError: It crashes the runtime.
    """
    variant = with_stored_pixels(variant, dataset)
    probe(variant, dataset)
    return variant


def explain_variant(
    variant: Variant,
    baseline: Variant | None,
    dataset: Dataset,
    columns: Mapping[str, Columns],
    figures: Mapping[str, Any],
    *,
    jobs: int,
    progress: Progress,
) -> Explanation:
    """Does the work of `explain` on files that `probed` returned.

    Args:
        baseline: The float file; None where there is none, and the quantized one tells what it can alone.
        columns: What is known of the columns of outputs.
        figures: What is known of the loss as users see it: ``float_figure``, ``figure`` and ``drop`` of `Explanation`.
    """
    seen = _look(baseline or variant, variant, dataset, columns, jobs=jobs, progress=progress)
    costs = _costs(seen, dataset, jobs=jobs, progress=progress) if baseline is not None else ALONE
    measured = costs if isinstance(costs, LayerCosts) else None
    layers = described(seen.pairs, seen.names, seen.sums, seen.weights, measured, known=baseline is not None)
    whole = measured.file if measured is not None else None
    verdict = judge(whole, figures.get("drop")) if whole is not None else None
    looked = suspects(layers, seen.pairs, seen.sums, seen.columns)
    float16 = any(each.dtype == "float16" for each in seen.weights.values())
    return Explanation(
        baseline=baseline.path.name if baseline is not None else None,
        variant=variant.path.name,
        scheme=variant.scheme,
        samples=seen.samples,
        location=dataset.location,
        whole=whole,
        **figures,
        layers=layers,
        culprits=find_culprits(looked, measured, harmed=verdict is not None and verdict.harmed, float16=float16)
        if baseline is not None
        else find_suspicious(looked, float16=float16),
        notes=(*_other_weights(seen), *_notes(costs, verdict, layers)),
    )


def _open(file: Path, how: ExplainOptions) -> tuple[Variant | None, Variant]:
    """Opens the float file, if there is one, and the quantized one."""
    against = Path(how.against) if how.against is not None else file.with_name(BASELINE)
    itself = file.is_file() and against.is_file() and against.samefile(file)
    alone = how.against is None and (itself or not against.is_file())
    if itself and not alone:
        raise UsageError(
            f"{file} cannot be compared with itself.", fix="Give the quantized file, and the float one with --against."
        )
    preprocessing = load_preprocessing(how.preprocess) if how.preprocess is not None else None
    names = resolve_labels(how.labels)
    opened = named_variants([file] if alone else [file, against], preprocessing=preprocessing, labels=names)
    for each in opened:
        if not each.runnable:
            raise ModelError(f"{each.path} cannot run here.", why="It needs TensorFlow operators in the runtime.")
    if alone and not any(dtype in QUANTIZED | {"float16"} for dtype in read_graph(file).weight_bytes_by_dtype):
        raise UsageError(
            f"{file} is not quantized: there is nothing to explain.",
            fix="Give the quantized file, and this one with --against.",
        )
    return (None if alone else opened[1]), opened[0]


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
    columns: Mapping[int, Sequence[str]]


def _look(
    baseline: Variant,
    variant: Variant,
    dataset: Dataset,
    columns: Mapping[str, Columns],
    *,
    jobs: int,
    progress: Progress,
) -> _Seen:
    files = baseline.path, variant.path
    assert baseline.contract is not None and variant.contract is not None
    steps = [read_steps(path) for path in files]
    pairs = pair_steps(*steps, names=(files[0].name, files[1].name))
    given = [step.index for step in steps[0] if step.operator.name == INPUT]
    graph = read_graph(files[0])
    inputs = dict(zip(given, (spec.name for spec in graph.inputs), strict=True))
    told = {
        pair.baseline.index: columns[name]
        for pair in pairs
        if (name := graph.own_names.get(pair.baseline.name, pair.baseline.name)) in columns
    }
    pairs = [pair.along(told[i].axis) if (i := pair.baseline.index) in told else pair for pair in pairs]
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
        names_of(pairs, variant.layers or baseline.layers, inputs, graph.own_names),
        sums,
        {each.pair: each for each in compare_weights(files, pairs)},
        (dataset.size or 0) - len(skipped.names),
        {index: each.names for index, each in told.items()},
    )


def _other_weights(seen: _Seen) -> tuple[str, ...]:
    """Says where the weights are not those of the float file.

    Raises:
        ModelError: They have nothing in common.
    """
    if seen.files[0] == seen.files[1]:
        return ()
    known = {number: each.snr_db for number, each in seen.weights.items()}
    if not known:
        return ()
    median, worst = float(np.median(list(known.values()))), min(known, key=lambda number: known[number])
    names = [path.name for path in seen.files]
    if median < _UNRELATED_DB:
        raise ModelError(
            f"{names[1]} was not quantized from {names[0]}: they have the same layers, and other weights.",
            why=f"Those of '{seen.names[worst]}' have nothing in common: their signal to noise is {known[worst]:.0f} dB.",
            fix="Give the float file that it was quantized from, with --against.",
        )
    if median < _TRAINED_DB:
        return (
            f"The weights of {names[1]} are {median:.0f} dB from those of {names[0]}, as after further training: what quantizing alone does, "
            "a float file of the trained weights would show (--against).",
        )
    return ()


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
    inside = {layer.layer: layer.operator for layer in layers if layer.operator in _LOOPS}
    looped = [
        f"What is inside '{name}' ({kind}) was not looked at, only what it gives." for name, kind in inside.items()
    ]
    if isinstance(costs, str):
        return (*looped, f"What each layer costs alone was not measured: {costs}.")
    names = {layer.layer for layer in layers if layer.operator != INPUT and layer.alone is None}
    notes = [*looped, *([f"{verdict.doubt}."] if verdict is not None and verdict.doubt else [])]
    if names:
        why = next(iter(costs.failed.values()), None)
        notes.append(
            f"Not tried alone: {', '.join(sorted(names)[:_NAMED])}{' and others' if len(names) > _NAMED else ''}"
            + (f" ({why})." if why else ".")
        )
    return tuple(notes)
