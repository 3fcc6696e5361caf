"""Which engine makes a file: a rule that is known before anything is quantized.

From a float ``.tflite`` file litert-quantizer makes all schemes. From Keras models and SavedModels `BY_QUANTIZER` names the schemes that it
makes better than TensorFlow's converter (docs/engines.md has the figures), but for networks with what it cannot do, which go to the converter.
The option ``engine`` chooses the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tflitekit.engines.tables import TABLE_READERS
from tflitekit.engines.weighted import float_tables
from tflitekit.schemes import ENGINE, ROUNDING, EngineName, Request
from tflitekit.source.prepared import PreparedSource
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.op_versions import MINIMUM_RUNTIME

__all__ = ["Choice", "choose", "operators_of", "other_engine"]

BY_QUANTIZER = ("float16", "dynamic_range", "int16x8")

_CONTROL_FLOW = ("WHILE", "IF", "CALL")

INT16_KERNELS = frozenset({
    "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "BROADCAST_TO", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DIV", "DYNAMIC_UPDATE_SLICE",
    "EQUAL", "FULLY_CONNECTED", "GATHER", "GATHER_ND", "GELU", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MIRROR_PAD", "MUL",
    "NOT_EQUAL", "PACK", "PAD", "PADV2", "REDUCE_MIN", "RELU", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SELECT",
    "SELECT_V2", "SLICE", "SOFTMAX", "SPLIT", "SQRT", "STABLEHLO_COMPOSITE", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE",
    "TRANSPOSE_CONV", "UNPACK",
})  # fmt: skip
"""What litert-quantizer can give int16 activations (its table 'static_wi8_ai16', version 0.11)."""

INT8_KERNELS = INT16_KERNELS | {"HARD_SWISH", "SPACE_TO_DEPTH", "SQUARED_DIFFERENCE"}
"""The same of int8 activations (its table 'static_wi8_ai8')."""

WITH_OTHERS = frozenset({"NEG", "SQUARED_DIFFERENCE"})
"""What `tflitekit.engines.quantizer_repairs` writes with operators that have integer kernels."""


class Choice(NamedTuple):
    """An engine, and why this one; None where nothing makes the scheme from this source."""

    engine: EngineName | None
    why: str


def choose(request: Request, source: PreparedSource) -> Choice:
    """Returns what makes the bytes of a variant."""
    scheme, asked = request.scheme, request.options.get(ENGINE, "auto")
    if source.form == "tflite":
        able = scheme.recipe is not None and asked != "tflite_converter"
        return Choice("litert_quantizer" if able else None, "takes .tflite files")
    if not scheme.by_converter:
        return Choice("litert_quantizer", "the only engine of the scheme")
    if asked != "auto":
        return Choice(asked, f"asked for by engine={asked}")
    if request.options.get(ROUNDING) == "gptq":
        return Choice("litert_quantizer", "asked for by rounding=gptq")
    if scheme.name not in BY_QUANTIZER:
        return Choice("tflite_converter", "the default of the scheme")
    beyond = next(_beyond_quantizer(request, source), None)
    return Choice("tflite_converter", beyond) if beyond else Choice("litert_quantizer", "the default of the scheme")


def operators_of(float_file: Path) -> dict[str, tuple[str, ...]]:
    """Returns what `choose` needs to know of the float file, as fields of `PreparedSource`."""
    operators = {op.name for op in read_graph(float_file).ops if op.compute != "index"}
    return {"operators": tuple(sorted(operators)), "float_tables": float_tables(float_file)}


def other_engine(request: Request, source: PreparedSource) -> str | None:
    """Returns what to try where TensorFlow's converter left operators in float that litert-quantizer gives int8; None where it would not."""
    made_by, scheme = choose(request, source).engine, request.scheme
    if made_by != "tflite_converter" or scheme.recipe is None or scheme.recipe(request.options).activations != "int8":
        return None
    if source.operators is None or not set(source.operators) <= INT8_KERNELS | WITH_OTHERS:
        return None
    return f"Try {scheme.name}:engine=litert_quantizer, which gives them integers."


def _beyond_quantizer(request: Request, source: PreparedSource) -> Iterator[str]:
    """Yields why litert-quantizer, the default of the scheme, is not to make a model's file."""
    if source.operators is None:
        yield "litert-quantizer starts from the float file, which could not be made"
        return
    for name in source.operators:
        if request.calibrated and name in _CONTROL_FLOW:
            yield f"litert-quantizer cannot calibrate inside {name}"
        elif name not in MINIMUM_RUNTIME:
            yield f"litert-quantizer does not know {name}"
        elif request.calibrated and name not in INT16_KERNELS | WITH_OTHERS:
            yield f"litert-quantizer leaves {name} in float"
    left = [name for name in source.float_tables if name not in TABLE_READERS]
    if not request.calibrated and left:
        yield f"litert-quantizer leaves the weights of {', '.join(left)} in float"
