"""Refuses Keras files that run code, or read other files, while they load; looked at before anything is built."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ModelError
from tflitekit.source.allowlist import named_beyond
from tflitekit.source.keras_config import without_compile
from tflitekit.source.keras_file import keras_version, refuse_outside_data, refuse_two_models

__all__ = ["refuse_unsafe", "way_out"]

_LAMBDA_MEANING = (
    "A Lambda layer carries Python code inside the file; loading it runs that code with your rights "
    "(see CVE-2025-1550 and CVE-2025-9905)."
)
_NAME_LAYERS = (
    "For layers of your own, give the module that defines them with --custom-objects MODULE. "
    "Otherwise load it where it was made and export it with model.export(folder)."
)
_SAVE_AS_KERAS = (
    "Save it again where it was made, with model.save('name.keras'): an .h5 file of Keras 3 keeps layers only. "
    "For layers of your own, give the module that defines them with --custom-objects MODULE."
)


def refuse_unsafe(path: Path, config: Any, objects: Mapping[str, Any]) -> None:
    """Refuses a Keras file that names more than what computes.

    Args:
        config: The model's configuration, as the file has it.
        objects: The user's own classes and functions by name.

    Raises:
        ModelError: It does, or is made to mislead.
    """
    built = without_compile(config)
    refuse_two_models(path)
    _refuse_lambda(path, built)
    _refuse_beyond(path, built, objects)
    refuse_outside_data(path)


def way_out(path: Path) -> str:
    """Returns what to do about a class in a file that Keras does not know."""
    return _SAVE_AS_KERAS if keras_version(path).startswith("3") else _NAME_LAYERS


def _refuse_lambda(path: Path, config: Any) -> None:
    found = sorted(set(_lambda_layers(config)))
    if found:
        raise ModelError(
            f"The model {path} has Lambda layers ({', '.join(found)}), which the kit does not load unless you allow it.",
            why=_LAMBDA_MEANING,
            fix="If you trust where the file comes from, load it with --unsafe-load; better, replace the Lambda by a layer.",
        )


def _lambda_layers(config: Any) -> Iterator[str]:
    """Finds Lambda layers, and marshalled Python functions anywhere else, in a model's configuration."""
    if isinstance(config, dict):
        name = config.get("class_name")
        if name in ("Lambda", "__lambda__") or _holds_code(config.get("config")):
            inner = config.get("config")
            yield str(inner.get("name", name)) if isinstance(inner, dict) else str(name)
            return
        for value in config.values():
            yield from _lambda_layers(value)
    elif isinstance(config, list):
        for value in config:
            yield from _lambda_layers(value)


def _holds_code(config: Any) -> bool:
    """Returns whether a function of a layer is stored as Python code, as Keras 2 does it in cells of recurrent layers too."""
    return isinstance(config, dict) and any(
        key.endswith("_type") and value == "lambda" for key, value in config.items()
    )


def _refuse_beyond(path: Path, config: Any, objects: Mapping[str, Any]) -> None:
    """Refuses a file that names functions, classes or files other than Keras's own and the user's."""
    import keras

    own = {*objects, *keras.saving.get_custom_objects()}
    if "tf_keras" in sys.modules:
        own |= set(sys.modules["tf_keras"].saving.get_custom_objects())
    found = named_beyond(config, own)
    dangerous = [named.what for named in found if not named.own]
    if dangerous:
        raise ModelError(
            f"The model {path} names {', '.join(dangerous[:5])}, and the kit runs nothing from a file beyond computation.",
            why="What a file names runs while it loads, and it could read, change or delete your files.",
            fix="If you trust where the file comes from, load it with --unsafe-load.",
        )
    if any(_is_operation(named.what) for named in found) and keras_version(path).startswith("3"):
        raise ModelError(
            f"The model {path} computes with operations that an .h5 file does not keep: {', '.join(named.what for named in found[:10])}.",
            why="Keras cannot load it either. Masks (mask_zero=True) are such operations, and so is 'x + 1' on tensors.",
            fix=_SAVE_AS_KERAS,
        )
    if found:
        raise ModelError(
            f"The model {path} uses '{found[0].what}', which Keras does not know.",
            why=f"Everything that it refers to in this way: {', '.join(named.what for named in found[:10])}."
            if len(found) > 1
            else None,
            fix=way_out(path),
        )


def _is_operation(class_name: str) -> bool:
    import keras

    return hasattr(keras.ops, re.sub(r"(?<!^)(?=[A-Z])", "_", class_name).lower())
