"""What generated code says of outputs that its reader has to decode."""

from __future__ import annotations

from tflitekit.bundling.contents import Bundle

__all__ = ["decoding_words"]

_BECOME = {
    "detection": "boxes with classes and scores",
    "segmentation": "a mask, the class of each pixel",
    "keypoints": "poses, keypoints with scores",
}
_LONGEST = 40
"""Characters of an option's value; the anchors of SSD have thousands, and stand in bundle.json."""


def decoding_words(bundle: Bundle) -> str | None:
    """Returns how the outputs of a detector, a segmentation or a pose network are decoded; None for other bundles."""
    if bundle.reader is None:
        return None
    options = (f"{name} {_value(value)}" for name, value in bundle.reader.items() if name not in ("name", "outputs"))
    outputs = ", ".join(map(str, bundle.reader["outputs"]))
    return (
        f"The outputs are the model's raw values and are not decoded here. They become {_BECOME[bundle.task]}, as the reader "
        f"'{bundle.reader['name']}' of bundle.json says: it reads {outputs} with {', '.join(options) or 'no options'}. "
        "The demo app does it in Java, package org.tflitekit.core.decode, which needs no Android and can be copied."
    )


def _value(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else "as bundle.json has it"
