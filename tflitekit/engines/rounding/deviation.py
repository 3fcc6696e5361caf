"""How far a quantized file is from its own rounded weights, evaluated in float: kernels that compute something else show."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import ConversionError
from tflitekit.engines.samples import ordered
from tflitekit.tflite.runtime import Model

__all__ = ["MOST_DEVIATION", "Deviation", "check_deviation", "measure_deviation"]

Array = NDArray[Any]

MOST_DEVIATION = 0.5
"""The largest relative deviation that the rounding of activations may cause: half of the standard deviation of the output's values.
Kernels that are wrong give values that have nothing to do with the input, and lie above 1, or are not numbers."""


_STEPS = 8  # an output that hardly differs from sample to sample may be off by a few


@dataclass(frozen=True)
class Deviation:
    """Between two files, for one float output.

    Attributes:
        largest: The largest difference of a value.
        relative: The root mean square of the differences, over the standard deviation of all values of the output (over their
            mean where they do not differ; over eight steps of the quantized output where it is less).
    """

    output: str
    largest: float
    relative: float


class _Sums:
    """What is needed of one output, summed over samples."""

    def __init__(self) -> None:
        self.samples, self.largest, self.squares = 0, 0.0, 0.0
        self._center: float | None = None  # sums are about the mean of the first sample, so that little cancels
        self._sum = self._square = 0.0

    def add(self, expected: Array, actual: Array) -> None:
        expected = expected.astype(np.float64)
        difference = np.abs(expected - actual)
        difference[~np.isfinite(actual)] = np.inf
        self.samples += 1
        self.largest = max(self.largest, float(difference.max(initial=0.0)))
        self.squares += float((difference**2).mean())
        if self._center is None:
            self._center = float(expected.mean())
        offset = expected - self._center
        self._sum, self._square = self._sum + float(offset.mean()), self._square + float((offset**2).mean())

    def relative(self, step: float) -> float:
        assert self._center is not None
        variance = self._square / self.samples - (self._sum / self.samples) ** 2
        power = max(variance if variance > 0 else self._center**2, (_STEPS * step) ** 2)
        squares = self.squares / self.samples
        return 0.0 if squares == 0 else float(np.sqrt(squares / max(power, np.finfo(float).tiny)))


def measure_deviation(
    rounded: bytes, quantized: bytes, samples: Iterable[Mapping[str, Array]]
) -> tuple[Deviation, ...]:
    """Compares the float outputs of a float file whose weights are rounded with those of the quantized file made of it.

    Args:
        samples: As for `round_weights`; a few dozen say enough.

    Raises:
        DataError: There are no samples, or they do not fit the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        models = []
        for name, content in (("rounded", rounded), ("quantized", quantized)):
            path = Path(folder) / f"{name}.tflite"
            path.write_bytes(content)
            models.append(Model(path))
        expected, actual = models
        compared = [i for i, spec in enumerate(expected.outputs) if spec.dtype == "float32"]
        sums = {i: _Sums() for i in compared}
        for arrays in ordered(samples, [spec.name for spec in expected.inputs]):
            ours, theirs = (model.run(arrays, outputs=compared) for model in models)
            for i, one, other in zip(compared, ours, theirs, strict=True):
                sums[i].add(one, other)
        steps = [spec.quantization.scale[0] if spec.quantization else 0.0 for spec in actual.graph.inner_outputs]
        return tuple(Deviation(actual.outputs[i].name, sums[i].largest, sums[i].relative(steps[i])) for i in compared)


def check_deviation(
    name: str,
    rounded: bytes,
    quantized: bytes,
    samples: Iterable[Mapping[str, Array]],
    *,
    bound: float = MOST_DEVIATION,
) -> tuple[Deviation, ...]:
    """Does as `measure_deviation`, and refuses a file that deviates too far.

    Args:
        name: Of the variant.
        bound: The largest relative deviation.

    Raises:
        ConversionError: An output deviates further, or is not a number.
    """
    found = measure_deviation(rounded, quantized, samples)
    for each in found:
        if not each.relative <= bound:
            far = (
                f"{each.relative:.2f} standard deviations away from"
                if np.isfinite(each.relative)
                else "not a number, unlike"
            )
            raise ConversionError(
                f"{name}: the output '{each.output}' is {far} what the file's own rounded weights give in float.",
                why=f"At most {bound:g} standard deviations are allowed. Either the runtime's kernels for these types are wrong, or "
                "the ranges of the activations do not fit.",
                fix="Use int8 weights, or other calibration samples.",
            )
    return found
