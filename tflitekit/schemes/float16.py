"""See `float16`."""

from __future__ import annotations

from typing import Any

from tflitekit.schemes import Promise, Recipe, scheme


@scheme(
    promise=lambda options: Promise(weights="float16"),
    recipe=lambda options: Recipe(weights="float16", unpacked=True),
)
def float16(converter: Any) -> None:
    """Weights stored as float16: half the size, practically the same accuracy.

    A CPU unpacks the weights to float32 and is not faster; GPU delegates compute in float16. Needs no data.
    """
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
