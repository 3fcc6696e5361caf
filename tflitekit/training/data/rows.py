"""Reads rows of a training set, by number and in any order."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tflitekit.core.errors import DataError
from tflitekit.core.machine import usable_cores
from tflitekit.data.dataset import InputPipeline, Sample, UnreadableSampleError
from tflitekit.training.data.store import TrainingSet

__all__ = ["Rows", "open_rows", "stored_column"]


class Rows(Protocol):
    """Rows as they are stored, before normalization."""

    def read(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        """Returns one array per column, with a row for each number."""
        ...


def open_rows(data: TrainingSet) -> Rows:
    """Opens the files of a training set, or the folders that it is decoded from.

    Raises:
        DataError: The folders have changed since.
    """
    return _StreamedRows(data) if data.streamed else _StoredRows(data)


def stored_column(data: TrainingSet, number: int) -> NDArray[Any]:
    """Maps one stored column into memory."""
    column = data.columns[number]
    return np.memmap(data.folder / f"{number}.raw", dtype=column.dtype, mode="r", shape=(data.rows, *column.shape))


class _StoredRows:
    def __init__(self, data: TrainingSet) -> None:
        self._columns = [stored_column(data, number) for number in range(len(data.columns))]

    def read(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        return tuple(np.asarray(column[rows]) for column in self._columns)


class _StreamedRows:
    """Decodes images with one thread per core; Pillow gives Python's lock away while it decodes."""

    def __init__(self, data: TrainingSet) -> None:
        self._pipeline = InputPipeline(data.inputs, data.preprocessing)
        self._folders = [(folder.source, folder.open()) for folder in data.streamed]
        self._ends = np.cumsum([folder.rows for folder in data.streamed])
        labels = [sample.label for _, dataset in self._folders for sample in dataset]
        if not np.array_equal(labels, data.read_labels()):
            raise _changed(data.location, "the files differ from those when training was prepared")
        self._pool = ThreadPoolExecutor(usable_cores(), thread_name_prefix="decode")

    def read(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        return (np.stack(list(self._pool.map(self._pixels, self._samples(rows)))),)

    def _samples(self, rows: NDArray[np.int64]) -> Sequence[tuple[str, Sample]]:
        samples = []
        for row in rows:
            number = int(np.searchsorted(self._ends, row, side="right"))
            source, dataset = self._folders[number]
            start = int(self._ends[number - 1]) if number else 0
            samples.append((source, next(iter(dataset.pick([int(row) - start])))))
        return samples

    def _pixels(self, item: tuple[str, Sample]) -> NDArray[np.uint8]:
        source, sample = item
        try:
            image = sample.read()
        except UnreadableSampleError as error:
            raise _changed(source, f"'{sample.key}' can no longer be read ({error})") from error
        assert isinstance(image, Image.Image)
        return self._pipeline.pixels(image)


def _changed(location: str, reason: str) -> DataError:
    return DataError(
        f"The images at {location} have changed during training: {reason}.", fix="Run the same command again."
    )
