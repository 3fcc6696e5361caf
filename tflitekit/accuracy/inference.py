"""Files run on prepared samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import DataError
from tflitekit.targets import RunningModel
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.runtime import Model, dequantize, quantize

__all__ = ["Columns", "Elsewhere", "Outputs", "by_shape", "outputs_of"]

Columns = list[NDArray[Any]]
"""By input, the values of samples that follow one another and are of one shape."""

_STACKED_BYTES = 1 << 20

Outputs = dict[int, list[NDArray[Any]]]
"""By the number of an output, its value for each sample, without batch."""


class Elsewhere:
    """A file on another target, behind real values as `Model` has it."""

    def __init__(self, model: RunningModel, graph: Graph) -> None:
        self._model, self._graph = model, graph
        self.close = model.close

    @property
    def batch(self) -> int:
        """The fixed batch size; 1 where it is dynamic."""
        return self._graph.batch

    def run_each(self, columns: Sequence[NDArray[Any]], *, outputs: Sequence[int]) -> Iterator[list[NDArray[Any]]]:
        """Yields the outputs for one batch after the other, as `Model.run_each` does."""
        found = self._model.run([quantize(v, spec) for spec, v in zip(self._graph.inputs, columns, strict=True)])
        real = [dequantize(found[index], self._graph.outputs[index]) for index in outputs]
        for start in range(0, len(columns[0]), self.batch):
            yield [values[start : start + self.batch] for values in real]


def by_shape(rows: Iterable[tuple[NDArray[Any], ...]], batch: int = 1) -> list[Columns]:
    """Returns samples, each with an array per input, stacked where they follow one another and are of one shape.

    Args:
        batch: As many are stacked at least; large ones are no more than that, as copies beyond the processor's cache cost more than they save.
    """
    stacked: list[Columns] = []
    for _, alike in itertools.groupby(rows, key=lambda row: [array.shape for array in row]):
        group = list(alike)
        fit = max(1, _STACKED_BYTES // max(1, sum(array.nbytes for array in group[0])))
        step = max(1, fit // batch) * batch
        for start in range(0, len(group), step):
            stacked.append([_stack(column) for column in zip(*group[start : start + step], strict=True)])
    return stacked


def _stack(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def outputs_of(
    model: Model | Elsewhere, wanted: Sequence[int], groups: Sequence[Columns], names: Sequence[str]
) -> Outputs:
    """Runs a model on samples, batch by batch; the last batch of a group is filled up by repeating its last sample.

    Args:
        wanted: Numbers of the outputs that are returned.
        names: Of the samples, for errors.
    """
    collected: Outputs = {index: [] for index in wanted}
    done = 0
    for columns in groups:
        end = done + len(columns[0])
        batches = model.run_each([_filled(values, model.batch) for values in columns], outputs=wanted)
        try:
            for found in batches:
                for index, output in zip(wanted, found, strict=True):
                    collected[index].extend(output[: end - done])
                done = min(done + model.batch, end)
        except DataError as error:
            raise DataError(f"The sample '{names[done]}': {error.what}", why=error.why, fix=error.fix) from error
    return collected


def _filled(values: NDArray[Any], size: int) -> NDArray[Any]:
    lacking = -len(values) % size
    return np.concatenate([values, np.repeat(values[-1:], lacking, axis=0)]) if lacking else values
