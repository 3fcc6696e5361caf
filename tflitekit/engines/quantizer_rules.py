"""A recipe in litert-quantizer's terms: rules by regular expressions on the names of operators' outputs, of which later ones win."""

from __future__ import annotations

import re
from typing import Any

from tflitekit.engines.weighted import Exceptions
from tflitekit.schemes import Recipe

__all__ = ["written_rules"]

_BITS = {"float16": 16, "int4": 4, "int8": 8, "int16": 16}

# All match everything. A rule for all operators replaces others with the same expression, so that each needs one of its own.
_EVERY, _INT4, _BLOCKS, _DEPTHWISE, _EDGES = ".*", "(.*)", "(?:.*)", ".*$", "((.*))"


def written_rules(recipe: Recipe, excepted: Exceptions) -> Any:
    """Returns the rules. Where an operator cannot do what a rule says, the rule before it holds."""
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import QuantGranularity
    from litert_quantizer.qtyping import TFLOperationName as Name
    from litert_quantizer.recipe_manager import RecipeManager

    rules, every = RecipeManager(), Name.ALL_SUPPORTED
    if recipe.weights == "int4":
        _add(rules, _EVERY, recipe, "int8")
        _add(rules, _INT4, recipe, "int4")
    else:
        _add(rules, _EVERY, recipe, recipe.weights)
    if recipe.block:
        rules.add_dynamic_config(_BLOCKS, every, 4, QuantGranularity(f"BLOCKWISE_{recipe.block}"))
    if recipe.activations is None and not recipe.unpacked:
        # On activations that are quantized on the fly its kernel is less accurate than in float, and several times slower.
        rules.add_weight_only_config(_DEPTHWISE, Name.DEPTHWISE_CONV_2D, 8)
    if excepted.floats:
        rules.add_quantization_config(_named(excepted.floats), every, algorithm_key=AlgorithmName.NO_QUANTIZE)
    if excepted.int8:
        _add(rules, _named(excepted.int8), recipe, "int8")
    if excepted.float16:
        _add(rules, _named(excepted.float16), recipe, "float16")
    if excepted.int16:
        rules.add_static_config(_named(excepted.int16), every, _BITS["int16"], _BITS["int8"])
    if recipe.activations is not None:
        for edge in (Name.INPUT, Name.OUTPUT):
            _write_edge(rules, edge, recipe, excepted)
    return rules.get_quantization_recipe()


def _named(names: tuple[str, ...]) -> str:
    return f"^(?:{'|'.join(map(re.escape, names))});"


def _add(rules: Any, regex: str, recipe: Recipe, weights: str) -> None:
    """Adds a rule for all operators, with the recipe's activations."""
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import TFLOperationName as Name

    every, bits = Name.ALL_SUPPORTED, _BITS[weights]
    if weights == "float16":
        rules.add_weight_only_config(regex, every, bits, algorithm_key=AlgorithmName.FLOAT_CASTING)
    elif recipe.activations is not None:
        rules.add_static_config(regex, every, _BITS[recipe.activations], bits)
    elif recipe.unpacked:
        rules.add_weight_only_config(regex, every, bits)
    else:
        rules.add_dynamic_config(regex, every, bits)


def _write_edge(rules: Any, edge: Any, recipe: Recipe, excepted: Exceptions) -> None:
    """Gives inputs and outputs their type. It is that of the operators beside them where none is told: enough for int8 and int16 where no
    operator is excepted."""
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import (
        ComputePrecision,
        OpQuantizationConfig,
        TensorDataType,
        TensorQuantizationConfig,
    )

    if recipe.io == "float32":
        rules.add_quantization_config(_EDGES, edge, algorithm_key=AlgorithmName.NO_QUANTIZE)
    elif recipe.io == "uint8" or excepted.floats or excepted.int16:
        kind = TensorDataType.UINT if recipe.io == "uint8" else TensorDataType.INT
        bits = _BITS.get(recipe.io, 8)
        rules.add_quantization_config(
            _EDGES,
            edge,
            OpQuantizationConfig(
                activation_tensor_config=TensorQuantizationConfig(num_bits=bits, symmetric=bits == 16, dtype=kind),
                weight_tensor_config=TensorQuantizationConfig(num_bits=8),
                compute_precision=ComputePrecision.INTEGER,
            ),
        )
