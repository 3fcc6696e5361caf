"""See `int8`."""

from __future__ import annotations

from typing import Any, Literal

from tflitekit.schemes import Promise, Recipe, scheme


@scheme(
    needs="calibration",
    promise=lambda options: Promise(io=options["io"], weights="int8", integer_only=True),
    recipe=lambda options: Recipe(weights="int8", activations="int8", io=options["io"]),
)
def int8(converter: Any, *, io: Literal["float32", "int8", "uint8"] = "float32") -> None:
    """Full integer: int8 weights and activations, calibrated on real samples; fails rather than leave an operator float.

    What integer accelerators and microcontrollers want. With io=int8 or io=uint8 the inputs and outputs are integers too,
    and the app quantizes by the scale and zero point in the contract.
    """
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(io)
