"""Runs the float model and the one whose first layers are rounded up to the next layers, and sums what these read."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.engines.rounding.layers import Layer
from tflitekit.engines.rounding.moments import Moments
from tflitekit.engines.rounding.observer import Observer, Section, observe_chunks
from tflitekit.engines.rounding.rows import activated, rows_of
from tflitekit.engines.rounding.starts import FromSamples, Kept
from tflitekit.tflite.graph import parse_graph

__all__ = ["MOST_BYTES", "Prefix"]

Array = NDArray[Any]

MOST_BYTES = 2 * 1024**3
"""The most that activations take on disk at one place of the graph, unless told otherwise; for a moment there are two such."""

_AGREEMENT = 1e-3  # of the largest output: a larger difference is another computation, a smaller one the order of sums
_FREE_SHARE = 4  # one of so many parts of the free disk may be used at one place


class Prefix:
    """Both models up to one group of layers after the other, which are rounded in between.

    Each run begins at the activations that an earlier one kept on disk, so that time grows with the depth and not with its square. They are
    kept where they take at most half of what was computed since the last place, which is mostly at the narrow ends of blocks: writing and
    reading more would take longer than computing it again. The samples themselves are read once.

    Attributes:
        start: Where the next run begins.
        passed_over: Why activations were not kept where they should have been, the last reason.
    """

    def __init__(
        self,
        models: tuple[EditableModel, EditableModel],
        groups: Sequence[Sequence[Layer]],
        samples: FromSamples,
        folder: Path,
        *,
        places: int,
        threads: int,
        most_bytes: int,
    ) -> None:
        """
        Args:
            models: The float model, and the one whose layers are rounded.
            groups: Layers that do not depend on each other, in the order of execution.
            folder: For temporary files.
            places: See `rows_of`.
            most_bytes: As `MOST_BYTES`; a quarter of the free disk where that is less.
        """
        self._models, self._groups, self._folder = models, groups, folder
        self._places, self._threads = places, threads
        self._most_bytes = min(most_bytes, shutil.disk_usage(folder).free // _FREE_SHARE)
        self._samples: int | None = None
        self.start: FromSamples | Kept = samples
        self.passed_over: str | None = None

    def observe(self, number: int) -> tuple[dict[str, Moments], dict[str, str]]:
        """Sums the second moments of a group of layers. All groups before must be rounded.

        Returns:
            The sums by layer; why a layer cannot be treated, where the runtime computes something else than `rows_of` says.
        """
        layers, position = self._groups[number], self._position(number)
        read, written = _reads(layers), _writes(layers)
        alive = self._worth_keeping(number, position)
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            chunks = self.start.chunks()
            chunk = next(chunks)
            values = self._section(0, folder / "whole", [*read, *written, *alive]).run(next(iter(chunk))[0])
            unlike = {each.name: reason for each in layers if (reason := _unlike(self._models[0], each, values))}
            watched = [layer for layer in layers if layer.name not in unlike]
            moments = {layer.name: Moments() for layer in watched}
            if watched:
                kept = self._keeping(position, {index: values[index] for index in alive})
                sections = [self._section(which, folder / str(which), [*read, *alive]) for which in range(2)]
                observer = Observer(sections, watched, self._places, kept)
                self._samples = 0
                for found in observe_chunks(observer, itertools.chain([chunk], chunks), self._threads):
                    self._samples += found.samples
                    for layer, rows, parts in found.sums:
                        moments[layer].add(rows, parts)
                self._go_on(kept)
        return moments, unlike

    def _position(self, number: int) -> int:
        """Returns the position of the first operator that the rounding of a group changes: what is before does not change any more."""
        return self._groups[number][0].uses[0].index

    def _worth_keeping(self, number: int, position: int) -> tuple[int, ...]:
        """Returns the tensors from which all that comes behind can be computed; none where they had better be computed again."""
        model, later = self._models[0], [layer for group in self._groups[number:] for layer in group]
        if not all(len(operator.outputs) for operator in model.graph.operators):
            return ()  # some set variables of the graph, which a section would lack
        alive = model.alive(position, [*_reads(later), *_writes(later)])
        size = model.bytes_of(alive)
        if size is None:
            return ()
        if isinstance(self.start, FromSamples):  # they are dear: read, decoded, preprocessed
            return alive
        since = model.graph.operators[self.start.position : position]
        computed = model.bytes_of(int(index) for operator in since for index in operator.outputs)
        return alive if computed is not None and 2 * size <= computed else ()

    def _keeping(self, position: int, values: Mapping[int, Array]) -> Kept | None:
        """Returns where to keep tensors; None where there are none or they are too many."""
        if not values:
            return None
        kept = Kept(position, values, self._folder, self._most_bytes)
        reason = kept.too_large(self._samples or 1)
        if reason is None:
            return kept
        self.passed_over = reason
        kept.remove()
        return None

    def _go_on(self, kept: Kept | None) -> None:
        if kept is None:
            return
        old, self.start = (kept, self.start) if kept.failure else (self.start, kept)
        self.passed_over = kept.failure or self.passed_over
        old.remove()

    def _section(self, which: int, path: Path, wanted: Iterable[int]) -> Section:
        """Returns one of the models from the start to the wanted tensors."""
        tensors, start = tuple(dict.fromkeys(wanted)), self.start
        content = self._models[which].section(start.position, start.tensors, start.shapes, tensors)
        path.write_bytes(content)
        return Section(path, parse_graph(content, path.name), tensors)


def _reads(layers: Iterable[Layer]) -> list[int]:
    return list(dict.fromkeys(use.activations for layer in layers for use in layer.uses))


def _writes(layers: Iterable[Layer]) -> list[int]:
    return [int(layer.uses[0].operator.outputs[0]) for layer in layers]


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
