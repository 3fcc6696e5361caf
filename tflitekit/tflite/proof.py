"""The proof that a float ``.tflite`` file computes what the model does that it was made from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tflitekit.core.files import write_whole
from tflitekit.core.units import counted

__all__ = ["BOUND", "Proof", "compare", "difference", "read_inputs", "write_reference"]

BOUND = 1e-3
"""Float kernels that add in another order differ by 1e-7 to 1e-5 of an output's largest value, wrong padding or a swapped axis
by more than a hundredth."""

_SMALLEST = 1e-3  # values below are what is left where larger ones cancel out

Array = NDArray[Any]


class Proof(BaseModel):
    """How far a converted model is from the original, on a few samples.

    Attributes:
        original: What ran the original, with its version.
        samples: How many samples were compared; 0 where none could be, and ``why`` says why.
        origin: Where the samples are from, in words.
        largest: The largest difference of any value; null where values cannot be compared (NaN in one only, other shapes).
        relative: The largest difference by the largest value of its output; of integers the share of values that differ.
        output: The output where that is.
        bound: What ``relative`` may be at most.
    """

    model_config = ConfigDict(frozen=True)

    original: str
    samples: int = 0
    origin: str = ""
    largest: float | None = None
    relative: float | None = None
    output: str | None = None
    bound: float = BOUND
    why: str | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing was found that speaks against the file."""
        return self.samples == 0 or (self.relative is not None and self.relative <= self.bound)

    def __str__(self) -> str:
        if self.samples == 0 or self.largest is None or self.relative is None:
            return self.why or "Not compared with the original."
        return (
            f"The float model computes what the original does ({self.original}) on {counted(self.samples, f'{self.origin} sample')}: largest "
            f"difference {self.largest:.2g}, {self.relative:.2g} of the largest value of '{self.output}' (bound {self.bound:g})."
        )


def write_reference(path: Path, inputs: Sequence[Sequence[Array]], outputs: Sequence[Sequence[Array]] = ()) -> None:
    """Writes what `compare` reads: by sample ``0/in/0`` and so on, and what the original makes of it, ``0/out/0``."""
    arrays = {
        f"{sample}/{side}/{place}": value
        for side, rows in (("in", inputs), ("out", outputs))
        for sample, row in enumerate(rows)
        for place, value in enumerate(row)
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def read_inputs(reference: Path) -> list[list[Array]]:
    """Returns the samples that `write_reference` wrote."""
    with np.load(reference, allow_pickle=False) as arrays:
        count = sum(name.endswith("/in/0") for name in arrays)
        inputs = sum(name.startswith("0/in/") for name in arrays)
        return [[arrays[f"{i}/in/{place}"] for place in range(inputs)] for i in range(count)]


def compare(
    path: Path, reference: Path, *, inputs: Sequence[str], outputs: Sequence[str], original: str, origin: str
) -> Proof:
    """Runs a file on samples and compares it with the original's outputs.

    Args:
        reference: What `write_reference` wrote, in the order of ``inputs`` and ``outputs``.
        origin: Where the samples are from.

    Raises:
        ModelError: The file does not run.
        DataError: It does not take the samples.
    """
    from tflitekit.tflite.runtime import Model

    model = Model(path)
    rows = read_inputs(reference)
    count = len(rows)
    given = [[row[inputs.index(spec.name)] for spec in model.graph.inputs] for row in rows]
    with np.load(reference, allow_pickle=False) as arrays:
        wanted = {name: [arrays[f"{i}/out/{place}"] for i in range(count)] for place, name in enumerate(outputs)}
    found = [dict(zip((spec.name for spec in model.graph.outputs), model.run(row), strict=True)) for row in given]
    largest, worst, where = 0.0, 0.0, outputs[0]
    for name in outputs:
        absolute, relative = difference([row[name] for row in found], wanted[name])
        largest = max(largest, absolute)
        if relative >= worst:
            worst, where = relative, name
    return Proof(
        original=original,
        samples=count,
        origin=origin,
        largest=largest if np.isfinite(largest) else None,
        relative=worst if np.isfinite(worst) else None,
        output=where,
    )


def difference(found: Sequence[Array], expected: Sequence[Array]) -> tuple[float, float]:
    """Compares the values of one output, sample by sample.

    Returns:
        The largest difference, and that by the largest value of all samples (of integers, the largest share of values that
        differ in a sample); both infinite where values cannot be compared.
    """
    largest, relative, scale = 0.0, 0.0, _SMALLEST
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape or (one.dtype.kind in "SO") != (other.dtype.kind in "SO"):
            return np.inf, np.inf
        if not other.size:
            continue
        if other.dtype.kind in "SO":
            relative = max(relative, float(np.mean(one != other)))
            continue
        ours, theirs = one.astype(np.float64), other.astype(np.float64)
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        with np.errstate(invalid="ignore"):
            distance = np.where(same, 0.0, np.abs(ours - theirs))
        if not np.isfinite(distance).all():
            return np.inf, np.inf
        largest = max(largest, float(distance.max()))
        if other.dtype.kind == "f":
            scale = max(scale, float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)))
        else:  # an argmax or a rank of nearly equal values may fall out otherwise
            relative = max(relative, float(np.mean(~same)))
    return largest, relative if expected and expected[0].dtype.kind != "f" else largest / scale
