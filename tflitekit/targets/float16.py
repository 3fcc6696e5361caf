"""What of a file float16 cannot hold, as far as the file itself tells: float weights, and the ranges of quantized tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tflitekit.core.tensor import TensorSpec
from tflitekit.tflite.flatbuffer import QUANTIZED, Reader, read_with
from tflitekit.tflite.graph import float_constants

__all__ = ["beyond_float16"]

_LARGEST = float(np.finfo(np.float16).max)
_INT4 = 8


def beyond_float16(path: Path) -> list[str]:
    """Returns the names of tensors with values beyond float16."""
    weights = [name for name, value in float_constants(path).values() if value > _LARGEST]
    return weights + [spec.name for spec in read_with(path, _specs) if _reach(spec) > _LARGEST]


def _specs(reader: Reader) -> list[TensorSpec]:
    main = reader.subgraphs[0]
    return [reader.spec(main, index, {}) for index in range(main.TensorsLength())]


def _reach(spec: TensorSpec) -> float:
    """Returns the largest absolute value that a quantized tensor can have; 0 for others."""
    if spec.quantization is None or spec.dtype not in QUANTIZED:
        return 0.0
    limits = np.iinfo(spec.dtype) if spec.dtype in ("int8", "uint8", "int16") else None
    low, high = (limits.min, limits.max) if limits else (-_INT4, _INT4)
    scale, zero = np.asarray(spec.quantization.scale), np.asarray(spec.quantization.zero_point or (0,))
    return float((scale * np.maximum(np.abs(low - zero), np.abs(high - zero))).max())
