"""Arrays in memory: an array, ``(x, y)``, or a mapping from input name to array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tflitekit.core.errors import DataError
from tflitekit.data.kinds import data_kind
from tflitekit.data.rows import Rows, labels_by_output
from tflitekit.data.samples import IN_MEMORY, Array

__all__ = ["Arrays"]


@data_kind("arrays")
def open_arrays(source: Any, **options: Any) -> Arrays | None:
    """Opens an array, ``(x, y)`` or a mapping."""
    if isinstance(source, tuple) and len(source) == 2:
        x, y = source
        inputs = dict(x) if isinstance(x, Mapping) else {"x": x}
        labels = {f"y.{name}": values for name, values in y.items()} if isinstance(y, Mapping) else {"y": y}
        return Arrays(inputs | labels, **options)
    if isinstance(source, np.ndarray):
        return Arrays({"x": source}, **options)
    return Arrays(source, **options) if isinstance(source, Mapping) else None


class Arrays(Rows):
    """Arrays in memory: by input name, with 'y', or 'y.OUTPUT' for each of several outputs."""

    kind = "arrays"

    def __init__(self, columns: Mapping[str, Array], *, location: str = IN_MEMORY, **options: Any) -> None:
        arrays = {name: _column(values) for name, values in columns.items() if values is not None}
        single = [name for name, values in arrays.items() if values.ndim == 0]
        if single:
            raise DataError(
                f"The array '{single[0]}' in memory is a single value ({type(columns[single[0]]).__name__}), not one per sample.",
                fix="Give arrays whose first dimension is the samples.",
            )
        try:
            targets = labels_by_output(arrays)
        except ValueError as error:
            raise DataError(f"The data cannot be told apart: {error}.", fix="Leave out one.") from error
        self._columns = arrays
        super().__init__(location, {name: len(v) for name, v in arrays.items()}, targets, **options)

    def rows(self, name: str, chosen: Sequence[int]) -> Iterator[Array]:
        return (np.asarray(self._columns[name][index]) for index in chosen)


def _column(values: Any) -> Array:
    """Returns an array with one row a sample; of objects where the rows have unlike shapes."""
    try:
        return np.asarray(values)
    except ValueError:
        rows = np.empty(len(values), object)
        for index, row in enumerate(values):
            rows[index] = np.asarray(row)
        return rows
