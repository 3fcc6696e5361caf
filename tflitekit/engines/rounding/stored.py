"""See `with_stored_weights`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.tflite.flatbuffer import DTYPES, Reader, parse_with

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
    for tensor in (main.Tensors(i) for i in range(main.TensorsLength())):
        parameters, kind = tensor.Quantization(), DTYPES.get(tensor.Type())
        if kind not in ("int4", "int8") or not reader.buffer_bytes[tensor.Buffer()]:
            continue
        if parameters is None or not parameters.ScaleLength():
            continue
        data = reader.model.Buffers(tensor.Buffer()).DataAsNumpy().view(np.int8)
        shape = [tensor.Shape(i) for i in range(tensor.ShapeLength())]
        if kind == "int4":  # two in a byte, the lower half first
            data = np.stack([(data << 4) >> 4, data >> 4], 1).reshape(-1)[: int(np.prod(shape))]
        along = [1] * len(shape)
        if parameters.ScaleLength() > 1:
            along[parameters.QuantizedDimension()] = -1
        scales, zeros = (values.reshape(along) for values in (parameters.ScaleAsNumpy(), parameters.ZeroPointAsNumpy()))
        real = (data.reshape(shape).astype(np.float32) - zeros.astype(np.float32)) * scales
        yield (tensor.Name() or b"").decode(errors="replace"), real
