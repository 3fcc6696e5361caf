"""Comma-separated text, row by row: what stands between the values, and how it is encoded, is told from its beginning."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tflitekit.core.errors import DataError

__all__ = ["CsvTable"]

_DELIMITERS = ",;\t|"
_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Of one line: longer ones are not text, or were made to exhaust memory.
_LONGEST_LINE = 2**24
_LONGEST_NAME = 200


class CsvTable:
    """A CSV file.

    Attributes:
        names: Of the columns; '1', '2', ... where the first line is values.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _reading(path):
            with path.open("rb") as stream:
                begin = stream.read(4)
            self._encoding = next((name for mark, name in _MARKS if begin.startswith(mark)), "utf-8-sig")
            with path.open(encoding=self._encoding, newline="") as lines:
                first = lines.readline(_LONGEST_LINE)
            self._delimiter = max(_DELIMITERS, key=first.count)
            head = next(iter(self._lines()), (0, []))[1]
        if not head:
            raise DataError(f"{path} is empty: it has no rows.")
        self._has_header = not all(map(_is_number, head))
        self.names = (
            tuple(cell.strip() for cell in head) if self._has_header else tuple(str(i + 1) for i in range(len(head)))
        )
        if max(map(len, self.names)) > _LONGEST_NAME:
            raise DataError(
                f"The first line of {path} has a column name of {max(map(len, self.names)):,} characters.",
                fix="Check that the first line names the columns.",
            )
        twice = [name for name in self.names if name and self.names.count(name) > 1]
        if twice:
            raise DataError(f"{path} has two columns named '{twice[0]}'.", fix="Rename one of them.")

    def rows(self) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yields a name for each row, and its cells as text.

        Raises:
            DataError: The file is malformed; the message names the line.
        """
        with _reading(self.path):
            for number, (line, cells) in enumerate(self._lines()):
                if number == 0 and self._has_header:
                    continue
                if len(cells) != len(self.names):
                    raise DataError(
                        f"Line {line} of {self.path} has {len(cells)} value{'s' if len(cells) != 1 else ''}, and the first line has {len(self.names)}.",
                        fix="Repair the line; a value that holds the separator stands in double quotes.",
                    )
                yield f"line {line}", cells

    def columns(self, names: Sequence[str]) -> dict[str, list[Any]]:
        """Returns whole columns."""
        positions = [self.names.index(name) for name in names]
        found: list[list[Any]] = [[] for _ in names]
        for _, cells in self.rows():
            for column, position in zip(found, positions, strict=True):
                column.append(cells[position])
        return dict(zip(names, found, strict=True))

    def count(self) -> int:
        """Returns the number of rows."""
        return sum(1 for _ in self.rows())

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        with self.path.open(encoding=self._encoding, newline="") as lines:
            reader = csv.reader(_bounded(lines), delimiter=self._delimiter, strict=True)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells


def _bounded(lines: Any) -> Iterator[str]:
    while line := lines.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error(f"a line has more than {_LONGEST_LINE:,} characters")
        yield line


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (csv.Error, UnicodeError, OSError) as error:
        text = "it is not text in UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise DataError(f"{path} cannot be read as CSV: {text}.", fix="Save it again as CSV in UTF-8.") from error
