"""See `weight_only_int4`."""

from __future__ import annotations

from typing import Literal

from tflitekit.schemes import Promise, Recipe, scheme


@scheme(
    promise=lambda options: Promise(weights="int4", every_weight=True),
    by_default=False,
    engine="litert_quantizer",
)
def weight_only_int4(*, first_last: Literal["int4", "int8"] = "int4") -> Recipe:
    """Weights stored as int4, computed on in float: an eighth of the size, for models whose download counts most.

    Operators that cannot have int4 get int8, and are named. 16 values per channel are coarse: look at the accuracy.
    first_last=int8 keeps the first and the last layers in int8, where int4 costs most. With rounding=gptq,
    weights are rounded so that the outputs change least on calibration data, which needs no labels.
    """
    return Recipe(weights="int4", unpacked=True, first_last=first_last)
