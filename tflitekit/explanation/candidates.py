"""What each layer costs alone: the outputs where only it is quantized, and where all others are.

Candidates come from the float file by litert-quantizer, with the ranges of the file that is explained: nothing is calibrated anew,
and what is explained is that file, whatever made it.
"""

from __future__ import annotations

import importlib.util
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import CrashError
from tflitekit.core.lifetime import scratch, temporary_folder
from tflitekit.core.parts import Part
from tflitekit.core.process.workers import run_alone
from tflitekit.core.progress import Progress
from tflitekit.data.calibration import CalibrationSet
from tflitekit.engines.litert_quantizer import rewrite
from tflitekit.engines.preload import worker_modules
from tflitekit.engines.quantizer_repairs import made_ready
from tflitekit.engines.ranges import Range, range_of
from tflitekit.engines.weighted import Exceptions
from tflitekit.explanation.constants import WeightSums
from tflitekit.explanation.costs import Reference, Rows, lost
from tflitekit.explanation.pairs import INPUT, Pair, Step, read_steps, steps_of
from tflitekit.explanation.sums import TensorSums
from tflitekit.results.explanation import LayerCost
from tflitekit.schemes import Recipe
from tflitekit.tflite.flatbuffer import parse_with
from tflitekit.tflite.runtime import Model

__all__ = ["Candidates", "LayerCosts", "costs_by_layer", "ranges_of", "recipe_of"]

_QUANTIZING = threading.Lock()
"""The quantizer registers its algorithms while it is imported, and is not made for two threads."""

_TIMEOUT_S = 3600.0
_SCORED = 12
_INTEGERS = {"int8": "int8", "uint8": "int8", "int16": "int16"}


def recipe_of(pairs: Sequence[Pair], weights: Sequence[WeightSums]) -> Recipe | None:
    """Returns what makes a file like the quantized one from the float one, as its types tell; None where there is nothing.

    Where some layers are in other types than most, the types of most are taken.
    """
    activations = Counter(
        _INTEGERS.get(pair.variant.spec.dtype) for pair in pairs if pair.variant.operator.name != INPUT
    )
    stored = {each.dtype for each in weights}
    kind = next((dtype for dtype in ("int4", "int8", "float16") if dtype in stored), None)
    if kind is None or not activations:
        return None
    unpacked = any(each.unpacked for each in weights)
    return Recipe(weights=kind, activations=activations.most_common(1)[0][0], unpacked=unpacked)  # type: ignore[arg-type]


class LayerCosts(Part):
    """What quantizing single layers costs.

    Attributes:
        whole: Quantizing all of them.
        file: The quantized file itself on all samples; elsewhere about the same as ``whole``, which is made as candidates are.
        alone, others: By the position of each operator, quantizing only its layer, and all but that.
        failed: Why a layer could not be tried, by the position of its first operator.
    """

    whole: LayerCost
    file: LayerCost
    alone: dict[int, LayerCost]
    others: dict[int, LayerCost]
    failed: dict[int, str]


def ranges_of(pairs: Sequence[Pair], sums: Sequence[TensorSums]) -> dict[str, Range]:
    """Returns the range of each tensor of the float file: what the grid of the quantized one reaches, else what was seen."""
    found = {}
    for pair, seen in zip(pairs, sums, strict=True):
        grid = seen.grid(pair.variant.spec)
        low, high = grid if grid is not None else (seen.pairs.low[0].min(), seen.pairs.high[0].max())
        found[pair.baseline.name] = range_of(low, high)
    return found


