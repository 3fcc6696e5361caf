"""Tables in Arrow's formats: Parquet files, and the Arrow files that Hugging Face's ``datasets`` writes; read batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.core.errors import DataError, TflitekitError
from tflitekit.core.extras import import_extra

__all__ = ["ArrowTable", "arrow_files", "parquet_file"]

_ROWS = 256


class ArrowTable:
    """One or several files of one schema.

    Attributes:
        path: The file or folder.
        names: Of the columns.
    """

    def __init__(
        self, path: Path, schema: Any, count: int, batches: Callable[[Sequence[str] | None], Iterator[Any]]
    ) -> None:
        self.path, self.names, self.schema = path, tuple(schema.names), schema
        self._count, self._batches = count, batches

    def rows(self) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yields a name for each row, and its cells."""
        number = 0
        with _reading(self.path):
            for batch in self._batches(None):
                for start in range(0, batch.num_rows, _ROWS):
                    part = batch.slice(start, _ROWS)
                    for cells in zip(*map(_cells, part.columns), strict=True):
                        yield f"row {number}", cells
                        number += 1

    def columns(self, names: Sequence[str]) -> dict[str, list[Any]]:
        """Returns whole columns."""
        found: dict[str, list[Any]] = {name: [] for name in names}
        with _reading(self.path):
            for batch in self._batches(names) if names else ():
                for name in names:
                    found[name] += _cells(batch.column(batch.schema.get_field_index(name)))
        return found

    def count(self) -> int:
        """Returns the number of rows."""
        return self._count


def parquet_file(path: Path) -> ArrowTable:
    """Opens a Parquet file."""
    parquet = import_extra("pyarrow.parquet", "Reading Parquet files")
    with _reading(path), parquet.ParquetFile(path) as file:
        schema, count = file.schema_arrow, file.metadata.num_rows

    def batches(names: Sequence[str] | None) -> Iterator[Any]:
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(_ROWS, columns=None if names is None else list(names))

    return ArrowTable(path, schema, count, batches)


def arrow_files(folder: Path, files: Sequence[Path]) -> ArrowTable:
    """Opens Arrow streams of one schema that lie in a folder; they are mapped, not read."""
    arrow = import_extra("pyarrow", "Reading data sets of Hugging Face")

    def opened(path: Path) -> Iterator[Any]:
        with arrow.memory_map(str(path)) as source, arrow.ipc.open_stream(source) as stream:
            yield from stream

    def batches(names: Sequence[str] | None) -> Iterator[Any]:
        for path in files:
            yield from opened(path)

    with _reading(folder):
        with arrow.memory_map(str(files[0])) as source, arrow.ipc.open_stream(source) as stream:
            schema = stream.schema
        count = sum(batch.num_rows for batch in batches(None))
    return ArrowTable(folder, schema, count, batches)


def _cells(column: Any) -> list[Any]:
    """Returns a column as Python's numbers, text and bytes, and NumPy's arrays."""
    types = import_extra("pyarrow", "Reading tables").types
    kind = column.type
    if types.is_dictionary(kind):
        return _cells(column.dictionary_decode())
    if types.is_temporal(kind):
        return [str(value) for value in column.to_pylist()]
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        if column.null_count and not types.is_floating(kind):
            return [None if value is None else value for value in column.to_pylist()]
        found: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return found
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return [value if value is None else _array(value) for value in column.to_pylist()]
    if isinstance(column, _extension()):
        return _cells(column.storage)
    return list(column.to_pylist())


def _array(value: Any) -> Any:
    try:
        return np.asarray(value)
    except ValueError:  # of lists of unlike lengths
        return value


def _extension() -> Any:
    return import_extra("pyarrow", "Reading tables").ExtensionArray


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns whatever Arrow raises into one error that names the file."""
    try:
        yield
    except TflitekitError:
        raise
    except Exception as error:
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise DataError(f"{path} cannot be read: {reason[:200]}.", fix="Write it again.") from error
