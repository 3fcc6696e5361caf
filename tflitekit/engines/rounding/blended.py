"""See `with_rounded_layers`."""

from __future__ import annotations

from collections.abc import Collection

from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.engines.rounding.layers import find_layers

__all__ = ["with_rounded_layers"]


def with_rounded_layers(content: bytes, rounded: bytes, names: Collection[str]) -> bytes:
    """Returns a float file in which some layers have the weights and biases that `round_weights` gave them.

    Args:
        rounded: The same file, rounded.
        names: Of layers; those that were not rounded are left as they are.
    """
    model, source = EditableModel(content), EditableModel(rounded)
    given = {layer.name: layer for layer in find_layers(source)[0] if layer.name in names}
    for layer in find_layers(model)[0]:
        if layer.name not in given:
            continue
        other = given[layer.name]
        model.set_constant(layer.weights, other.values)
        for use, theirs in zip(layer.uses, other.uses, strict=True):
            if use.bias is not None and theirs.bias is not None:
                assert use.bias_position is not None
                bias = source.constant(theirs.bias)
                assert bias is not None
                model.set_constant(model.own_constant(use.operator, use.bias_position), bias)
    return model.to_bytes()
