"""Compares a float ``.tflite`` with the outputs of the model that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import ModelError
from tflitekit.tflite.runtime import Model

__all__ = ["BOUND", "Proof", "prove"]

BOUND = 1e-3
"""Float kernels that add in another order differ by 1e-7 to 1e-5 of an output's largest value, wrong padding or a swapped axis
by more than a hundredth."""


class Proof(BaseModel):
    """How far a converted model is from the original.

    Attributes:
        original: What ran the original, with its version.
        largest: The largest difference of any value.
        relative: The largest difference by the largest value of its output.
        output: The output where that is.
    """

    model_config = ConfigDict(frozen=True)

    original: str
    samples: int
    largest: float
    relative: float
    output: str

    def __str__(self) -> str:
        return (
            f"The converted model agrees with the original ({self.original}) on {self.samples} samples: largest difference "
            f"{self.largest:.2g}, {self.relative:.2g} of the largest value of '{self.output}'."
        )


def prove(
    path: Path, samples: Path, *, inputs: Sequence[str], outputs: Sequence[str], original: str, origin: str
) -> Proof:
    """Runs a file on samples and compares it with the original's outputs.

    Args:
        samples: The arrays ``0/in/0``, ``0/out/0`` and so on, in the order of ``inputs`` and ``outputs``.
        origin: The original model, for errors.

    Raises:
        ModelError: It is farther away than `BOUND`, or has other shapes, or other integers.
    """
    model = Model(path)
    count, largest, worst, where = 0, 0.0, 0.0, outputs[0]
    with np.load(samples, allow_pickle=False) as arrays:
        while f"{count}/out/0" in arrays:
            given = [arrays[f"{count}/in/{list(inputs).index(spec.name)}"] for spec in model.graph.inputs]
            for spec, value in zip(model.graph.outputs, model.run(given), strict=True):
                difference, relative = _difference(value, arrays[f"{count}/out/{list(outputs).index(spec.name)}"])
                largest = max(largest, difference)
                if relative >= worst:
                    worst, where = relative, spec.name
            count += 1
    if not count or not worst <= BOUND:
        raise ModelError(
            f"The conversion of {origin} does not compute what the model does: '{where}' differs by {worst:.2g} of its largest value "
            f"on {count} random samples, and at most {BOUND:g} is allowed.",
            why=f"Compared with {original}.",
            fix="Nothing was quantized. Export the model with fixed sizes, or the other way: ONNX as .pt2, .pt2 as ONNX.",
        )
    return Proof(original=original, samples=count, largest=largest, relative=worst, output=where)


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> tuple[float, float]:
    """Returns the largest difference, and that by the largest value; infinite where they cannot be compared."""
    if found.shape != expected.shape:
        return np.inf, np.inf
    if not expected.size:
        return 0.0, 0.0
    ours, theirs = found.astype(np.float64), expected.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        distance = np.where(same, 0.0, np.abs(ours - theirs))
    if not np.isfinite(distance).all() or (expected.dtype.kind != "f" and distance.any()):
        return np.inf, np.inf
    scale = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
    return float(distance.max()), float(distance.max() / scale) if scale else (np.inf if distance.any() else 0.0)
