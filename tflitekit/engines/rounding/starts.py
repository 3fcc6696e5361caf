"""Where both models begin to run: at the samples, or at activations that are kept on disk."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.engines.samples import Arrays, ordered

__all__ = ["CHUNK", "FromSamples", "Kept", "Pair"]

Array = NDArray[Any]
Pair = tuple[Arrays, Arrays]
"""What the float model and the one with rounded layers begin with, of one sample."""

CHUNK = 8  # samples whose rows are multiplied together


class FromSamples:
    """The samples themselves.

    Attributes:
        position: Of the first operator that is to run.
        tensors: The inputs of the models from there on.
        shapes: Theirs, where the file's do not hold.
    """

    position = 0
    shapes: Sequence[tuple[int, ...]] = ()

    def __init__(self, samples: Iterable[Mapping[str, Array]], names: Sequence[str], tensors: Iterable[int]) -> None:
        self.tensors = tuple(int(index) for index in tensors)
        self._samples, self._names = samples, names

    def chunks(self) -> Iterator[Iterable[Pair]]:
        """Yields a few samples at a time."""
        samples = ordered(self._samples, self._names)
        while chunk := list(itertools.islice(samples, CHUNK)):
            yield [(arrays, arrays) for arrays in chunk]

    def remove(self) -> None:
        """Removes nothing."""


class Kept:
    """Activations of both models, kept on disk: one file for each chunk of samples, in a folder of its own.

    Attributes:
        position, tensors, shapes: As those of `FromSamples`.
        failure: Why they cannot be kept after all.
    """

    def __init__(self, position: int, values: Mapping[int, Array], folder: Path, most_bytes: int) -> None:
        """
        Args:
            values: What one sample has for each tensor; all samples must have these shapes.
        """
        self.position, self.tensors = position, tuple(values)
        self.shapes: Sequence[tuple[int, ...]] = [array.shape for array in values.values()]
        self.failure: str | None = None
        self._most_bytes, self._bytes_each = most_bytes, 2 * sum(array.nbytes for array in values.values())
        self._folder = Path(tempfile.mkdtemp(dir=folder))

    def too_large(self, samples: int) -> str | None:
        """Returns what to say where so many samples take more than they may."""
        total = samples * self._bytes_each
        if total <= self._most_bytes:
            return None
        return (
            f"those of {samples:,} samples take {total / 1e6:,.1f} MB at one place, of {self._most_bytes / 1e6:,.1f} MB that may be used "
            "(fewer samples take less)"
        )

    def write(self, number: int, runs: Sequence[Sequence[Mapping[int, Array]]]) -> None:
        """Keeps a chunk, from any thread; nothing after one that cannot be kept.

        Args:
            runs: For each sample what both models computed.
        """
        arrays = [values[index] for run in runs for values in run for index in self.tensors]
        shapes = [array.shape for array in arrays]
        if shapes != list(self.shapes) * (2 * len(runs)):
            self.failure = "samples have them in unlike shapes"
        self.failure = self.failure or self.too_large(number * CHUNK + len(runs))
        if self.failure is None:
            with (self._folder / f"{number:08}").open("wb") as file:
                for array in arrays:
                    np.save(file, array)

    def chunks(self) -> Iterator[Iterable[Pair]]:
        """Yields what was kept, in the order of the samples."""
        return (_Chunk(path, len(self.tensors)) for path in sorted(self._folder.iterdir()))

    def remove(self) -> None:
        """Frees the disk."""
        shutil.rmtree(self._folder)


class _Chunk:
    """A file, read sample by sample."""

    def __init__(self, path: Path, tensors: int) -> None:
        self._path, self._tensors = path, tensors

    def __iter__(self) -> Iterator[Pair]:
        with self._path.open("rb") as file:
            end = self._path.stat().st_size
            while file.tell() < end:
                one, other = ([np.load(file) for _ in range(self._tensors)] for _ in range(2))
                yield one, other
