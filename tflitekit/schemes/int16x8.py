"""See `int16x8`."""

from __future__ import annotations

from typing import Any, Literal

from tflitekit.schemes import Promise, Recipe, scheme


@scheme(
    needs="calibration",
    promise=lambda options: Promise(io=options["io"], weights="int8", integer_only=True),
    recipe=lambda options: Recipe(weights="int8", activations="int16", io=options["io"]),
    caution="int16 activations run on reference kernels on most CPUs, many times slower than int8; "
    "meant for DSPs and accelerators that support it.",
)
def int16x8(converter: Any, *, io: Literal["float32", "int16"] = "float32") -> None:
    """int16 activations with int8 weights: the accuracy of float where int8 activations are too coarse.

    Few devices have fast kernels for it (see the warning that each variant carries).
    """
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(io)
