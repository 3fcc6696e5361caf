"""Better rounding: weights of a float ``.tflite`` file put on the grids of int4 or int8 so that its outputs change least."""

from tflitekit.engines.rounding.deviation import MOST_DEVIATION, Deviation, check_deviation, measure_deviation
from tflitekit.engines.rounding.layers import LeftLayer
from tflitekit.engines.rounding.rounding import RoundedLayer, RoundedModel, WeightLayer, round_weights, weight_layers

__all__ = [
    "MOST_DEVIATION",
    "Deviation",
    "LeftLayer",
    "RoundedLayer",
    "RoundedModel",
    "WeightLayer",
    "check_deviation",
    "measure_deviation",
    "round_weights",
    "weight_layers",
]
