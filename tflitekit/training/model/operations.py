"""One layer for every operation that is not a layer: ``keras.ops`` on symbolic tensors, activations, TensorFlow operators.

Imports TensorFlow; import it inside functions only.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from tflitekit.core.errors import ModelError

__all__ = ["MaskOf", "MaskedMerge", "Operation", "decode", "encode"]

_KERAS_OPS = "keras.src.ops."


@tf_keras.utils.register_keras_serializable("tflitekit")
class Operation(tf_keras.layers.Layer):  # type: ignore[misc]
    """A tf_keras layer that computes one operation of Keras 3, Keras 2 or TensorFlow.

    Operations of Keras 3 are its own code, run on TensorFlow's tensors: what they compute cannot differ.

    Args:
        symbol: ``ops:numpy.Add`` (a class in keras.src.ops), ``activation:hard_silu`` (Keras 3), ``activation2:mish``
            (Keras 2) or ``tf:math.multiply``.
        options: What the class in keras.src.ops was made with.
        args: Positional arguments, encoded by `encode`; tensors are numbered in the order of the layer's inputs.
        kwargs: Keyword arguments, likewise.
    """

    def __init__(
        self,
        symbol: str,
        options: Mapping[str, Any] | None = None,
        args: Any = None,
        kwargs: Mapping[str, Any] | None = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.symbol = symbol
        # As text, because a tf_keras layer wraps the dicts and lists that it is given as attributes.
        args = [{"tensor": 0}] if args is None else list(args)
        self._settings = json.dumps({"options": dict(options or {}), "args": args, "kwargs": dict(kwargs or {})})
        # An activation stands for a layer, which passes a mask on; an operator loses it, in Keras 2 as in Keras 3.
        self.supports_masking = symbol.startswith("activation")
        self._function = _resolve(symbol, {key: decode(value, ()) for key, value in (options or {}).items()})

    def call(self, inputs: Any) -> Any:
        return _compute(self._function, self._settings, inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask[0] if isinstance(mask, list) else mask

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config() | {"symbol": self.symbol}
        config.update(json.loads(self._settings))
        return config


@tf_keras.utils.register_keras_serializable("tflitekit")
class MaskOf(tf_keras.layers.Layer):  # type: ignore[misc]
    """Returns the first of its inputs, masked where any of the others is: where Keras 3 passes masks on in another way.

    With one input it takes the mask away.
    """

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return tf.identity(inputs[0] if isinstance(inputs, list | tuple) else inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = [found for found in mask[1:] if found is not None] if isinstance(mask, list | tuple) else []
        return functools.reduce(tf.logical_or, masks) if masks else None

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config())


@tf_keras.utils.register_keras_serializable("tflitekit")
class MaskedMerge(tf_keras.layers.Layer):  # type: ignore[misc]
    """A merging layer of Keras 3 on inputs with masks: it looks at them, and passes on what any of them keeps.

    It runs Keras 3's own code on TensorFlow's tensors.
    """

    def __init__(self, kind: str, **base: Any) -> None:
        import keras

        super().__init__(**base)
        self.kind, self.supports_masking = kind, True
        self._merge = getattr(keras.layers, kind)()

    def build(self, input_shape: Any) -> None:
        self._merge.build([tuple(shape) for shape in input_shape])
        super().build(input_shape)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        inputs = [tf.identity(tensor) for tensor in inputs]
        for tensor, found in zip(inputs, mask or [None] * len(inputs), strict=True):
            tensor._keras_mask = found
        return tf.identity(self._merge.call(inputs))  # without the mask that it may have: `compute_mask` gives it

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if mask is None else self._merge.compute_mask(list(inputs), list(mask))

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config()) | {"kind": self.kind}


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]  # no decision here depends on a tensor, and converting takes a tenth of a second
def _compute(function: Any, settings: str, inputs: Any) -> Any:
    """Calls a function with the arguments of an `Operation`, in the places of tensors with its inputs."""
    tensors = inputs if isinstance(inputs, list | tuple) else [inputs]
    found = json.loads(settings)
    kwargs = {key: decode(value, tensors) for key, value in found["kwargs"].items()}
    return function(*decode(found["args"], tensors), **kwargs)


def encode(value: Any, number: Mapping[int, int]) -> Any:
    """Makes JSON of the arguments of a call.

    Args:
        number: The place of each tensor by its ``id``.

    Raises:
        ModelError: They hold something that cannot be stored.
    """
    if id(value) in number:
        return {"tensor": number[id(value)]}
    if isinstance(value, slice):
        return {"slice": [encode(part, number) for part in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, tuple):
        return {"tuple": [encode(part, number) for part in value]}
    if isinstance(value, list):
        return [encode(part, number) for part in value]
    if isinstance(value, dict):
        return {"dict": {str(key): encode(part, number) for key, part in value.items()}}
    if isinstance(value, tf.DType):
        return {"dtype": value.name}
    if isinstance(value, tf.TensorShape):
        return {"tuple": value.as_list()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        return {"array": array.tolist(), "type": array.dtype.name}
    raise ModelError(f"A {type(value).__name__} among the arguments cannot be stored.")


def decode(value: Any, tensors: Any) -> Any:
    """The inverse of `encode`, with tensors in place of their numbers."""
    if isinstance(value, list | tuple):
        return [decode(part, tensors) for part in value]
    if not isinstance(value, Mapping):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "slice" in value:
        return slice(*(decode(part, tensors) for part in value["slice"]))
    if "ellipsis" in value:
        return Ellipsis
    if "tuple" in value:
        return tuple(decode(part, tensors) for part in value["tuple"])
    if "dict" in value:
        return {key: decode(part, tensors) for key, part in value["dict"].items()}
    if "dtype" in value:
        return tf.dtypes.as_dtype(value["dtype"])
    return np.asarray(value["array"], value["type"])


def _resolve(symbol: str, options: Mapping[str, Any]) -> Any:
    kind, _, name = symbol.partition(":")
    if kind == "activation2":
        return tf_keras.activations.get(name)
    if kind == "activation":
        import keras

        return keras.activations.get(name)
    if kind == "ops":
        module, _, class_name = name.rpartition(".")
        return getattr(importlib.import_module(_KERAS_OPS + module), class_name)(**options).call
    if kind == "tf":
        target: Any = tf
        for part in name.split("."):
            target = getattr(target, part)
        return target
    raise ModelError(f"There is no operation '{symbol}'.")
