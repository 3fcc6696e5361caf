"""See `int4x8`."""

from __future__ import annotations

from typing import Literal

from tflitekit.schemes import Promise, Recipe, scheme


@scheme(
    needs="calibration",
    promise=lambda options: Promise(io=options["io"], weights="int4", integer_only=True, every_weight=True),
    by_default=False,
    engine="litert_quantizer",
)
def int4x8(
    *, io: Literal["float32", "int8", "uint8"] = "float32", first_last: Literal["int4", "int8"] = "int4"
) -> Recipe:
    """int8 activations with int4 weights, in integers only: half the size of int8, for accelerators that take int4.

    Operators that cannot have int4 weights, such as depthwise convolutions, get int8, and are named. With io=int8 or
    io=uint8 the inputs and outputs are integers, as in int8. first_last=int8 keeps the first and the last layers in int8,
    where int4 costs most. With rounding=gptq, weights are rounded so that the outputs change least on the calibration data.
    """
    return Recipe(
        weights="int4",
        activations="int8",
        io=io,
        first_last=first_last,
    )
