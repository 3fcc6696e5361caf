"""See `dynamic_range`."""

from __future__ import annotations

from typing import Any

from tflitekit.schemes import Promise, Recipe, scheme


@scheme(
    promise=lambda options: Promise(weights="int8"),
    recipe=lambda options: Recipe(weights="int8", smallest=1024),
)
def dynamic_range(converter: Any) -> None:
    """Weights as int8, activations quantized on the fly: a quarter of the size, without calibration data.

    Not an integer-only model: inputs, outputs and most operators stay float, so accelerators that take integers only
    cannot run it. Weights with fewer than 1,024 elements stay float.
    """
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
