"""The user's name of what each operator belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tflitekit.explanation.pairs import INPUT, Pair
from tflitekit.tflite.layers import has_name, layer_names

__all__ = ["names_of"]


def names_of(
    pairs: Sequence[Pair], layers: Sequence[str], inputs: Mapping[int, str], own: Mapping[str, str]
) -> list[str]:
    """Returns the user's layer of each pair; where none is known, what the tensors tell, the computed one first.

    Args:
        layers: The user's layer names in their order, where a sidecar has them.
        inputs: Names of the model's inputs, by the index of the float file's tensor.
        own: The user's names of outputs, by the names of their tensors.
    """
    operators = [pair.variant.operator for pair in pairs]
    tensors = [own.get(pair.baseline.spec.name, pair.baseline.spec.name) for pair in pairs]
    if not layers:
        told = layer_names([replace(one, constants=()) for one in operators], ())
        return [
            inputs.get(pair.baseline.index) or name or tensor
            for name, pair, tensor in zip(told, pairs, tensors, strict=True)
        ]
    names = layer_names(operators, layers)
    writes = {pair.baseline.index: number for number, pair in enumerate(pairs)}
    for number, pair in enumerate(pairs):
        if pair.baseline.operator.name == INPUT:
            names[number] = inputs.get(pair.baseline.index, tensors[number])
        elif not names[number] and has_name(pair.variant.operator):  # of no layer: it says what it is itself
            names[number] = tensors[number]
        elif not names[number]:
            read = [names[writes[index]] for index in pair.baseline.inputs if index in writes]
            names[number] = _nameless(read, names, layers) or tensors[number]
    return names


def _nameless(read: Sequence[str], names: Sequence[str], layers: Sequence[str]) -> str:
    """Returns the layer of an operator whose tensors have no name, as outputs have none: the next one that no other operator is of, else
    that of what it reads, whose activation it is."""
    places = [layers.index(name) for name in read if name in layers]
    after = max(places, default=-1)
    return next((name for name in layers[after + 1 :] if name not in names), layers[after] if places else "")