@dataclass(frozen=True)
class Candidates:
    """Files between the float one and the quantized one.

    Attributes:
        content: The float file, as `made_ready` left it.
        recipe: What makes the whole of the quantized file.
        steps: What the operators of that file compute.
        rows, reference: Samples, and what the float file makes of them.
    """

    content: bytes
    recipe: Recipe
    ranges: Mapping[str, Range]
    steps: Sequence[Step]
    rows: Rows
    reference: Reference

    def costs(self, layers: Sequence[Sequence[Step]], *, jobs: int) -> Iterator[LayerCost | str]:
        """Yields what quantizing some layers alone costs, or why the quantizer or the runtime cannot do it."""
        with ThreadPoolExecutor(jobs) as pool, temporary_folder(scratch(), "explain-") as folder:
            yield from pool.map(lambda pair: self._cost(folder / f"{pair[0]}.tflite", pair[1]), enumerate(layers))

    def make(self, quantized: Sequence[Step]) -> bytes:
        """Returns the file in which only these operators are quantized."""
        kept = {step.name for step in quantized}
        floats = tuple(dict.fromkeys(step.name for step in self.steps if step.name not in kept))
        with _QUANTIZING:
            return rewrite(self.recipe, self.content, dict(self.ranges), Exceptions(floats=floats))

    def left_float(self, variant: Path) -> set[str]:
        """Returns the tensors that are integers in a quantized file and that litert-quantizer leaves in float."""
        made = parse_with(self.make(self.steps), "a candidate", steps_of)
        floats = {step.name for step in made if step.spec.dtype == "float32"}
        return {step.name for step in read_steps(variant) if step.spec.dtype in _INTEGERS} & floats

    def _cost(self, path: Path, quantized: Sequence[Step]) -> LayerCost | str:
        try:
            path.write_bytes(self.make(quantized))
            return self.reference.cost(Model(path), self.rows)
        except Exception as error:  # noqa: BLE001 - of the quantizer, which has no class of its own
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        finally:
            path.unlink(missing_ok=True)


def costs_by_layer(
    files: tuple[Path, Path],
    recipe: Recipe,
    ranges: Mapping[str, Range],
    layers: Sequence[Sequence[int]],
    samples: CalibrationSet,
    few: CalibrationSet,
    *,
    jobs: int,
    progress: Progress,
) -> LayerCosts | str:
    """Tries each layer alone, and all others without it, in a process of its own.

    Args:
        files: The float file and the quantized one.
        layers: Of each layer, the positions of its operators in the float file.
        samples: What the quantized file and the worst layers are run on, with their labels where there are any.
        few: What all layers are tried with.

    Returns:
        The costs; why there are none, where not even all operators together can be quantized.
    """
    if importlib.util.find_spec("litert_quantizer") is None:
        return "it needs litert-quantizer (pip install 'tflitekit[quantize]')"
    labels = samples.inputs.facts["label"] if samples.inputs is not None else np.empty(0)
    arguments = {
        "files": [str(path) for path in files],
        "recipe": asdict(recipe),
        "ranges": {name: [float(found[end][0]) for end in ("min", "max")] for name, found in ranges.items()},
        "layers": [list(positions) for positions in layers],
        "samples": [each.model_dump(mode="json") for each in (samples, few)],
        "labels": labels.tolist() if (labels >= 0).any() else None,
        "jobs": jobs,
    }
    with progress.task("Quantizing layers one by one", None):
        try:
            found = run_alone(
                "tflitekit.explanation.candidates:measure_costs",
                arguments,
                label=files[1].name,
                timeout_s=_TIMEOUT_S,
                preload=(*worker_modules(tensorflow=False), "tflitekit.explanation.candidates"),
            )
        except CrashError as error:
            return error.what
    return found if isinstance(found, str) else LayerCosts.model_validate(found)


def measure_costs(
    *,
    files: list[str],
    recipe: dict[str, Any],
    ranges: dict[str, list[float]],
    layers: list[list[int]],
    samples: list[dict[str, Any]],
    labels: list[int] | None,
    jobs: int,
) -> Any:
    """Does the work of `costs_by_layer` (runs in a worker)."""
    with temporary_folder(scratch(), "explain-") as folder:
        return _measure(files, Recipe(**recipe), ranges, layers, samples, labels, jobs, folder)


