"""Rows of tables: which columns fill which input of a model."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.tensor import TensorSpec, shown_shape
from tflitekit.data.image_files import is_image
from tflitekit.data.samples import Array, some

__all__ = ["Columns", "Layout", "Series", "chosen_columns", "has_decimal_comma", "numbered"]

_COMMA = re.compile(r"[+-]?\d*,\d+")
"""What may be a decimal comma: no space follows it."""
_NUMBERED = re.compile(r"(.*?)[._\- \[]?(\d+)\]?")


class Layout:
    """The columns of a table, and which of them fill which input.

    Args:
        location: The table, in the user's words.
        names: Of the columns that may be inputs, in order.
        given: Columns by input, where the user says so.
    """

    def __init__(self, location: str, names: Sequence[str], given: Mapping[str, Sequence[str]] | None = None) -> None:
        self.location, self.names, self.given = location, tuple(names), given or {}
        self.positions = {name: index for index, name in enumerate(self.names)}
        self._plans: dict[tuple[TensorSpec, ...], dict[str, list[int]]] = {}

    def plan(self, inputs: tuple[TensorSpec, ...]) -> dict[str, list[int]]:
        """Returns the positions of the columns that fill each input, in order.

        Raises:
            DataError: An input has none.
        """
        if inputs not in self._plans:
            self._plans[inputs] = {spec.name: self._of(spec, len(inputs)) for spec in inputs}
        return self._plans[inputs]

    def _of(self, spec: TensorSpec, count: int) -> list[int]:
        if self.given:
            given = self.given.get(spec.name) or (
                next(iter(self.given.values())) if count == len(self.given) == 1 else None
            )
            if given is not None:
                return [self.positions[name] for name in given]
        elif spec.name in self.positions:
            return [self.positions[spec.name]]
        elif found := numbered(spec.name, self.names):
            return [self.positions[name] for name in found]
        elif count == 1:
            return list(range(len(self.names)))
        raise DataError(
            f"No column of {self.location} is for the model's input '{spec.name}': "
            + (
                f"columns are named for {', '.join(self.given)}."
                if self.given
                else f"the columns are {some(self.names)}."
            ),
            fix=f"Name them: {self.location}:{spec.name}=COLUMN,COLUMN; or call them {spec.name}_0, {spec.name}_1, ...",
        )


class Columns(Mapping[str, Array]):
    """A row of a table by column: text stays text until an input takes numbers.

    Attributes:
        group: What rows that belong together have in common, such as the number of a recording.
    """

    def __init__(self, layout: Layout, values: Sequence[Any], key: str, group: Any = None) -> None:
        self._layout, self._values, self._key = layout, values, key
        self.group = group

    def __getitem__(self, name: str) -> Array:
        return np.asarray(self._values[self._layout.positions[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout.names)

    def __len__(self) -> int:
        return len(self._layout.names)

    def arranged(self, inputs: tuple[TensorSpec, ...]) -> dict[str, Array]:
        """Returns one array for each input, of its shape without batch.

        Raises:
            DataError: Columns are missing, too many or too few, or hold text where the input takes numbers.
        """
        plan = self._layout.plan(inputs)
        return {spec.name: self._fill(spec, plan[spec.name]) for spec in inputs}

    def numbers(self, positions: Sequence[int] | None = None) -> Array:
        """Returns the values of some columns as numbers, one after the other; of all where none are named."""
        chosen = range(len(self._values)) if positions is None else positions
        cells = [self._values[position] for position in chosen]
        if all(isinstance(cell, str) for cell in cells):
            try:
                return np.array(cells, np.float64)
            except ValueError:
                pass
        parts = [self._number(position, cell) for position, cell in zip(chosen, cells, strict=True)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def packed(self) -> dict[str, Array]:
        """Returns the row as arrays that a file can hold; see `unpacked`."""
        given = json.dumps({name: list(found) for name, found in self._layout.given.items()})
        cells = {f"cell/{i}": np.asarray(value) for i, value in enumerate(self._values) if np.ndim(value)}
        texts = ["" if np.ndim(value) else str(value) for value in self._values]
        about = np.array([self._layout.location, self._key, given, type(self).__name__])
        return {"about": about, "names": np.array(self._layout.names), "texts": np.array(texts), **cells}

    @staticmethod
    def unpacked(arrays: Mapping[str, Array]) -> Columns:
        """Returns the row that `packed` took apart."""
        location, key, given, kind = arrays["about"].tolist()
        values = [arrays.get(f"cell/{i}", text) for i, text in enumerate(arrays["texts"].tolist())]
        made = Series if kind == Series.__name__ else Columns
        return made(Layout(location, arrays["names"].tolist(), json.loads(given)), values, key)

    def _fill(self, spec: TensorSpec, positions: Sequence[int]) -> Array:
        wanted = spec.shape[1:]
        if spec.is_text:
            texts = [str(text) for position in positions for text in np.ravel(self._values[position]).tolist()]
            values: Array = np.array(texts)
        else:
            values = self.numbers(positions)
        if min(wanted, default=1) < 0:
            return values
        if values.size != int(np.prod(wanted)):
            names = some([self._layout.names[position] for position in positions])
            raise DataError(
                f"{self._layout.location} has {values.size} value{'s' if values.size != 1 else ''} for the model's input '{spec.name}', "
                f"which takes {shown_shape(wanted)} ({self._key}; columns {names}).",
                fix=self._advice(spec, values.size),
            )
        return values.reshape(wanted)

    def _advice(self, spec: TensorSpec, size: int) -> str:
        location, wanted = self._layout.location, spec.shape[1:]
        if len(wanted) > 1 and size == int(np.prod(wanted[1:])):
            return f"Where the rows are one long series, cut it into windows: {location}:window={wanted[0]}."
        return f"Name the columns: {location}:{spec.name}=COLUMN,COLUMN:label=COLUMN."

    def _number(self, position: int, cell: Any) -> Array:
        """Returns the numbers of one cell: one, several with spaces between, or a list."""
        try:
            if not isinstance(cell, str):
                values = np.ravel(np.asarray(cell if np.asarray(cell).dtype != object else np.asarray(cell).tolist()))
                return values if values.dtype.kind in "iufb" else values.astype(np.float64)
            return _numbers_in(cell.strip())
        except (ValueError, TypeError) as error:
            name = self._layout.names[position]
            holds = f"holds {_told(cell)}" if str(cell).strip() else "is empty"
            raise DataError(
                f"The column '{name}' of {self._layout.location} {holds}, and the model takes numbers ({self._key}).",
                fix=self._repair(name, str(cell)),
            ) from error

    def _repair(self, name: str, cell: str) -> str:
        if is_image(cell):
            return f"Where the column names files: {self._layout.location}:file={name}."
        if has_decimal_comma(cell):
            return "Write decimals with a point, as in 1.5, and several numbers in a cell as 1 5 or [1, 5]."
        return (
            f"Where the column is the label: {self._layout.location}:label={name}. "
            "Else repair the data, or name the columns that the model takes: PATH:INPUT=COLUMN,COLUMN."
        )


class Series(Columns):
    """Rows of a table that follow one another, each value a column's: an input gets one row of numbers for each."""

    @classmethod
    def of(cls, rows: Sequence[Columns], key: str) -> Series:
        """Joins rows of one table."""
        values = [[row._values[position] for row in rows] for position in range(len(rows[0]))]
        return cls(rows[0]._layout, values, key)

    def numbers(self, positions: Sequence[int] | None = None) -> Array:
        chosen = range(len(self._values)) if positions is None else positions
        columns = [self._column(position) for position in chosen]
        return np.concatenate(columns, axis=1)

    def _column(self, position: int) -> Array:
        """Returns the numbers of a column, ``(rows, numbers of a cell)``."""
        cells = self._values[position]
        try:
            column = np.asarray(cells, np.float64)
        except (ValueError, TypeError):
            rows = [self._number(position, cell) for cell in cells]
            sizes = sorted({len(row) for row in rows})
            if len(sizes) > 1:
                raise DataError(
                    f"The column '{self._layout.names[position]}' of {self._layout.location} holds {sizes[0]} to {sizes[-1]} numbers, "
                    f"and rows of a window need equally many ({self._key}).",
                    fix="Repair the data.",
                ) from None
            column = np.stack(rows)
        return column.reshape(len(cells), -1)


