"""See `int16x8_float_fallback`."""

from __future__ import annotations

from typing import Any

from tflitekit.schemes import Promise, scheme


@scheme(needs="calibration", promise=lambda options: Promise(weights="int8"))
def int16x8_float_fallback(converter: Any) -> None:
    """int16 activations with int8 weights where a kernel exists, float where not."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        tf.lite.OpsSet.TFLITE_BUILTINS,
    ]