def _measure(
    files: list[str],
    how: Recipe,
    ranges: dict[str, list[float]],
    layers: list[list[int]],
    samples: list[dict[str, Any]],
    labels: list[int] | None,
    jobs: int,
    folder: Path,
) -> Any:
    baseline, variant = (Model(path) for path in files)
    content = made_ready(Path(files[0]).read_bytes(), activations=how.activations)
    steps = [step for step in parse_with(content, files[0], steps_of) if step.operator.name != INPUT]
    limits = {name: range_of(low, high) for name, (low, high) in ranges.items()}

    def candidates(name: str, chosen: dict[str, Any]) -> Candidates:
        rows, truth = _rows(CalibrationSet.model_validate(chosen), baseline, labels)
        outputs = folder / name
        outputs.mkdir()
        return Candidates(content, how, limits, steps, rows, Reference.of(baseline, rows, outputs, truth))

    all_samples, few = (candidates(str(number), chosen) for number, chosen in enumerate(samples))
    groups = _groups(steps, baseline.path, layers)
    whole, *found = few.costs([steps, *groups, *([s for s in steps if s not in g] for g in groups)], jobs=jobs)
    if isinstance(whole, str):
        return whole
    alone, others = found[: len(groups)], found[len(groups) :]
    floats = few.left_float(Path(files[1]))
    for i, group in enumerate(groups):
        if all(step.name in floats for step in group):
            alone[i] = others[i] = f"litert-quantizer leaves {group[-1].operator.name} in float"
    if labels is not None:
        worst = sorted(range(len(groups)), key=lambda i: -lost(one) if isinstance(one := alone[i], LayerCost) else 0.0)
        again = all_samples.costs([groups[i] for i in worst[:_SCORED]], jobs=jobs)
        for i, cost in zip(worst[:_SCORED], again, strict=True):
            alone[i] = cost if isinstance(cost, LayerCost) else alone[i]
    costs = LayerCosts(
        whole=whole,
        file=all_samples.reference.cost(variant, all_samples.rows),
        alone=_by_position(layers, alone),
        others=_by_position(layers, others),
        failed={p: cost for p, cost in zip(map(min, layers), alone, strict=True) if isinstance(cost, str)},
    )
    return costs.model_dump(mode="json")


def _groups(ready: Sequence[Step], original: Path, layers: Sequence[Sequence[int]]) -> list[list[Step]]:
    """Returns the operators of each layer in the file that `made_ready` left; what that has added belongs to what follows."""
    places = {position: number for number, layer in enumerate(layers) for position in layer}
    numbers = {step.name: places[step.position] for step in read_steps(original) if step.position in places}
    groups: list[list[Step]] = [[] for _ in layers]
    added: list[Step] = []
    number = 0
    for step in ready:
        added.append(step)
        if step.name in numbers:
            number = numbers[step.name]
            groups[number] += added
            added = []
    groups[number] += added  # copies of outputs
    return groups


@dataclass(frozen=True)
class _Rows:
    """Samples that stay on disk: only one is in memory at a time."""

    samples: CalibrationSet
    batch: int
    names: Sequence[str]

    def __iter__(self) -> Iterator[list[NDArray[Any]]]:
        for batch in self.samples.batches(self.batch):
            yield [batch[name] for name in self.names]


def _rows(
    samples: CalibrationSet, model: Model, labels: list[int] | None
) -> tuple[Rows, list[NDArray[np.int64]] | None]:
    """Returns what a file is run on, and the labels of each batch."""
    rows = _Rows(samples, model.batch, [spec.name for spec in model.inputs])
    if labels is None:
        return rows, None
    chosen = samples.rows if samples.rows is not None else range(samples.samples)
    starts = range(0, len(chosen), model.batch)
    return rows, [
        np.array([labels[chosen[i % len(chosen)]] for i in range(start, start + model.batch)], np.int64)
        for start in starts
    ]


def _by_position(layers: Sequence[Sequence[int]], costs: Sequence[LayerCost | str]) -> dict[int, LayerCost]:
    return {p: cost for layer, cost in zip(layers, costs, strict=True) if isinstance(cost, LayerCost) for p in layer}
