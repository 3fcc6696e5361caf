"""See `round_weights`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.lifetime import scratch
from tflitekit.core.machine import usable_cores
from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.engines.rounding.grid import Grid, nearest, round_weights_on_grid
from tflitekit.engines.rounding.layers import Layer, LeftLayer, find_layers
from tflitekit.engines.rounding.moments import Moments, Statistics
from tflitekit.engines.rounding.prefix import MOST_BYTES, Prefix
from tflitekit.engines.rounding.starts import FromSamples
from tflitekit.tflite.graph import parse_graph

__all__ = ["RoundedLayer", "RoundedModel", "WeightLayer", "round_weights", "weight_layers"]

Array = NDArray[Any]
Samples = Iterable[Mapping[str, Array]]

# Of the mean second moment, as GPTQ's authors have it; more where the layer hardly varies.
_DAMPINGS = [0.01 * 10.0**more for more in range(20)]
# Of the scale that the largest weight would have. Few bits gain by clipping it; beyond these, nothing was ever chosen.
_FACTORS = {True: np.linspace(1.0, 0.4, 25), False: np.linspace(1.0, 0.86, 8)}


@dataclass(frozen=True)
class WeightLayer:
    """A layer whose weights can be rounded: by its name (of its output tensor) it is told its bits."""

    name: str
    operator: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class RoundedLayer:
    """What was done to a layer.

    Attributes:
        scales: One for each output channel, in the file's order.
        error: The share of the variance of the layer's outputs that is lost, of what it computes behind layers that were rounded
            before it.
        nearest_error: The same, had its weights been rounded to nearest.
    """

    name: str
    operator: str
    bits: int
    scales: tuple[float, ...] = field(repr=False)
    error: float
    nearest_error: float


@dataclass(frozen=True)
class RoundedModel:
    """A float file whose weights lie on grids.

    Attributes:
        content: In each channel the largest weight is the end of the grid, so a quantizer that goes by the largest weight (min-max)
            keeps all weights as they are.
        left: The layers that were asked for and are left to rounding to nearest.
        slow: Why activations were computed again instead of kept on disk, where they were.
    """

    content: bytes = field(repr=False)
    layers: tuple[RoundedLayer, ...]
    left: tuple[LeftLayer, ...]
    slow: str | None = None

    def notes(self) -> tuple[str, ...]:
        """Says which layers are left, and what made it slow."""
        left = (
            f"The weights of {one.operator} '{one.name}' are rounded to nearest: {one.reason}." for one in self.left
        )
        return (
            *left,
            *(
                [f"Rounding took longer, because activations could not be kept on disk: {self.slow}."]
                if self.slow
                else []
            ),
        )


def weight_layers(model: bytes) -> tuple[WeightLayer, ...]:
    """Returns the layers of a float ``.tflite`` file that `round_weights` can treat, in execution order."""
    found, _ = find_layers(EditableModel(model))
    return tuple(WeightLayer(layer.name, layer.operator, layer.values.shape) for layer in found)


def round_weights(
    model: bytes,
    samples: Samples,
    bits: Mapping[str, int] | int,
    *,
    refit: bool = True,
    places: int = 256,
    threads: int | None = None,
    most_disk_bytes: int = MOST_BYTES,
) -> RoundedModel:
    """Rounds the weights of convolutions, dense layers and products with constant matrices so that the outputs change least.

    Layers are treated in the order of execution, each on what it reads behind those that are rounded already. No label is needed.
    For each layer: its weights are refitted by ridge regression so that they give the float model's outputs; the scale of each
    channel and the rounding minimize the error of the outputs (see `round_weights_on_grid`); the mean of what is left goes to the
    bias (Nagel et al. 2019, arXiv 1906.04721).

    Args:
        model: A float ``.tflite`` file.
        samples: By input name, each with the batch dimension; iterated once where there is room on disk for what the model makes
            of them (see `Prefix`), else again for every few layers.
        bits: Of each layer by its name (see `weight_layers`), or of all. Layers that are not named stay as they are.
        refit: Whether weights are refitted before they are rounded.
        places: The most places of a layer's output that each sample contributes, drawn at random.
        threads: Of the interpreters; all cores that it may use when not given.
        most_disk_bytes: What activations may take in the folder for temporary files, at one place of the graph; for a moment twice.

    Raises:
        UsageError: There is no layer of that name.
        DataError: There are no samples, they do not fit the model, or are an iterator.
    """
    if isinstance(samples, Iterator):
        raise DataError("The calibration samples can be read only once.", fix="Give a collection, not an iterator.")
    original, changed = EditableModel(model), EditableModel(model)
    names = [spec.name for spec in parse_graph(model, "the model").inputs]
    found, left = find_layers(changed)
    wanted = bits if isinstance(bits, Mapping) else {layer.name: bits for layer in found}
    _check_names(wanted, found, left)
    chosen = [layer for layer in found if layer.name in wanted]
    asked = [each for each in left if not isinstance(bits, Mapping) or each.name in bits]
    cores = threads or usable_cores()
    done: list[RoundedLayer] = []
    groups = list(_groups(original, chosen))
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        start = FromSamples(samples, names, original.graph.inputs)
        options = {"places": places, "threads": cores, "most_bytes": most_disk_bytes}
        prefix = Prefix((original, changed), groups, start, Path(folder), **options)
        for number, group in enumerate(groups):
            moments, unlike = prefix.observe(number)
            for layer in group:
                if layer.name in unlike:
                    asked.append(LeftLayer(layer.name, layer.operator, unlike[layer.name]))
                else:
                    done.append(_round(changed, layer, moments[layer.name], wanted[layer.name], refit=refit))
    return RoundedModel(changed.to_bytes(), tuple(done), tuple(asked), prefix.passed_over)


def _check_names(wanted: Mapping[str, int], found: list[Layer], left: list[LeftLayer]) -> None:
    known = [layer.name for layer in found] + [each.name for each in left]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(
            f"The model has no layer '{unknown[0]}' with weights.", fix=f"Its layers are {', '.join(known) or 'none'}."
        )


def _groups(model: EditableModel, layers: list[Layer]) -> Iterator[list[Layer]]:
    """Yields layers that do not depend on each other together: they are observed in one go."""
    group: list[Layer] = []
    behind: set[int] = set()
    for layer in layers:
        if group and any(use.activations in behind for use in layer.uses):
            yield group
            group, behind = [], set()
        group.append(layer)
        behind |= _behind(model, {int(index) for use in layer.uses for index in use.operator.outputs})
    if group:
        yield group


def _behind(model: EditableModel, tensors: set[int]) -> set[int]:
    reached = set(tensors)
    for operator in model.graph.operators:
        if reached.intersection(operator.inputs):
            reached.update(int(index) for index in operator.outputs)
    return reached


def _round(model: EditableModel, layer: Layer, moments: Moments, bits: int, *, refit: bool) -> RoundedLayer:
    biased = len(layer.uses) == 1 and layer.uses[0].bias is not None
    statistics = moments.statistics(centered=biased)
    weights = layer.matrix().astype(np.float64)
    plain = nearest(weights, bits)
    grid = _best_grid(weights, statistics, bits, refit=refit)
    before, after = (statistics.error(each.values - weights).sum() for each in (plain, grid))
    if after > before:
        grid, after = plain, before
    _write(model, layer, grid, statistics if biased else None, weights)
    power = max(float(statistics.power(weights).sum()), np.finfo(float).tiny)
    return RoundedLayer(
        name=layer.name,
        operator=layer.operator,
        bits=bits,
        scales=tuple(float(scale) for scale in grid.scales.reshape(-1)),
        error=float(after / power),
        nearest_error=float(before / power),
    )


def _best_grid(weights: Array, statistics: Statistics, bits: int, *, refit: bool) -> Grid:
    for damping in _DAMPINGS:
        damped = _damped(statistics.hessian, damping)
        try:
            target = weights + np.linalg.solve(damped, statistics.missing) if refit else weights
            return round_weights_on_grid(target, damped, bits, _FACTORS[bits <= 4])
        except np.linalg.LinAlgError:
            continue  # what the layer reads varies less than the sums are exact
    return nearest(weights, bits)


def _damped(hessian: Array, damping: float) -> Array:
    mean = np.einsum("gkk->gk", hessian).mean(1)
    added = damping * np.where(mean > 0, mean, 1.0)
    return hessian + added[:, None, None] * np.eye(hessian.shape[1])


def _write(model: EditableModel, layer: Layer, grid: Grid, statistics: Statistics | None, weights: Array) -> None:
    values = grid.values
    model.set_constant(layer.weights, layer.stored(values))
    if statistics is None:
        return
    [use] = layer.uses
    assert use.bias is not None and use.bias_position is not None
    bias = model.constant(use.bias)
    assert bias is not None
    index = model.own_constant(use.operator, use.bias_position)
    model.set_constant(index, bias + statistics.bias_correction(values - weights).reshape(bias.shape))
