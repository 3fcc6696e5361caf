"""Decodes samples on all cores and writes them into plain files, row by row in the order of the data."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import DataError
from tflitekit.core.machine import usable_cores
from tflitekit.core.progress import Progress
from tflitekit.data.annotations import Boxes, Mask, Poses
from tflitekit.data.calibration import check_shapes
from tflitekit.data.dataset import Dataset, InputPipeline, Sample, SkippedSamples, UnreadableSampleError
from tflitekit.data.parallel import process_chunks
from tflitekit.training.data.labels import LabelKind, labels_of, stack_labels, stored_label

__all__ = ["Column", "SampleWriter", "image_bytes"]

_CHUNK_BYTES = 8 << 20
_MOST_CHUNK = 64
_MASKS = "masks.raw"
_MASK_TYPE = np.dtype(np.int16)
_DECODER_CRASHED = DataError(
    "A process that decoded training images crashed.",
    why="Pillow crashed on one of the files.",
    fix="Open the images with another program, and remove those that are broken.",
)


class Column(BaseModel):
    """One stored input: the file ``N.raw``, one row a sample.

    Attributes:
        pixels: Whether rows are pixels that have yet to be normalized.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    dtype: str
    shape: tuple[int, ...]
    pixels: bool

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return np.dtype(self.dtype).itemsize * int(np.prod(self.shape, dtype=np.int64))


def image_bytes(pipeline: InputPipeline) -> int:
    """Returns the bytes of one stored image."""
    return int(np.prod(pipeline.inputs[0].shape[1:], dtype=np.int64))


class _Chunk(NamedTuple):
    """One array per input with a row for each sample, zeros for those that cannot be read; and what they are."""

    arrays: list[NDArray[Any]]
    pixels: bool
    key: str
    labels: list[Any]
    unreadable: list[tuple[int, str, str]]


