"""Long series cut into windows of rows: ``PATH:window=LENGTH:step=ROWS``."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tflitekit.core.errors import DataError, UsageError
from tflitekit.data.columns import Columns, Series
from tflitekit.data.records import Labels, Record, Records
from tflitekit.data.samples import Dataset, Raw, Sample
from tflitekit.data.settings import whole_number_of

__all__ = ["WINDOW_SETTINGS", "Windows", "windows_of"]

WINDOW_SETTINGS = ("window", "step")


def windows_of(settings: Mapping[str, str]) -> tuple[int, int] | None:
    """Returns length and step of the windows that settings ask for; None where they ask for none.

    Raises:
        UsageError: There is a step without a length, or one is no number.
    """
    length, step = whole_number_of(settings, "window"), whole_number_of(settings, "step")
    if length is None:
        for name in ("step", "group"):
            if name in settings:
                raise UsageError(
                    f"The setting {name}={settings[name]} is for windows.",
                    fix="Add window=ROWS, the length of a window.",
                )
        return None
    return length, step or length


class Windows(Records):
    """Windows over the rows of other data. A window has the label of its last row, and rows of one group only.

    Args:
        rows: The data that are cut.
        length: Of a window, in rows.
        step: From the beginning of one window to that of the next, in rows.
        grouped: Whether the rows have groups.
    """

    def __init__(
        self, rows: Dataset, length: int, step: int, *, grouped: bool, limit: int | None, seed: int, need_labels: bool
    ) -> None:
        self.kind, self.random_access, self.notes = rows.kind, rows.random_access, rows.notes
        self.columns = rows.columns
        self._rows, self._length, self._step, self._grouped = rows, length, step, grouped
        labels = [window[-1].label for window in self._windows()]
        if not labels:
            raise DataError(
                f"{rows.location} has no window of {length} rows: it has {rows.size if rows.size is not None else 'fewer'}.",
                fix="Name a shorter one: window=ROWS.",
            )
        super().__init__(rows.location, Labels(labels, rows.classes), limit=limit, seed=seed, need_labels=need_labels)

    def records(self) -> Iterator[Record]:
        for window in self._windows():
            key = f"{window[0].key} to {window[-1].key.rsplit(maxsplit=1)[-1]}"
            yield Record(key, functools.partial(_stacked, window, key))

    def _windows(self) -> Iterator[tuple[Sample, ...]]:
        window: deque[Sample] = deque(maxlen=self._length)
        number, group = 0, None
        for sample in self._rows:
            own = self._group_of(sample)
            if own != group:
                window.clear()
                number, group = 0, own
            window.append(sample)
            number += 1
            if number >= self._length and (number - self._length) % self._step == 0:
                yield tuple(window)

    def _group_of(self, sample: Sample) -> object:
        raw = sample.read() if self._grouped else None
        return raw.group if isinstance(raw, Columns) else None

    def content(self) -> str | None:
        rows = self._rows.fingerprint()
        return rows and f"{rows} {self._length} {self._step}"


def _stacked(window: Sequence[Sample], key: str) -> Raw:
    rows = [sample.read() for sample in window]
    columns = [row for row in rows if isinstance(row, Columns)]
    if len(columns) == len(rows):
        return Series.of(columns, key)
    arrays = [row for row in rows if isinstance(row, Mapping)]
    if len(arrays) != len(rows):
        raise UsageError("Windows are made of rows of numbers, not of images.", fix="Leave out window=.")
    return {name: np.stack([row[name] for row in arrays]) for name in arrays[0]}
