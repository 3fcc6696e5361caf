"""See `dynamic_int4`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tflitekit.core.errors import UsageError
from tflitekit.schemes import Promise, Recipe, scheme


def _check(options: Mapping[str, Any]) -> None:
    if options["block"] and options["rounding"] == "gptq":
        raise UsageError(
            "dynamic_int4: rounding=gptq uses one scale per channel, and block asks for several.",
            fix="Leave one of them out.",
        )


@scheme(
    promise=lambda options: Promise(weights="int4", every_weight=True),
    check=_check,
    by_default=False,
    engine="litert_quantizer",
)
def dynamic_int4(*, block: Literal[0, 32, 64, 128, 256] = 0, first_last: Literal["int4", "int8"] = "int4") -> Recipe:
    """Weights as int4, activations quantized on the fly: an eighth of the size, without calibration data.

    Operators that cannot have int4, such as depthwise convolutions, get int8, and are named. With block=32 and the like,
    that many weights of a dense layer share a scale instead of a whole channel. first_last=int8 keeps the first and the last
    layers in int8, where int4 costs most. With rounding=gptq, weights are rounded so that the outputs change least on
    calibration data, which needs no labels. Smaller than int8, and often slower on a CPU.
    """
    return Recipe(weights="int4", block=block, first_last=first_last)
