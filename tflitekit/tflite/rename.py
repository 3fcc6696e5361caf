"""Gives the inputs and outputs of a ``.tflite`` file the names that users know."""

from __future__ import annotations

from collections.abc import Mapping

from tflitekit.tflite.flatbuffer import pack, unpack

__all__ = ["with_names"]


def with_names(content: bytes, names: Mapping[str, str]) -> bytes:
    """Returns the file with other names in its signature, and on the tensors that it names.

    Args:
        names: The new name by the one in the signature.
    """
    model = unpack(content)
    signature = model.signatureDefs[0]
    tensors = model.subgraphs[0].tensors
    for entry in (*signature.inputs, *signature.outputs):
        name = names[entry.name.decode()].encode()
        entry.name = tensors[entry.tensorIndex].name = name
    return pack(model)