def _numbers_in(text: str) -> Array:
    """Returns the numbers of a text: ``3 14 15``, ``3, 14, 15`` or ``[3,14,15]``.

    Raises:
        ValueError: There are none, or commas may be decimal ones.
    """
    inner = text.strip("[]")
    if inner == text and has_decimal_comma(text):
        raise ValueError("decimal comma")
    texts = inner.replace(",", " ").split()
    if not texts:
        raise ValueError("empty")
    return np.array(texts, np.float64)


def _told(cell: Any) -> str:
    """Returns what a cell holds in words: a list of records, as Parquet and JSON have them, by their fields."""
    first = cell[0] if isinstance(cell, Sequence | np.ndarray) and not isinstance(cell, str) and len(cell) else cell
    if isinstance(first, Mapping):
        fields = some(list(map(str, first)))
        return f"a record with {fields}" if first is cell else f"a list of records with {fields}"
    return f"'{str(cell)[:40]}'"


def has_decimal_comma(text: str) -> bool:
    """Whether a number of the text may have a decimal comma, as in ``1,5``."""
    return any(_COMMA.fullmatch(part) for part in text.split())


def numbered(prefix: str, names: Sequence[str]) -> list[str]:
    """Returns the names that are a prefix and a number, as in ``x_0``, ``x.0``, ``x[0]`` or ``x0``, in the order of the numbers."""
    matches = [(name, _NUMBERED.fullmatch(name)) for name in names if name.startswith(prefix)]
    found = [(int(match[2]), name) for name, match in matches if match is not None and match[1] == prefix]
    return [name for _, name in sorted(found)]


def chosen_columns(location: str, text: str, names: Sequence[str]) -> list[str]:
    """Returns the columns that ``a,b,pixel*,7`` names: names, patterns, and numbers from 1.

    Raises:
        UsageError: There is none of a name.
    """
    chosen: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        found = [part] if part in names else [name for name in names if "*" in part and fnmatch.fnmatchcase(name, part)]
        if not found and part.isascii() and part.isdecimal() and 1 <= int(part) <= len(names):
            found = [names[int(part) - 1]]
        if not found:
            raise UsageError(f"{location} has no column '{part}'.", fix=f"Its columns: {some(names)}.")
        chosen += found
    return chosen
