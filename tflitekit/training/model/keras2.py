"""The configuration of a layer of Keras 3 as one of Keras 2."""

from __future__ import annotations

import inspect
from typing import Any

from tflitekit.core.errors import ModelError

__all__ = ["RECURRENT", "SAME_ACTIVATIONS", "activation_name", "cannot", "keras2_config"]

# Fields that Keras 3 renamed, by class: {Keras 3: Keras 2}.
_RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}}
# Fields that say nothing about what a layer computes.
_IRRELEVANT = {
    "dtype",
    "registered_name",
    "quantization_config",
    "use_cudnn",
    "flash_attention",
    "synchronized",
    "seed",
}
# Activations that mean the same in Keras 2 and can stay in the layer; others become an operation behind it.
SAME_ACTIVATIONS = {
    "linear",
    "relu",
    "softmax",
    "sigmoid",
    "tanh",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "exponential",
}
# What recurrent layers of Keras 2 take although their signatures do not say so.
_TAKEN_UNSAID = {"zero_output_for_mask"}
RECURRENT = {"LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "ConvLSTM1D", "ConvLSTM2D"}


def keras2_config(layer: Any, kind: Any, path: str) -> dict[str, Any]:
    """Turns a configuration of Keras 3 into one of Keras 2.

    Initializers are dropped, because the weights are copied. A field that Keras 2 does not have may only have the
    value that it has when nobody sets it.
    """
    import tf_keras

    class_name = type(layer).__name__
    known, defaults = _parameters(kind), _parameters(type(layer))
    config: dict[str, Any] = {}
    for field, value in layer.get_config().items():
        renamed = _RENAMED.get(class_name, {}).get(field, field)
        if field in ("name", "trainable") or field in _IRRELEVANT or field.endswith("_initializer"):
            continue
        if "activation" in field and hasattr(layer, field):
            value = activation_name(getattr(layer, field))  # noqa: PLW2901
            if field != "activation" and value not in SAME_ACTIVATIONS:
                raise cannot(path, layer, f"Its {field} '{value}' means something else in Keras 2.")
        elif field.endswith(("_regularizer", "_constraint")) and value is not None:
            module = tf_keras.regularizers if field.endswith("_regularizer") else tf_keras.constraints
            value = module.deserialize({"class_name": value["class_name"], "config": value["config"]})  # noqa: PLW2901
        if renamed in known or (renamed in _TAKEN_UNSAID and "return_sequences" in known):
            config[renamed] = value
        elif not _is_neutral(value, defaults.get(field)):
            raise cannot(path, layer, f"It has {field}={value!r}, which Keras 2 does not have.")
    return config


def activation_name(function: Any) -> str:
    """Returns the name that Keras 2 has for an activation."""
    if function is None:
        return "linear"
    name = getattr(function, "__name__", type(function).__name__)
    return {"swish": "silu", "hard_swish": "hard_silu"}.get(name, name)


def cannot(path: str, layer: Any, why: str) -> ModelError:
    """Returns the error for a layer that has no counterpart."""
    return ModelError(
        f"The layer '{path}' ({type(layer).__name__}) cannot be rebuilt for Keras 2.",
        why=f"{why} tensorflow-model-optimization only supports tf_keras (Keras 2) layers.",
        fix="Replace it with layers that both have, or quantize the model after training (scheme int8), which takes any layer.",
    )


def _parameters(kind: type) -> dict[str, Any]:
    """Returns the parameters of a class and its bases, with their defaults."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        if base.__name__ in ("Layer", "object"):
            break
        if "__init__" not in vars(base):
            continue
        for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items():
            found.setdefault(name, parameter.default)
    return found


def _is_neutral(value: Any, default: Any) -> bool:
    return value in (None, False, "channels_last") or value == default or (isinstance(value, float) and value == 0.0)
