"""Whether samples are pixels from 0 to 255, and what quantized inputs make of the pixels that apps store into them."""

from __future__ import annotations

import itertools

import numpy as np

from tflitekit.core.tensor import TensorSpec
from tflitekit.data.pipeline import without_batch
from tflitekit.data.preprocessing import Preprocessing, is_picture
from tflitekit.data.samples import Array, Dataset, UnreadableSampleError

__all__ = ["holds_pixels", "stored_pixels"]

_SAMPLES = 8
# An input whose steps are about one pixel, from 0 on, takes pixels as real numbers: the darkest and brightest calibration
# sample rarely reach 0 and 255 exactly.
_ONE_PIXEL = (0.8, 1.25)


def holds_pixels(dataset: Dataset, spec: TensorSpec) -> bool:
    """Whether the samples of an input are pictures of pixels from 0 to 255: image files, or whole numbers that look like it."""
    if dataset.pictures:
        return True
    found = []
    for sample in itertools.islice(dataset, _SAMPLES):
        try:
            raw = sample.read()
        except UnreadableSampleError:
            continue
        assert not hasattr(raw, "mode")
        values = next(iter(raw.values())) if len(raw) == 1 else raw.get(spec.name)
        values = None if values is None else without_batch(values, len(spec.shape) - 1)
        if values is None or values.size == 0 or not _is_picture(values, spec):
            return False
        found.append(values)
    numbers = all(values.dtype.kind in "iuf" and bool(np.all(values == np.rint(values))) for values in found)
    return numbers and bool(found) and min(v.min() for v in found) >= 0 and 1 < max(v.max() for v in found) <= 255


def _is_picture(values: Array, spec: TensorSpec) -> bool:
    return is_picture(values.shape if values.ndim == len(spec.shape) - 1 else (*values.shape, 1))


def stored_pixels(spec: TensorSpec) -> Preprocessing | None:
    """Returns the preprocessing that stores each pixel as it is into a quantized 8-bit input: 0 to 255 in uint8, less 128 in int8.

    The pixel ``p`` stands for the real number ``scale * (p - p0)`` then, where ``p0`` is the pixel that is stored as the zero
    point. None for inputs of other types, and for those that hold the pixels themselves as real numbers.
    """
    if spec.dtype not in ("uint8", "int8") or spec.quantization is None or len(spec.quantization.scale) != 1:
        return None
    scale, zero = spec.quantization.scale[0], spec.quantization.zero_point[0]
    origin = zero - int(np.iinfo(spec.dtype).min)
    if not scale > 0 or not np.isfinite(np.float32(1 / scale)) or (origin == 0 and _within(scale)):
        return None
    return Preprocessing(name="stored-pixels", mean=(float(origin),), std=(1 / scale,))


def _within(scale: float) -> bool:
    return _ONE_PIXEL[0] <= scale <= _ONE_PIXEL[1]
