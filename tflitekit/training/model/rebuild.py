"""Rebuilds a Keras 3 or tf_keras model as a flat tf_keras model, and proves that both compute the same.

tensorflow-model-optimization only knows layers of tf_keras, and no models inside models.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflitekit.core.errors import ModelError
from tflitekit.tflite.training_record import Parity
from tflitekit.training.model.keras2 import RECURRENT, SAME_ACTIVATIONS, activation_name, cannot, keras2_config
from tflitekit.training.model.parity import check_parity, dtype_of, input_names, inputs_of, output_names
from tflitekit.training.model.walk import Call, flatten_tensors, is_keras3, is_masked, run

__all__ = ["Rebuilt", "Refused", "new_name", "rebuild"]

# Sums in another order: float32 rounds by 6e-8 of the value, and a path through a deep network sums some ten thousand
# products; the square root of that times the rounding is 6e-6. Half precision rounds by 1e-3 (float16) or 8e-3 (bfloat16).
_TOLERANCES = {"float32": 1e-5, "float64": 1e-5, "float16": 2e-2, "bfloat16": 1e-1}


@dataclass(frozen=True)
class Refused:
    """A layer that cannot be rebuilt: its name and kind in the user's model, and the reason."""

    path: str
    kind: str
    error: ModelError


@dataclass(frozen=True)
class Rebuilt:
    """A flat tf_keras model, with what is known about its origin.

    Attributes:
        model: Functional; its inputs and outputs have the names and the order of the original's.
        paths: The user's name of each layer: ``backbone/conv1`` for a layer of a model inside the model.
        parity: Proof that it computes what the original does; None where layers were refused.
        notes: What users should know.
    """

    model: Any
    paths: Mapping[str, str]
    parity: Parity | None
    notes: tuple[str, ...] = ()


def rebuild(
    model: Any,
    *,
    samples: Sequence[Any] | None = None,
    counterparts: Mapping[str, Any] | None = None,
    refused: list[Refused] | None = None,
    prove: bool = True,
) -> Rebuilt:
    """Rebuilds a Sequential or Functional model of Keras 3 or tf_keras, with its weights, and proves parity.

    Args:
        model: The model object. It is not changed.
        samples: Real inputs for the proof, one array ``(samples, ...)`` for each input, preprocessed. Seeded random ones
            in the range that the first layers suggest, when not given.
        counterparts: For layers of one's own: the tf_keras class with the same ``get_config`` and weights, by class name.
        refused: Collects the layers that cannot be rebuilt, instead of raising at the first. Where there are any, the result
            has an input in place of each, so that the others can be looked at, and says nothing of parity.

    Raises:
        ModelError: A layer that Keras 2 does not have, or a result that differs beyond rounding.
    """
    import tf_keras

    keras3 = is_keras3(model)
    builder = _Builder(keras3, dict(counterparts or {}), refused)
    originals = list(inputs_of(model))
    names = input_names(model, keras3)
    inputs = [
        tf_keras.Input(shape=tuple(tensor.shape)[1:], dtype=dtype_of(tensor), name=name)
        for tensor, name in zip(originals, names, strict=True)
    ]
    builder.names.update(names)
    outputs = run(model, inputs, builder.call)
    inputs += builder.placeholders
    results = output_names(model, len(outputs))
    outputs += builder.loose_ends
    rebuilt = tf_keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=model.name)
    if not builder.placeholders:
        rebuilt.output_names = results
    tolerance = max(_TOLERANCES[kind] for kind in builder.compute_types or {"float32"})
    notes = []
    if builder.compute_types - {"float32"}:
        kinds = ", ".join(sorted(builder.compute_types - {"float32"}))
        notes.append(f"Layers that compute in {kinds} are trained in float32.")
    if builder.placeholders or not prove:
        return Rebuilt(rebuilt, builder.paths, None, tuple(notes))
    parity = check_parity(model, rebuilt, samples=samples, relative_tolerance=tolerance, paths=builder.paths)
    return Rebuilt(rebuilt, builder.paths, parity, tuple(notes))


def new_name(wanted: str, taken: set[str]) -> str:
    """Returns a layer name that is free and valid in Keras 2, and takes it."""
    wanted = wanted.replace("/", "_")
    name = next(n for n in itertools.chain([wanted], (f"{wanted}_{i}" for i in itertools.count(1))) if n not in taken)
    taken.add(name)
    return name


