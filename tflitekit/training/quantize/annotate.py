"""Says for each layer how it is quantized while training, and annotates a rebuilt model accordingly.

Every layer gets a `QuantizeConfig` of the kit's own instead of the default of tensorflow-model-optimization, which knows few
layers and matches patterns by class names. What has no integer form of its own is replaced by layers that
have and compute the same: see `_Annotator`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tflitekit.core.errors import ModelError
from tflitekit.tflite.training_record import Parity
from tflitekit.training.compress.compressible import Patterns
from tflitekit.training.model.outputs import unlike_joins
from tflitekit.training.model.parity import check_parity
from tflitekit.training.model.rebuild import new_name
from tflitekit.training.model.tfmot import load_tfmot
from tflitekit.training.model.walk import TRAINING_ONLY, Call, flatten_tensors, is_masked, map_tensors, run
from tflitekit.training.quantize.kernels import KernelWriter
from tflitekit.training.quantize.treatments import (
    ACTIVATION_LAYERS,
    AUGMENTATION,
    FIX_FLOAT,
    GENERAL_FIX,
    KERNELS,
    LOWERED,
    MERGES,
    OBSERVED,
    SAME_SCALE,
    WHY_FLOAT,
    Treatment,
)

__all__ = ["Annotated", "annotate_model", "quantize"]

# Replacing a BatchNormalization by a multiplication rounds each value once more; see rebuild for where 1e-5 comes from.
_TOLERANCE = 1e-4
_MIXES = "It joins values of unlike ranges, such as boxes and scores, in an output: one int8 scale would leave the smaller ones few steps."


@dataclass(frozen=True)
class Annotated:
    """A model that ``tfmot.quantization.keras.quantize_apply`` takes.

    Attributes:
        layers: One `Treatment` for each layer, in the order in which they compute.
        origins: The user's layer for each layer of ``model``, by name (``quantize_apply`` puts 'quant_' before names).
        parity: Proof that it computes what the given model does, before anything is quantized.
    """

    model: Any
    layers: tuple[Treatment, ...]
    origins: Mapping[str, str]
    parity: Parity | None


def annotate_model(
    model: Any,
    *,
    paths: Mapping[str, str] | None = None,
    samples: Sequence[Any] | None = None,
    prove: bool = True,
    keep_sparsity: bool = False,
    keep_clusters: int | None = None,
    part_joins: bool = True,
) -> Annotated:
    """Annotates a rebuilt tf_keras model and says what happens to each layer.

    Args:
        model: From `rebuild`: flat, of tf_keras layers. It is not changed.
        paths: The user's names of its layers.
        samples: Real inputs on which both are compared; see `rebuild`.
        prove: Compare them at all.
        keep_sparsity: Weights that are zero stay zero in kernels that were pruned; see `Patterns`.
        keep_clusters: Weights that are equal stay equal in kernels with at most so many distinct values.
        part_joins: Leave in float what joins values of unlike ranges right before an output, as ``samples`` tell, so that each part has a scale of
            its own until there.

    Raises:
        ModelError: The annotated model does not compute the same.
    """
    import tf_keras

    joins = unlike_joins(model, samples) if part_joins and samples is not None else frozenset()
    annotator = _Annotator(model, paths or {}, Patterns(keep_sparsity, keep_clusters), joins)
    inputs = [
        tf_keras.Input(shape=tuple(tensor.shape)[1:], dtype=tensor.dtype.name, name=name)
        for tensor, name in zip(model.inputs, model.input_names, strict=True)
    ]
    outputs = run(model, [annotator.enter(tensor) for tensor in inputs], annotator.call)
    annotated = tf_keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=model.name)
    annotated.output_names = list(model.output_names)
    parity = check_parity(model, annotated, samples=samples, relative_tolerance=_TOLERANCE) if prove else None
    return Annotated(annotated, annotator.table(), annotator.origins, parity)


def quantize(annotated: Any) -> Any:
    """Applies ``quantize_apply`` to an annotated model; inputs and outputs keep their names.

    What pruning and clustering made of its kernels, and must stay, is remembered in weights of the result.

    Raises:
        ModelError: Nothing in it is annotated.
    """
    from tflitekit.training.quantize.quantize_configs import OnlyAnnotated, custom_objects, remember_patterns

    quantization = load_tfmot().quantization.keras
    if not any(hasattr(layer, "quantize_config") for layer in annotated.layers):
        raise ModelError(
            f"The model '{annotated.name}' has no layer that can be trained for int8: all would stay float.",
            why="'tflitekit preflight MODEL' says why for each layer.",
            fix="Convert it as float16 or dynamic_range, or train it with the scheme pruned or clustered.",
        )
    with quantization.quantize_scope(custom_objects()):
        model = quantization.quantize_apply(annotated, OnlyAnnotated())
    model.output_names = list(annotated.output_names)
    remember_patterns(model)
    return model


class _Annotator(KernelWriter):
    """Makes the annotated copy of each layer.

    Replaced by layers that compute the same:

    - BatchNormalization that does not follow a convolution or Dense, Rescaling and Normalization: a 1x1 depthwise
      convolution, whose kernel and bias hold the factors and offsets. Several in a row become one.
    - Conv1D: the same Conv2D over a height of 1. SeparableConv: a depthwise and a 1x1 convolution.
    - An activation inside a layer: an operation behind it, so that there is a place for a quantizer between.
    - hard_sigmoid: (ReLU6(x + 3)) / 6 step by step; a merge of many: one of two after the other.

    A layer without an integer form is copied as it is, and its output quantized where an integer layer reads it. Where its
    kernel was pruned or clustered, and must stay so, it is not trained further.
    """

    def __init__(self, model: Any, paths: Mapping[str, str], patterns: Patterns, joins: frozenset[str]) -> None:
        super().__init__(model, paths, patterns)
        self._joins = joins

    def enter(self, tensor: Any) -> Any:
        """Prepares an input: tensorflow-model-optimization puts a quantizer behind it, which integers do not want."""
        import tf_keras

        if tensor.dtype.is_floating:
            self.integer[id(tensor)] = tensor
            return tensor
        return tf_keras.layers.Identity(name=new_name(f"{tensor.name}_indices", self.names))(tensor)

    def call(self, step: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.path = self.paths.get(step.path, step.path)
        layer = self.source = step.layer
        kind = self.kind = type(layer).__name__
        kwargs = {key: value for key, value in kwargs.items() if value is not None and key != "training"}
        tensors = flatten_tensors((args, kwargs))
        tensor = tensors[0]
        shared = self._uses[id(layer)] > 1
        if not any(t.dtype.is_floating for t in tensors) and kind != "Embedding":
            if kind not in ("Rescaling", "Normalization"):
                return self._integers(step, args, kwargs)
            tensor = self.cast(tensor)
        if layer.name in self._joins:
            return self._float(
                step,
                map_tensors(self._part, args),
                map_tensors(self._part, kwargs),
                _MIXES,
                "Make its parts outputs of their own, or scale them to one range.",
            )
        if kind in TRAINING_ONLY:
            if is_masked(tensor):
                return self._float(step, args, kwargs, "Does nothing once the model is trained.", "")
            return self._training_only(step, tensor)
        if kind.startswith(AUGMENTATION):
            return self._float(step, args, kwargs, "It changes images during training and does nothing afterwards.", "")
        if kind == "Embedding" and layer.mask_zero:
            return self._float(step, args, kwargs, "Its mask would be lost in a quantized layer.", "Make it with mask_zero=False.")  # fmt: skip
        if kind == "MaskOf":
            return self._float(step, args, kwargs, "It says which values count.", "")
        masked = "mask" in kwargs or any(is_masked(t) for t in tensors)
        if masked and kind not in WHY_FLOAT:
            return self._float(
                step,
                args,
                kwargs,
                "It reads a mask, which a quantized layer would lose.",
                "Use no mask_zero and no Masking layer.",
            )
        if kind == "BatchNormalization":
            return self._batch_normalization(step, tensor, shared)
        if kind in ("Rescaling", "Normalization"):
            return self._scaling(step, tensor)
        if kind in LOWERED and not shared and layer.data_format == "channels_last":
            return self._separable(step, tensor) if kind.startswith("Separable") else self._conv1d(step, tensor)
        if kind in KERNELS:
            return self._weighted(step, tensor)
        if kind in MERGES:
            return self._merge(step, tensors)
        if kind in ACTIVATION_LAYERS:
            return self._activation_layer(step, args, kwargs)
        if kind == "Operation":
            return self._operation(step, args, kwargs)
        if kind in SAME_SCALE | OBSERVED and not kwargs:
            return self._plain_integer(step, args)
        why = WHY_FLOAT.get(kind)
        if why is None:
            own = type(layer).__module__.split(".")[0] != "tf_keras"
            why = "It is your own layer." if own else "No integer form of this layer is known to work."
        return self._float(step, args, kwargs, why, FIX_FLOAT.get(kind, GENERAL_FIX))

    def _part(self, tensor: Any) -> Any:
        """Returns a part of a join in float: one of integers only the converter would make one of integers too."""
        return self.apart(self.leave(tensor)) if id(tensor) in self.integer else tensor

    def _integers(self, step: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if any(tensor.dtype.is_floating for tensor in step.outputs):
            return self._float(step, args, kwargs, "It turns integers into real numbers.", GENERAL_FIX)
        return self._float(step, args, kwargs, "It works on integers or booleans, which are not changed.", "")

    def _training_only(self, step: Call, tensor: Any) -> Any:
        self.row("quantized", "Does nothing once the model is trained.")
        result = self.wrap(self.clone(step.layer), None)(self.need(tensor))
        self.keep(result)
        return result

    def _plain_integer(self, step: Call, args: tuple[Any, ...]) -> Any:
        same = self.kind in SAME_SCALE
        self.row("quantized", "Keeps the scale of its input." if same else "int8 output.")
        wanted = [self.need(t) for t in flatten_tensors(args)]
        result = self.wrap(self.clone(step.layer), None if same else "observed")(
            wanted if isinstance(args[0], list | tuple) else wanted[0]
        )
        return self.keep(result)

    def _merge(self, step: Call, tensors: Sequence[Any]) -> Any:
        symbol = MERGES[self.kind]
        self.row("quantized", "int8 output." if len(tensors) == 2 else "Two at a time: each with int8 output.")
        wanted = [self.need(t) for t in tensors]
        result = wanted[0]
        average = self.kind == "Average"
        for index, other in enumerate(wanted[1:], 2):
            last = index == len(wanted)
            fuses = last and not average and symbol == "add" and self._fuses(step, "linear", only_relu=True)
            result = self.compute(f"tf:math.{symbol}", [result, other], None if fuses else "observed",
                                   "" if last and not average else f"{index}")  # fmt: skip
        if average:
            result = self.compute("tf:math.multiply", [result], "observed", arguments=[{"tensor": 0}, 1 / len(wanted)])
        return result
