"""Keras models in float32. Half precision (the policies mixed_float16 and mixed_bfloat16) is for training on
accelerators: TensorFlow Lite has few kernels for it, and the same weights compute the same in float32, without the rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tflitekit.core.errors import ModelError
from tflitekit.source.keras_config import in_float32, without_compile

__all__ = ["as_float32"]


def as_float32(model: Any, custom_objects: Mapping[str, Any] | None = None) -> tuple[Any, list[str]]:
    """Returns a model that computes in float32 with the same weights, and what users should know.

    Args:
        model: Of Keras 3 or tf_keras; it is not changed, and returned as it is where it computes in float32 already.
        custom_objects: The user's own classes and functions by name, beside those of the model's layers.

    Raises:
        ModelError: It computes in another type and cannot be built again from its configuration.
    """
    layers = list(model._flatten_layers()) if hasattr(model, "_flatten_layers") else []
    found = sorted({name for layer in layers if (name := _other_policy(layer))})
    if not found:
        return model, []
    policies = " and ".join(found)
    own = {type(layer).__name__: type(layer) for layer in layers if _package(layer) not in ("keras", "tf_keras")}
    try:
        rebuilt = _rebuild(model, own | dict(custom_objects or {}))
    except Exception as error:
        raise ModelError(
            f"The model computes in {policies}, and TensorFlow Lite lacks the kernels for that.",
            why=f"It cannot be rebuilt in float32: {type(error).__name__}: {' '.join(str(error).split())[:300]}",
            fix="Build it under keras.mixed_precision.set_global_policy('float32'), give it the same weights with "
            "set_weights(trained.get_weights()), and save that.",
        ) from error
    return rebuilt, [
        f"The model computes in {policies}; it was converted in float32 with the same weights, because TensorFlow Lite lacks "
        "the kernels for that. Its answers differ from Keras's only by rounding."
    ]


def _other_policy(layer: Any) -> str | None:
    """Returns the name of a layer's policy where it does not compute in float32; an input only says what it is given."""
    other = getattr(layer, "compute_dtype", None) in ("float16", "bfloat16", "float64")
    return str(layer.dtype_policy.name) if other and type(layer).__name__ != "InputLayer" else None


def _package(layer: Any) -> str:
    return type(layer).__module__.partition(".")[0]


def _rebuild(model: Any, custom_objects: dict[str, Any]) -> Any:
    config = in_float32(without_compile(model.get_config()))
    with _float32_by_default(model), _any_layer(model):
        rebuilt = type(model).from_config(config, custom_objects=custom_objects)
    rebuilt.set_weights(model.get_weights())
    return rebuilt


def _keras_of(model: Any) -> Any:
    """Returns the package that a model is of: keras (3) or tf_keras."""
    if any(base.__module__.startswith("tf_keras") for base in type(model).__mro__):
        import tf_keras

        return tf_keras
    import keras

    return keras


@contextmanager
def _float32_by_default(model: Any) -> Iterator[None]:
    """What a configuration does not say about precision is float32 while it is built."""
    precision = _keras_of(model).mixed_precision
    before = (precision.global_policy if hasattr(precision, "global_policy") else precision.dtype_policy)()
    precision.set_global_policy("float32")
    try:
        yield
    finally:
        precision.set_global_policy(before)


def _any_layer(model: Any) -> Any:
    """Allows Lambda layers: the model exists already, so that their code ran, or was refused, before."""
    if _keras_of(model).__name__ == "tf_keras":
        from tf_keras.src.saving import serialization_lib
    else:
        from keras.src.saving import serialization_lib
    return serialization_lib.SafeModeScope(False)
