"""Rounds weights for what a recipe makes of a float ``.tflite`` file."""

from __future__ import annotations

import itertools

from tflitekit.engines.rounding.deviation import MOST_DEVIATION, check_deviation
from tflitekit.engines.rounding.rounding import RoundedModel, WeightLayer, round_weights, weight_layers
from tflitekit.engines.rounding.stored import with_stored_weights
from tflitekit.engines.samples import Batches
from tflitekit.engines.weighted import Exceptions, exceptions
from tflitekit.schemes import Recipe

__all__ = ["check_made", "round_for"]

_LOST = 0.9  # of the standard deviation: hardly anything of the output is left
_COMPARED = 8  # samples: enough to tell wrong kernels from rounding


def round_for(recipe: Recipe, content: bytes, samples: Batches) -> RoundedModel:
    """Rounds each layer to the bits that the quantizer will store it in."""
    excepted = exceptions(content, recipe)
    layers = [each for each in weight_layers(content) if each.name not in excepted.floats]
    return round_weights(content, samples, {each.name: _bits(recipe, each, excepted) for each in layers})


def check_made(name: str, recipe: Recipe, content: bytes, made: bytes, samples: Batches) -> tuple[str, ...]:
    """Compares a file with what its own weights give in float; see `check_deviation`.

    Args:
        content: The float file that it was made of.

    Returns:
        What users should know of integer activations, whose ranges may not fit.

    Raises:
        ConversionError: It computes something else.
    """
    rounded, compared = with_stored_weights(content, made), list(itertools.islice(samples, _COMPARED))
    if recipe.activations is None:
        check_deviation(name, rounded, made, compared)
        return ()
    far = [
        each for each in check_deviation(name, rounded, made, compared, bound=_LOST) if each.relative > MOST_DEVIATION
    ]
    return tuple(
        f"The output '{each.output}' is {each.relative:.2f} standard deviations away from what the file's own weights give with float "
        "activations: their integers are too coarse for some of them."
        for each in far
    )


def _bits(recipe: Recipe, layer: WeightLayer, excepted: Exceptions) -> int:
    takes_int4 = {"CONV_2D", "FULLY_CONNECTED", *(("BATCH_MATMUL",) if recipe.unpacked else ())}
    int4 = recipe.weights == "int4" and layer.operator in takes_int4 and layer.name not in excepted.int8
    return 4 if int4 else 8
