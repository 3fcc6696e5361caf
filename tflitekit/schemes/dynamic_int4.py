"""See `dynamic_int4`."""

from __future__ import annotations

from typing import Literal

from tflitekit.schemes import Promise, Recipe, scheme


@scheme(promise=lambda options: Promise(weights="int4", every_weight=True), by_default=False, engine="litert_quantizer")
def dynamic_int4(*, block: Literal[0, 32, 64, 128, 256] = 0) -> Recipe:
    """Weights as int4, activations quantized on the fly: an eighth of the size, without calibration data.

    Operators that cannot have int4, such as depthwise convolutions, get int8, and are named. With block=32 and the like,
    that many weights of a dense layer share a scale instead of a whole channel. Smaller than int8, and often slower on a CPU.
    """
    return Recipe(weights="int4", block=block)