class SampleWriter:
    """Writes data sets one behind the other; closes the files at the end of its context.

    Attributes:
        columns: What is stored, known after the first sample.
        labels: Of all rows, as `stored_label` returns them, without masks; ``first_label`` as the data have it.
        unreadable: Rows that hold nothing.
        skipped: Their names, with reasons.
        digest: Hash of all rows and labels, where asked for.

    Args:
        store: False decodes images only to see whether they can be read.
        hashed: Whether to fill ``digest``; it needs the order, so that one process does all.
        outputs: Whose labels to take of samples that have them by output; those of the first sample when none are named.
        ignore: Value of pixels in masks that count for nothing.
    """

    def __init__(
        self,
        folder: Path,
        pipeline: InputPipeline,
        *,
        store: bool,
        hashed: bool,
        outputs: Sequence[str] = (),
        ignore: int | None = None,
    ) -> None:
        self._pipeline, self._store, self._hashed, self._outputs = pipeline, store, hashed, tuple(outputs)
        self._ignore, self._masks = ignore, folder / _MASKS
        self._masks.unlink(missing_ok=True)  # of a run that was ended
        self._mask_shape: tuple[int, ...] | None = None
        self._streams = [(folder / f"{i}.raw").open("wb") for i in range(len(pipeline.inputs))] if store else []
        self.columns: list[Column] = []
        self.labels: list[Any] = []
        self.first_label: Any = None
        self.unreadable: list[int] = []
        self.skipped: list[str] = []
        self.digest = hashlib.sha256()
        if not store:
            self._describe([Column(name=s.name, dtype="|u1", shape=s.shape[1:], pixels=True) for s in pipeline.inputs])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream, column in zip(self._streams, self.columns, strict=False):
            if kind is None:
                stream.truncate(len(self.labels) * column.row_bytes)  # the last rows may be unreadable
                stream.flush()
                os.fsync(stream.fileno())
        for stream in self._streams:
            stream.close()

    def add(self, dataset: Dataset, progress: Progress, jobs: int | None) -> int:
        """Appends a data set and returns its number of rows.

        Raises:
            DataError: It is empty, has samples of different shapes, or more than 1 % cannot be read.
        """
        images = dataset.pictures
        cores = (jobs or usable_cores()) if images and not self._hashed else 1
        size = max(1, min(_MOST_CHUNK, _CHUNK_BYTES // max(1, image_bytes(self._pipeline)))) if images else _MOST_CHUNK
        skipped = SkippedSamples(dataset.size)
        before = len(self.labels)
        if not before:
            first = next((sample.label for sample in dataset), None)
            self.first_label = labels_of(first, self._outputs, dataset.location)
            if isinstance(first, Mapping):
                self._outputs = self._outputs or tuple(first)
        labels: dict[int, list[Any]] = {}
        verb = "Reading" if self._store else "Checking"
        with progress.task(f"{verb} training samples", dataset.size) as advance:
            for done in process_chunks(
                dataset, size, cores, lambda: functools.partial(self._prepare, dataset.location), crash=_DECODER_CRASHED
            ):
                chunk: _Chunk = done.value
                labels[done.start] = self._without_masks(before + done.start, chunk.labels)
                self._write(before + done.start, chunk)
                for index, key, reason in chunk.unreadable:
                    self.unreadable.append(before + done.start + index)
                    skipped.add(key, reason)
                advance(done.length)
        self.labels += [label for start in sorted(labels) for label in labels[start]]
        self.skipped += skipped.names
        count = len(self.labels) - before
        if count == 0:
            raise DataError(f"The training data at {dataset.location} are empty.")
        skipped.check(count)
        if not self.columns:
            raise DataError(f"None of the samples at {dataset.location} can be read.")
        return count

    def stacked(self, dataset: Dataset) -> dict[str, tuple[NDArray[Any], LabelKind]]:
        """Returns the labels of all rows by output, '' for the only one, as `stack_labels` does; masks of an only one stay on disk, with
        zeros for those that cannot be read."""
        if isinstance(self.first_label, dict):
            return {
                output: stack_labels([row[output] for row in self.labels], one, dataset)
                for output, one in self.first_label.items()
            }
        if self._mask_shape is None:
            return {"": stack_labels(self.labels, self.first_label, dataset)}
        shape = (len(self.labels), *self._mask_shape)
        with self._masks.open("r+b") as stream:
            stream.truncate(int(np.prod(shape)) * _MASK_TYPE.itemsize)
        return {"": (np.memmap(self._masks, _MASK_TYPE, "r", shape=shape), "mask")}

    def delete_masks(self) -> None:
        """Deletes the file of masks."""
        self._masks.unlink(missing_ok=True)

    def _without_masks(self, start: int, labels: list[Any]) -> list[Any]:
        """Writes the masks among labels, which would need as much memory as the pictures, and returns None for each."""
        if not isinstance(self.first_label, Mask):
            return labels
        self._masks.touch()
        with self._masks.open("r+b") as stream:
            for row, mask in enumerate(labels, start):
                if mask is not None:
                    self._mask_shape = mask.shape
                    stream.seek(row * mask.nbytes)
                    stream.write(np.ascontiguousarray(mask, _MASK_TYPE).data)
        return [None] * len(labels)

    def _prepare(self, location: str, samples: Sequence[Sample]) -> _Chunk:
        rows: list[tuple[NDArray[Any], ...] | None] = []
        labels: list[Any] = []
        unreadable: list[tuple[int, str, str]] = []
        shapes: list[tuple[int, ...]] = []
        dtypes: list[np.dtype[Any]] = []
        pixels, key = False, ""
        for index, sample in enumerate(samples):
            arrays: tuple[NDArray[Any], ...] | None = None
            label = labels_of(sample.label, self._outputs, location)
            try:
                raw = sample.read()
                label = stored_label(label, functools.partial(self._pipeline.frame, raw), self._ignore)
                pixels = isinstance(raw, Image.Image)
                if isinstance(raw, Image.Image):
                    arrays = (self._pipeline.pixels(raw),) if self._store else None
                else:
                    arrays = self._pipeline.prepare(raw, sample.key)
            except UnreadableSampleError as error:
                unreadable.append((index, sample.key, str(error)))
                label = _without_places(label)
            rows.append(arrays)
            labels.append(label)
            if arrays is not None:
                check_shapes(arrays, shapes, sample.key, "training")
                if not shapes:
                    key, shapes, dtypes = sample.key, [a.shape for a in arrays], [a.dtype for a in arrays]
        stacked = [np.zeros((len(rows), *shape), dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        for index, row in enumerate(rows):
            for column, array in zip(stacked, row or (), strict=False):
                column[index] = array
        return _Chunk(stacked, pixels, key, labels, unreadable)

    def _write(self, start: int, chunk: _Chunk) -> None:
        if not chunk.arrays:
            return
        columns = [
            Column(name=spec.name, dtype=a.dtype.str, shape=a.shape[1:], pixels=chunk.pixels)
            for spec, a in zip(self._pipeline.inputs, chunk.arrays, strict=True)
        ]
        if not self.columns:
            self._describe(columns)
        check_shapes([a[0] for a in chunk.arrays], [c.shape for c in self.columns], chunk.key, "training")
        if columns != self.columns:
            raise DataError(
                f"The training sample '{chunk.key}' is of a different kind from those before it.",
                fix="Give either images or arrays, both to train and to validate on.",
            )
        for stream, array in zip(self._streams, chunk.arrays, strict=True):
            stream.seek(start * (array.nbytes // len(array)))
            stream.write(array.data)
        if self._hashed:
            for array in chunk.arrays:
                self.digest.update(array.tobytes())
            each = (one for label in chunk.labels for one in (label.values() if isinstance(label, dict) else [label]))
            self.digest.update(repr([np.asarray(one).tolist() for one in each]).encode())

    def _describe(self, columns: Sequence[Column]) -> None:
        self.columns = list(columns)
        if columns[0].pixels:  # means that do not fit the channels are an error now, not in the worker
            self._pipeline.preprocessing.steps(self._pipeline.inputs[0].shape[1:])


def _without_places(label: Any) -> Any:
    """Returns what is kept of the label of a picture that cannot be read: nothing where it lies in the picture."""
    if isinstance(label, dict):
        return {output: _without_places(one) for output, one in label.items()}
    return None if isinstance(label, Boxes | Mask | Poses) else label
