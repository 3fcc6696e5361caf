"""Runs the float model and the one whose first layers are rounded up to a few layers, and sums what these read."""

from __future__ import annotations

import itertools
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.engines.rounding.layers import Layer
from tflitekit.engines.rounding.moments import Moments, products
from tflitekit.engines.rounding.rows import activated, rows_of
from tflitekit.engines.samples import Arrays
from tflitekit.tflite.runtime import Model

__all__ = ["observe"]

Array = NDArray[Any]

_CHUNK = 8  # samples whose rows are multiplied together
_AGREEMENT = 1e-3  # of the largest output: a larger difference is another computation, a smaller one the order of sums


def observe(
    models: tuple[EditableModel, EditableModel],
    layers: Sequence[Layer],
    samples: Iterator[Arrays],
    *,
    places: int,
    threads: int,
) -> tuple[dict[str, Moments], dict[str, str]]:
    """Sums the second moments of layers that do not depend on each other.

    Args:
        models: The float model, and the one whose layers before these are rounded.
        places: See `rows_of`.

    Returns:
        The sums by layer; why a layer cannot be treated, where the runtime computes something else than `rows_of` says.
    """
    read = list(dict.fromkeys(use.activations for layer in layers for use in layer.uses))
    written = [int(layer.uses[0].operator.outputs[0]) for layer in layers]
    with tempfile.TemporaryDirectory() as folder:
        whole, *fronts = (Path(folder) / f"{name}.tflite" for name in ("whole", "float", "rounded"))
        whole.write_bytes(models[0].front([*read, *written]))
        for path, model in zip(fronts, models, strict=True):
            path.write_bytes(model.front(read))
        first = next(samples)
        values = dict(zip(dict.fromkeys([*read, *written]), Model(whole).run(first), strict=True))
        unlike = {layer.name: reason for layer in layers if (reason := _unlike(models[0], layer, values))}
        watched = [layer for layer in layers if layer.name not in unlike]
        moments = {layer.name: Moments() for layer in watched}
        if watched:
            observer = _Observer(fronts, read, watched, places)
            for name, rows, parts in _run(observer, itertools.chain([first], samples), threads):
                moments[name].add(rows, parts)
    return moments, unlike


def _unlike(model: EditableModel, layer: Layer, values: Mapping[int, Array]) -> str | None:
    """Returns why a layer cannot be treated, where its product is not what the runtime computes for one sample."""
    use = layer.uses[0]
    actual = values[int(use.operator.outputs[0])]
    try:
        rows = rows_of(layer, use, values[use.activations], None, np.random.default_rng(0))
        products = (rows @ layer.matrix()).transpose(1, 0, 2).reshape(actual.shape)
    except ValueError as error:
        return f"its shapes are unusual ({error})"
    bias = 0.0 if use.bias is None else model.constant(use.bias)
    computed = activated(products + bias, use)
    if computed is None:
        return "its activation is unusual"
    agrees = np.abs(computed - actual).max() <= _AGREEMENT * max(float(np.abs(products).max()), 1e-6)
    return None if agrees else "the runtime computes something else than the kit expects of it"


class _Observer:
    """Says what samples add to the sums of each layer. May be called from several threads: each has interpreters of its own."""

    def __init__(self, fronts: Sequence[Path], read: Sequence[int], layers: Sequence[Layer], places: int) -> None:
        self._fronts, self._read, self._layers, self._places = fronts, read, layers, places
        self._own = threading.local()

    def __call__(self, chunk: Sequence[tuple[int, Arrays]]) -> list[tuple[str, int, list[Array]]]:
        if not hasattr(self._own, "models"):
            self._own.models = [Model(path) for path in self._fronts]
        runs = []
        for number, arrays in chunk:
            runs.append((number, [dict(zip(self._read, m.run(arrays), strict=True)) for m in self._own.models]))
        found = []
        for layer in self._layers:
            for position in range(len(layer.uses)):
                float_rows, rounded = (
                    np.concatenate([self._rows(layer, position, each[which], number) for number, each in runs], 1)
                    for which in range(2)
                )
                found.append((layer.name, rounded.shape[1], products(rounded, float_rows, layer.matrix())))
        return found

    def _rows(self, layer: Layer, position: int, values: Mapping[int, Array], number: int) -> Array:
        use = layer.uses[position]
        return rows_of(layer, use, values[use.activations], self._places, np.random.default_rng([number, position]))


def _run(observer: _Observer, samples: Iterable[Arrays], threads: int) -> Iterator[tuple[str, int, list[Array]]]:
    """Yields what the samples add, in their order whatever thread was faster: the sums are the same in each run."""
    numbered = enumerate(samples)
    waiting: deque[Future[list[tuple[str, int, list[Array]]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        while chunk := list(itertools.islice(numbered, _CHUNK)):
            waiting.append(pool.submit(observer, chunk))
            if len(waiting) > threads:
                yield from waiting.popleft().result()
        for each in waiting:
            yield from each.result()
