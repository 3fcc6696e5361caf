"""Calibration samples as a file's inputs take them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from tflitekit.core.errors import DataError
from tflitekit.tflite.runtime import Model

__all__ = ["Arrays", "Batches", "Samples", "ordered", "runs"]

Array = NDArray[Any]
Arrays = list[Array]
"""What a sample has for each input, in the model's order, with the batch dimension."""


class Samples(Protocol):
    """Preprocessed inputs, as `CalibrationSet` has them."""

    def batches(self, batch: int) -> Iterator[dict[str, Any]]:
        """Returns arrays ``(batch, ...)`` by input name."""


@dataclass(frozen=True)
class Batches:
    """Calibration samples as dicts by input name, again and again."""

    samples: Samples
    batch: int

    def __iter__(self) -> Iterator[Mapping[str, Array]]:
        return self.samples.batches(self.batch)


def ordered(samples: Iterable[Mapping[str, Array]], names: Sequence[str]) -> Iterator[Arrays]:
    """Yields samples in the order of the model's inputs.

    Raises:
        DataError: There are no samples, or one lacks an input.
    """
    empty = True
    for sample in samples:
        missing = [name for name in names if name not in sample]
        if missing:
            raise DataError(
                f"The calibration samples have no values for the input '{missing[0]}'.",
                why=f"They have values for {', '.join(sample) or 'no input'}.",
            )
        empty = False
        yield [sample[name] for name in names]
    if empty:
        raise DataError(
            "There are no calibration samples.", fix="Give a collection that can be read many times, not an iterator."
        )


def runs(content: bytes, samples: Iterable[Mapping[str, Array]]) -> Iterator[Model]:
    """Runs a file on one sample after the other, and yields it each time, so that all its tensors can be read.

    Args:
        content: A ``.tflite`` file.
        samples: By input name, with the batch dimension.

    Raises:
        DataError: There are no samples, or they do not fit the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        path.write_bytes(content)
        model = Model(path, keep_tensors=True)
        for arrays in ordered(samples, [spec.name for spec in model.inputs]):
            model.run(arrays, outputs=())
            yield model
