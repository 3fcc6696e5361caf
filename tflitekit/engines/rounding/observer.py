"""Runs sections of both models, and says what their layers read of each sample."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.engines.rounding.layers import Layer
from tflitekit.engines.rounding.moments import products
from tflitekit.engines.rounding.rows import rows_of
from tflitekit.engines.rounding.starts import CHUNK, Kept, Pair
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.runtime import Model

__all__ = ["Found", "Observer", "Section", "observe_chunks"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Section:
    """A file that computes some tensors."""

    path: Path
    graph: Graph
    tensors: Sequence[int]

    def open(self) -> Model:
        return Model(self.path, graph=self.graph)

    def run(self, arrays: Sequence[Array], model: Model | None = None) -> dict[int, Array]:
        return dict(zip(self.tensors, (model or self.open()).run(arrays), strict=True))


@dataclass(frozen=True)
class Found:
    """What a chunk of samples adds to the sums: by layer the rows, and their products."""

    samples: int
    sums: list[tuple[str, int, list[Array]]]


class Observer:
    """Says what samples add to the sums of each layer. May be called from several threads: each has interpreters of its own."""

    def __init__(self, sections: Sequence[Section], layers: Sequence[Layer], places: int, kept: Kept | None) -> None:
        self._sections, self._layers, self._places, self._kept = sections, layers, places, kept
        self._own = threading.local()

    def __call__(self, number: int, chunk: Iterable[Pair]) -> Found:
        if not hasattr(self._own, "models"):
            self._own.models = [section.open() for section in self._sections]
        runs = [
            [
                section.run(arrays, model)
                for section, model, arrays in zip(self._sections, self._own.models, pair, strict=True)
            ]
            for pair in chunk
        ]
        if self._kept is not None:
            self._kept.write(number, runs)
        found = []
        for layer in self._layers:
            for position in range(len(layer.uses)):
                float_rows, rounded = (
                    np.concatenate(
                        [self._rows(layer, position, run[which], number * CHUNK + i) for i, run in enumerate(runs)], 1
                    )
                    for which in range(2)
                )
                found.append((layer.name, rounded.shape[1], products(rounded, float_rows, layer.matrix())))
        return Found(len(runs), found)

    def _rows(self, layer: Layer, position: int, values: Mapping[int, Array], number: int) -> Array:
        use = layer.uses[position]
        return rows_of(layer, use, values[use.activations], self._places, np.random.default_rng([number, position]))


def observe_chunks(observer: Observer, chunks: Iterable[Iterable[Pair]], threads: int) -> Iterator[Found]:
    """Yields what the samples add, in their order whatever thread was faster: the sums are the same in each run."""
    waiting: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for number, chunk in enumerate(chunks):
            waiting.append(pool.submit(observer, number, chunk))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        for each in waiting:
            yield each.result()