class _Builder:
    """Makes the tf_keras layer for each layer or operation; one that is called again is made once."""

    def __init__(self, keras3: bool, counterparts: Mapping[str, Any], refused: list[Refused] | None) -> None:
        self.keras3, self.counterparts, self.refused = keras3, counterparts, refused
        self.placeholders: list[Any] = []
        self.loose_ends: list[Any] = []  # what a refused layer reads
        self.names: set[str] = set()
        self.paths: dict[str, str] = {}
        self.compute_types: set[str] = set()
        self._made: dict[int, tuple[Any, Any]] = {}

    def call(self, step: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return self._call(step, args, kwargs)
        except ModelError as error:
            if self.refused is None:
                raise
            if all(refused.path != step.path for refused in self.refused):
                self.refused.append(Refused(step.path, type(step.layer).__name__, error))
        import tf_keras

        self.loose_ends += flatten_tensors((args, kwargs))
        name = step.path.rpartition("/")[2]
        replaced = [
            tf_keras.Input(tuple(t.shape)[1:], dtype=dtype_of(t), name=new_name(name, self.names)) for t in step.outputs
        ]
        self.placeholders += replaced
        return replaced

    def _call(self, step: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer = step.layer
        kwargs = {key: value for key, value in kwargs.items() if value is not None and key != "training"}
        try:
            if self._is_operation(layer):
                return self._operation(step, args, kwargs)
            if id(layer) not in self._made:
                self._made[id(layer)] = self._make(step, any(map(is_masked, flatten_tensors(args))))
                fresh = True
            else:
                fresh = False
            made, activation = self._made[id(layer)]
            outputs = made(*args, **kwargs)
            if fresh:
                self._copy_weights(layer, made)
            if activation is not None:
                outputs = activation(outputs)
            return self._as_masked(step, args, outputs) if self.keras3 else outputs
        except ModelError:
            raise
        except Exception as error:
            raise cannot(step.path, layer, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error

    def _as_masked(self, step: Call, args: tuple[Any, ...], outputs: Any) -> Any:
        """Gives a layer's output the mask that Keras 3 gives it: a few layers pass masks on in one of them only."""
        from tflitekit.training.model.operations import MaskOf

        tensors = flatten_tensors(args)
        if not any(map(is_masked, tensors)) or len(flatten_tensors(outputs)) != 1:
            return outputs
        passes = bool(step.layer.supports_masking)
        if passes == is_masked(outputs) or (passes and not _passes_mask(type(step.layer))):
            return outputs
        name = new_name(f"{step.path.rpartition('/')[2]}_mask", self.names)
        self.paths[name] = step.path
        return MaskOf(name=name)([outputs, tensors[0]] if passes else outputs)

    def _is_operation(self, layer: Any) -> bool:
        if self.keras3:
            import keras

            return not isinstance(layer, keras.layers.Layer)
        return type(layer).__name__ in ("TFOpLambda", "SlicingOpLambda")

    def _operation(self, step: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from tflitekit.training.model.operations import Operation, encode

        layer = step.layer
        if self.keras3:
            module = type(layer).__module__
            if not module.startswith("keras.src.ops."):
                raise cannot(step.path, layer, f"It is an operation of {module}, not of keras.ops.")
            symbol = f"ops:{module.removeprefix('keras.src.ops.')}.{type(layer).__name__}"
            options = {key: value for key, value in layer.get_config().items() if key != "name"}
        else:
            symbol, options = f"tf:{layer.symbol}", {}
            if not layer.symbol:
                raise cannot(step.path, layer, f"It calls {layer.function}, which has no public name in TensorFlow.")
        tensors = flatten_tensors((args, kwargs))
        if not self.keras3:
            args, kwargs = _slices(args), _slices(kwargs)
        number = {id(tensor): index for index, tensor in reversed(list(enumerate(tensors)))}
        unique = [tensor for index, tensor in enumerate(tensors) if number[id(tensor)] == index]
        number = {id(tensor): index for index, tensor in enumerate(unique)}
        try:
            operation = Operation(
                symbol,
                {key: encode(value, {}) for key, value in options.items()},
                [encode(value, number) for value in args],
                {key: encode(value, number) for key, value in kwargs.items()},
                name=self._name(step.path),
            )
        except (ModelError, AttributeError, TypeError) as error:
            raise cannot(step.path, layer, str(error)) from error
        return operation(unique if len(unique) > 1 else unique[0])

    def _name(self, path: str) -> str:
        short = path.rpartition("/")[2]
        name = new_name(short if short not in self.names else path, self.names)
        self.paths[name] = path
        return name

    def _make(self, step: Call, masked: bool) -> tuple[Any, Any]:
        """Returns the tf_keras layer, and the operation that does the activation which it cannot."""
        name = self._name(step.path)
        if not self.keras3:
            return type(step.layer).from_config(step.layer.get_config() | {"name": name}), None
        kind = type(step.layer)
        merges = any(base.__name__ == "Merge" for base in kind.__mro__) and kind.__name__ not in ("Concatenate", "Dot")
        if masked and merges:
            from tflitekit.training.model.operations import MaskedMerge

            return MaskedMerge(kind.__name__, name=name), None
        return self._convert(step.layer, step.path, name)

    def _convert(self, layer: Any, path: str, name: str) -> tuple[Any, Any]:
        import tf_keras

        class_name = type(layer).__name__
        if class_name in self.counterparts:
            return self.counterparts[class_name].from_config(
                layer.get_config() | {"name": name, "dtype": "float32"}
            ), None
        if type(layer).__module__.split(".")[0] != "keras":
            raise ModelError(
                f"The layer '{path}' ({class_name}) is your own and written for Keras 3.",
                why="tensorflow-model-optimization needs tf_keras (Keras 2) layers.",
                fix=f"Write it for tf_keras too, with the same configuration and weights, and name it in the module of "
                f"custom objects: tf_keras_objects = {{'{class_name}': ...}}.",
            )
        self.compute_types.add(str(layer.compute_dtype))
        if class_name == "Activation":
            return self._activation(layer.activation, name)
        if class_name == "Normalization":
            mean, variance = (np.asarray(v) for v in (layer.mean, layer.variance))
            made = tf_keras.layers.Normalization(axis=layer.axis, mean=mean, variance=variance, invert=layer.invert, name=name)  # fmt: skip
            return made, None
        if class_name in ("Bidirectional", "TimeDistributed"):
            inner = layer.forward_layer if class_name == "Bidirectional" else layer.layer
            converted, activation = self._convert(inner, path, str(inner.name))
            if activation is not None:
                raise cannot(path, inner, f"Keras 2 has no activation '{activation_name(inner.activation)}'.")
            options = {"merge_mode": layer.merge_mode} if class_name == "Bidirectional" else {}
            return getattr(tf_keras.layers, class_name)(converted, name=name, **options), None
        kind = getattr(tf_keras.layers, class_name, None)
        if kind is None:
            raise cannot(path, layer, "Keras 2 has no such layer.")
        config = keras2_config(layer, kind, path) | {"name": name, "trainable": layer.trainable}
        activation = None
        found = config.get("activation")
        if found is not None:
            config["activation"] = found
            if found not in SAME_ACTIVATIONS:
                if class_name in RECURRENT:
                    raise cannot(path, layer, f"Its activation '{found}' means something else in Keras 2.")
                config["activation"] = "linear"
                activation = self._activation(layer.activation, new_name(f"{name}_{found}", self.names))[0]
                self.paths[activation.name] = path
        # MultiHeadAttention.from_config wants the shapes of an earlier build
        made = kind(**config) if class_name == "MultiHeadAttention" else kind.from_config(config)
        return made, activation

    def _activation(self, function: Any, name: str) -> tuple[Any, Any]:
        import tf_keras

        from tflitekit.training.model.operations import Operation

        found = activation_name(function)
        if found in SAME_ACTIVATIONS:
            return tf_keras.layers.Activation(found, name=name), None
        return Operation(f"activation:{found}", name=name), None

    def _copy_weights(self, layer: Any, made: Any) -> None:
        if not layer.weights or type(layer).__name__ == "Normalization":
            return
        values = [np.asarray(value, np.float32) if value.dtype.kind == "f" or "float" in str(value.dtype) else value
                  for value in layer.get_weights()]  # fmt: skip
        shapes, wanted = [tuple(v.shape) for v in values], [tuple(w.shape) for w in made.weights]
        if shapes != wanted:
            raise ModelError(f"its weights have the shapes {shapes}, and {wanted} in Keras 2.")
        made.set_weights(values)


def _slices(value: Any) -> Any:
    """Makes slices again of what Keras 2 stores of them."""
    if isinstance(value, dict):
        parts = {key: _slices(inner) for key, inner in value.items()}
        return slice(parts["start"], parts["stop"], parts["step"]) if set(parts) == {"start", "stop", "step"} else parts
    return type(value)(_slices(inner) for inner in value) if isinstance(value, list | tuple) else value


def _passes_mask(kind: Any) -> bool:
    """Whether a layer's output has the mask of its input, as most layers that know masks have it."""
    return str(next(base for base in kind.__mro__ if "compute_mask" in vars(base)).__name__) == "Layer"
