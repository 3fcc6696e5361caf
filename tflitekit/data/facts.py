"""A few numbers about each sample as the model sees it and as the model answers it: what the lints look at.

Columns with one row per sample, kept beside the scores; a few dozen bytes each.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import ContractError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.preprocessing import image_layout

__all__ = [
    "Facts",
    "Inputs",
    "input_facts",
    "output_facts",
    "picture_facts",
    "size_facts",
    "smoothness",
    "usual_shapes",
]

Facts = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Inputs:
    """What a model was fed.

    Attributes:
        specs: The model's inputs, in the order of the columns.
        facts: What `input_facts` says of each sample; for data with classes also 'label' (-1 without) and, for calibration pictures,
            what `picture_facts` says.
        classes: Names of the labels, where they have names.
    """

    specs: tuple[TensorSpec, ...]
    facts: Facts
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.facts["content"])

    def real(self) -> list[int]:
        """Returns the inputs that take real numbers, not indices or flags."""
        return [i for i, spec in enumerate(self.specs) if spec.dtype.startswith("float") or spec.quantization]


def input_facts(rows: Sequence[tuple[NDArray[Any], ...]]) -> Facts:
    """Describes prepared samples.

    Args:
        rows: One array per model input, without batch, for each sample.

    Returns:
        ``content``, 64 bits of a hash (SHA-1) of all values of a sample, shape ``(n,)``; ``input_low`` and ``input_high``,
        the smallest and largest value of each input as float32 (0 for text), shape ``(n, inputs)``.
    """
    content = np.empty(len(rows), np.uint64)
    low, high = (np.empty((len(rows), len(rows[0])), np.float32) for _ in range(2))
    for index, arrays in enumerate(rows):
        hashed = 0  # a sum over inputs, because files list them in different orders
        for column, array in enumerate(arrays):
            digest = hashlib.sha1(np.ascontiguousarray(array).data, usedforsecurity=False).digest()
            hashed += int.from_bytes(digest[:8], "little")
            numbers = array.size and array.dtype.kind != "S"
            low[index, column], high[index, column] = (array.min(), array.max()) if numbers else (0, 0)
        content[index] = hashed % 2**64
    return {"content": content, "input_low": low, "input_high": high}


def size_facts(rows: Sequence[tuple[NDArray[Any], ...]], specs: Sequence[TensorSpec]) -> Facts:
    """Tells the shapes of prepared samples where the model leaves sizes open.

    Returns:
        ``sizes``, the dimensions of all open inputs without batch, one after the other, as int32, shape ``(n, dimensions)``;
        nothing where all sizes are fixed.
    """
    which = [index for index, spec in enumerate(specs) if spec.is_open]
    if not which:
        return {}
    return {"sizes": np.asarray([[d for index in which for d in row[index].shape] for row in rows], np.int32)}


def usual_shapes(sizes: NDArray[np.int32], specs: Sequence[TensorSpec]) -> dict[str, tuple[int, ...]]:
    """Returns the shape that most samples have, without batch, by open input; of equally frequent ones the smallest.

    Args:
        sizes: As `size_facts` tells them.
    """
    rows, counts = np.unique(sizes, axis=0, return_counts=True)
    dimensions = iter(rows[int(np.argmax(counts))].tolist())
    return {spec.name: tuple(itertools.islice(dimensions, len(spec.shape) - 1)) for spec in specs if spec.is_open}


def output_facts(outputs: NDArray[np.float32]) -> Facts:
    """Describes the outputs ``(n, ...)`` of samples, as real values.

    Returns:
        ``output_low``, ``output_high``, ``output_mean`` and ``output_std`` of each sample's values, as float32; and
        ``output_mark``, a weighted sum as float64 that is the same only for the same values in the same order.
    """
    rows = outputs.reshape(len(outputs), -1)
    weights = np.sin(np.arange(1, rows.shape[1] + 1))
    with np.errstate(all="ignore"):  # outputs that are not finite fail the variant elsewhere
        return {
            "output_low": rows.min(axis=1).astype(np.float32),
            "output_high": rows.max(axis=1).astype(np.float32),
            "output_mean": rows.mean(axis=1, dtype=np.float64).astype(np.float32),
            "output_std": rows.std(axis=1).astype(np.float32),
            "output_mark": (rows * weights).sum(axis=1),
        }


def picture_facts(array: NDArray[Any]) -> Facts | None:
    """Describes one prepared picture; None for what is none.

    Returns:
        ``channel_low`` and ``channel_high``, shape ``(1, channels)``, and ``smoothness``, shape ``(1,)``, as float32.
    """
    try:
        _, _, channels, first = image_layout(array.shape if array.dtype.kind != "S" else ())
    except ContractError:
        return None
    picture = np.moveaxis(array, 0, -1) if first else array.reshape(*array.shape[:2], channels)
    return {
        "channel_low": picture.min(axis=(0, 1))[None].astype(np.float32),
        "channel_high": picture.max(axis=(0, 1))[None].astype(np.float32),
        "smoothness": np.array([smoothness(picture)], np.float32),
    }


def smoothness(picture: NDArray[Any]) -> float:
    """Returns the correlation of neighboring pixels of ``(height, width, channels)``: about 0 for noise; NaN without contrast.

    Of the central 64 x 64 pixels, so that it costs the same for all.
    From J. von Neumann's ratio of successive differences to the variance (Annals of Mathematical Statistics 12, 1941):
    its mean is 2 for independent values.
    """
    top, left = (max(0, (side - 64) // 2) for side in picture.shape[:2])
    values = picture[top : top + 64, left : left + 64].astype(np.float64)
    variance = float(values.var(axis=(0, 1)).mean())
    if variance == 0 or min(values.shape[:2]) < 2:
        return float("nan")
    steps = [np.square(np.diff(values, axis=axis)).mean() for axis in (0, 1)]
    return 1 - float(np.mean(steps)) / (2 * variance)
