"""Files run on prepared samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import DataError
from tflitekit.tflite.runtime import Model

__all__ = ["Columns", "Outputs", "by_shape", "outputs_of"]

Columns = list[NDArray[Any]]
"""By input, the values of samples that follow one another and are of one shape."""

Outputs = dict[int, list[NDArray[Any]]]
"""By the number of an output, its value for each sample, without batch."""


def by_shape(rows: Iterable[tuple[NDArray[Any], ...]]) -> list[Columns]:
    """Returns samples, each with an array per input, stacked where they follow one another and are of one shape."""
    groups = itertools.groupby(rows, key=lambda row: [array.shape for array in row])
    return [[np.stack(column) for column in zip(*group, strict=True)] for _, group in groups]


def outputs_of(model: Model, wanted: Sequence[int], groups: Sequence[Columns], names: Sequence[str]) -> Outputs:
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
