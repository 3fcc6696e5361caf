"""See `int8_float_fallback`."""

from __future__ import annotations

from typing import Any

from tflitekit.schemes import Promise, scheme


@scheme(needs="calibration", promise=lambda options: Promise(weights="int8"))
def int8_float_fallback(converter: Any) -> None:
    """int8 where an integer kernel exists, float where not: the way out where `int8` fails on an operator.

    The share of integer operators is shown; integer-only accelerators cannot run what stays float.
    """
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
