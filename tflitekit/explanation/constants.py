"""The weights of a quantized file beside those of its float original, channel by channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.explanation.pairs import Pair
from tflitekit.explanation.sums import decibels
from tflitekit.tflite.flatbuffer import Reader, read_with

__all__ = ["WeightSums", "compare_weights"]

_OUTPUTS_LAST = {"DEPTHWISE_CONV_2D", "CONV_3D", "CONV_3D_TRANSPOSE"}


@dataclass(frozen=True)
class WeightSums:
    """How far the weights of one operator are from the float ones.

    Attributes:
        pair: The operator's number among the pairs.
        dtype: As they are stored.
        scales: How many scales they have; 0 for floats.
        unpacked: Whether they become float again before the operator computes.
        snr_db: Signal to noise of all weights.
        channel_snr_db: The same by output channel.
        ranges: The largest absolute float weight of each channel.
        peak: The largest absolute weight by the root mean square of the others of its channel, of the channel where that is most.
    """

    pair: int
    dtype: str
    scales: int
    unpacked: bool
    snr_db: float
    channel_snr_db: NDArray[np.float64]
    ranges: NDArray[np.float64]
    peak: float


def compare_weights(files: tuple[Path, Path], pairs: Sequence[Pair]) -> list[WeightSums]:
    """Compares the constant weights of operators that both files have.

    Raises:
        ModelError: A file is missing or damaged.
    """
    baseline = read_with(files[0], lambda reader: _weights(reader, [pair.baseline.inputs for pair in pairs]))
    variant = read_with(files[1], lambda reader: _weights(reader, [pair.variant.inputs for pair in pairs]))
    return list(_errors(pairs, baseline, variant))


@dataclass(frozen=True)
class _Stored:
    values: NDArray[np.float64]
    dtype: str
    scales: int
    unpacked: bool


def _weights(reader: Reader, inputs: Sequence[Sequence[int]]) -> list[_Stored | None]:
    main = reader.subgraphs[0]
    packed = reader.packed_constants(main)
    found = []
    for indices in inputs:
        constants = [packed.get(index, index) for index in indices if index >= 0]
        largest = max(
            (
                i
                for i in constants
                if reader.buffer_bytes[main.Tensors(i).Buffer()] and main.Tensors(i).ShapeLength() > 1
            ),
            key=lambda i: reader.buffer_bytes[main.Tensors(i).Buffer()],
            default=None,
        )
        found.append(None if largest is None else _read(reader, main, largest, unpacked=largest not in indices))
    return found


def _read(reader: Reader, main: Any, index: int, *, unpacked: bool) -> _Stored | None:
    tensor = main.Tensors(index)
    spec = reader.spec(main, index, {})
    if spec.dtype not in ("float32", "float16", "int8", "uint8", "int4"):
        return None
    values = reader.constant(tensor).astype(np.float64)
    if spec.dtype.startswith("float"):
        return _Stored(values, spec.dtype, 0, unpacked)
    if spec.quantization is None:  # one scale a block, which stands elsewhere
        return None
    shape = [1] * values.ndim
    if spec.quantization.axis is not None:
        shape[spec.quantization.axis] = -1
    scale, zero = (np.reshape(part, shape) for part in (spec.quantization.scale, spec.quantization.zero_point))
    return _Stored((values - zero) * scale, spec.dtype, scale.size, unpacked)


def _errors(
    pairs: Sequence[Pair], baseline: Sequence[_Stored | None], variant: Sequence[_Stored | None]
) -> Iterator[WeightSums]:
    for number, (pair, one, two) in enumerate(zip(pairs, baseline, variant, strict=True)):
        if one is None or two is None or one.values.shape != two.values.shape:
            continue
        axis = one.values.ndim - 1 if pair.variant.operator.name in _OUTPUTS_LAST else 0
        expected, found = (
            np.moveaxis(each.values, axis, 0).reshape(each.values.shape[axis], -1) for each in (one, two)
        )
        signal, noise = (expected**2).sum(1), ((found - expected) ** 2).sum(1)
        ranges = np.abs(expected).max(1)
        size = np.sqrt((signal - ranges**2).clip(0) / max(1, expected.shape[1] - 1))
        yield WeightSums(
            pair=number,
            dtype=two.dtype,
            scales=two.scales,
            unpacked=two.unpacked,
            snr_db=decibels(float(signal.sum()), float(noise.sum())),
            channel_snr_db=np.array([decibels(s, n) for s, n in zip(signal, noise, strict=True)]),
            ranges=ranges,
            peak=float((ranges[size > 0] / size[size > 0]).max(initial=0.0)),
        )
