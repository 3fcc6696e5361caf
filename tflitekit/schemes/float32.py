"""See `float32`."""

from __future__ import annotations

from typing import Any

from tflitekit.schemes import Promise, Recipe, scheme


@scheme(promise=lambda options: Promise(), recipe=lambda options: Recipe())
def float32(converter: Any) -> None:
    """No quantization: the converted model as it is, the baseline of every comparison.

    Use it to see what conversion alone does, and where accuracy may not move at all.
    """
    del converter
