"""See `int8_float_fallback`."""

from __future__ import annotations

from typing import Any, Literal

from tflitekit.schemes import Promise, Recipe, scheme


@scheme(
    needs="calibration",
    promise=lambda options: Promise(io=options["io"], weights="int8"),
    recipe=lambda options: Recipe(weights="int8", activations="int8", io=options["io"]),
)
def int8_float_fallback(converter: Any, *, io: Literal["float32", "int8", "uint8"] = "float32") -> None:
    """int8 where an integer kernel exists, float where not: the way out where `int8` fails on an operator.

    The share of integer operators is shown; integer-only accelerators cannot run what stays float.
    With io=int8 or io=uint8 the inputs and outputs are integers, as in `int8`.
    """
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(io)
