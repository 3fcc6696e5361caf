"""Rounds weights for what a recipe makes of a float ``.tflite`` file."""

from __future__ import annotations

import itertools

from tflitekit.engines.rounding.deviation import check_deviation
from tflitekit.engines.rounding.rounding import RoundedModel, WeightLayer, round_weights, weight_layers
from tflitekit.engines.samples import Batches
from tflitekit.engines.weighted import Exceptions, exceptions
from tflitekit.schemes import Recipe

__all__ = ["check_rounded", "round_for"]

_COMPARED = 64  # samples: enough to tell wrong kernels from rounding


def round_for(recipe: Recipe, content: bytes, samples: Batches) -> RoundedModel:
    """Rounds each layer to the bits that the quantizer will store it in."""
    excepted = exceptions(content, recipe)
    layers = [each for each in weight_layers(content) if each.name not in excepted.floats]
    return round_weights(content, samples, {each.name: _bits(recipe, each, excepted) for each in layers})


def check_rounded(name: str, rounded: RoundedModel, made: bytes, samples: Batches) -> None:
    """Refuses a file that does not compute what its own rounded weights give in float; see `check_deviation`."""
    check_deviation(name, rounded.content, made, itertools.islice(samples, _COMPARED))


def _bits(recipe: Recipe, layer: WeightLayer, excepted: Exceptions) -> int:
    takes_int4 = {"CONV_2D", "FULLY_CONNECTED", *(("BATCH_MATMUL",) if recipe.unpacked else ())}
    int4 = recipe.weights == "int4" and layer.operator in takes_int4 and layer.name not in excepted.int8
    return 4 if int4 else 8
