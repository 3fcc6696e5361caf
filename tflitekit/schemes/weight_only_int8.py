"""See `weight_only_int8`."""

from __future__ import annotations

from tflitekit.schemes import Promise, Recipe, scheme


@scheme(
    promise=lambda options: Promise(weights="int8", every_weight=True),
    by_default=False,
    engine="litert_quantizer",
)
def weight_only_int8() -> Recipe:
    """Weights stored as int8, computed on in float: a quarter of the size, without the rounding of activations.

    More accurate than dynamic_range and slower: weights become float again before each operator computes. Needs no data.
    With rounding=gptq, weights are rounded so that the outputs change least on calibration data, which needs no labels.
    """
    return Recipe(weights="int8", unpacked=True)
