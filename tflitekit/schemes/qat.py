"""See `qat`."""

from __future__ import annotations

from typing import Any

from tflitekit.schemes import Stage, scheme
from tflitekit.schemes._trained import IO, configure_quantized, quantized_promise


@scheme(needs="training", promise=quantized_promise, stages=lambda options: (Stage("quantize"),))
def qat(converter: Any, *, io: IO = "float32") -> None:
    """Quantization-aware training: full integer, with weights that learned to live with the rounding.

    For models that lose too much with int8. Takes training data and minutes to hours; the file is as small as int8's. Layers
    without an integer form stay float ('tflitekit preflight MODEL' says which); --strict refuses them.
    """
    configure_quantized(converter, io)
