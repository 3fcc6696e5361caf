"""See `with_stored_weights`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.tflite.flatbuffer import Reader, parse_with

__all__ = ["with_stored_weights"]

Array = NDArray[Any]


def with_stored_weights(model: bytes, quantized: bytes) -> bytes:
    """Returns a float file with the weights that a quantized file of it has, as real values.

    Args:
        quantized: With one scale a channel or tensor; other weights stay as the float file has them.
    """
    stored = parse_with(quantized, "the quantized file", lambda reader: dict(_real_weights(reader)))
    changed = EditableModel(model)
    for index in range(len(changed.graph.tensors)):
        weights, values = changed.constant(index), stored.get(changed.tensor_name(index))
        if weights is not None and values is not None and values.size == weights.size:
            changed.set_constant(index, values.reshape(weights.shape))
    return changed.to_bytes()


def _real_weights(reader: Reader) -> Iterator[tuple[str, Array]]:
    main = reader.subgraphs[0]
    for index in range(main.TensorsLength()):
        tensor, spec = main.Tensors(index), reader.spec(main, index, {})
        if spec.dtype not in ("int4", "int8") or spec.quantization is None or not reader.buffer_bytes[tensor.Buffer()]:
            continue
        values = reader.constant(tensor).astype(np.float32)
        along = [1] * values.ndim
        if spec.quantization.axis is not None:
            along[spec.quantization.axis] = -1
        scales, zeros = (
            np.array(each, np.float32).reshape(along)
            for each in (spec.quantization.scale, spec.quantization.zero_point)
        )
        yield spec.name, (values - zeros) * scales
