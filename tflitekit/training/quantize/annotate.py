"""Says for each layer how it is quantized while training, and annotates a rebuilt model accordingly.

Every layer gets a `QuantizeConfig` of the kit's own instead of the default of tensorflow-model-optimization, which knows few
layers and matches patterns by class names. What has no integer form of its own is replaced by layers that
have and compute the same: see `_Annotator`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflitekit.core.errors import ModelError
from tflitekit.tflite.training_record import Parity
from tflitekit.training.compress.compressible import Patterns
from tflitekit.training.model.parity import check_parity
from tflitekit.training.model.rebuild import new_name
from tflitekit.training.model.tfmot import load_tfmot
from tflitekit.training.model.walk import TRAINING_ONLY, Call, calls, flatten_tensors, is_masked, map_tensors, run
from tflitekit.training.quantize.treatments import (
    ACTIVATION_LAYERS,
    AUGMENTATION,
    CONVOLUTIONS,
    DIVISIONS,
    FIX_FLOAT,
    FIXED_OPERATIONS,
    GENERAL_FIX,
    KERNELS,
    LOOPS,
    LOWERED,
    MERGES,
    OBSERVED,
    OBSERVED_OPERATIONS,
    RELUS,
    SAME_SCALE,
    SAME_SCALE_OPERATIONS,
    WHY_FLOAT,
    Treatment,
    activation_of,
    activation_symbol,
    canonical_name,
    short_name,
)
from tflitekit.training.quantize.writer import LayerWriter

__all__ = ["Annotated", "annotate", "annotate_model", "quantize"]

# Replacing a BatchNormalization by a multiplication rounds each value once more; see rebuild for where 1e-5 comes from.
_TOLERANCE = 1e-4

# Nearly all values lie within three deviations. With 16 steps between, a value is off by a tenth of a deviation at most.
_DEVIATIONS, _FEWEST_STEPS = 3.0, 16.0
_COARSE_INPUT = "The features of its input differ so much in size that a single int8 scale would hide the small ones."
_FIX_COARSE_INPUT = "Accept it (two float operators on the input), or normalize before the model, in the preprocessing."


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


def annotate(model: Any) -> Any:
    """Annotates a rebuilt tf_keras model layer by layer; see `annotate_model`.

    Returns:
        A model for ``quantize_apply``, to be called inside ``quantize_scope(custom_objects())``.
    """
    return annotate_model(model).model


def annotate_model(
    model: Any,
    *,
    paths: Mapping[str, str] | None = None,
    samples: Sequence[Any] | None = None,
    prove: bool = True,
    keep_sparsity: bool = False,
    keep_clusters: int | None = None,
) -> Annotated:
    """Annotates a rebuilt tf_keras model and says what happens to each layer.

    Args:
        model: From `rebuild`: flat, of tf_keras layers. It is not changed.
        paths: The user's names of its layers.
        samples: Real inputs on which both are compared; see `rebuild`.
        prove: Compare them at all.
        keep_sparsity: Weights that are zero stay zero in kernels that were pruned; see `Patterns`.
        keep_clusters: Weights that are equal stay equal in kernels with at most so many distinct values.

    Raises:
        ModelError: The annotated model does not compute the same.
    """
    import tf_keras

    annotator = _Annotator(model, paths or {}, Patterns(keep_sparsity, keep_clusters))
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


class _Annotator(LayerWriter):
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

    def __init__(self, model: Any, paths: Mapping[str, str], patterns: Patterns) -> None:
        super().__init__(paths, set(model.input_names), patterns)
        self._steps = calls(model)
        self._readers: dict[int, list[Call | None]] = {id(tensor): [None] for tensor in model.outputs}
        self._uses: dict[int, int] = {}
        for step in self._steps:
            self._uses[id(step.layer)] = self._uses.get(id(step.layer), 0) + 1
            for tensor in flatten_tensors((step.args, step.kwargs)):
                self._readers.setdefault(id(tensor), []).append(step)
        self._affine: dict[int, tuple[Any, Any, Any]] = {}  # tensor: (source, scale, shift) that give it
        self._fusing: dict[int, str] = {}  # tensor: the layer that made it and can take a BatchNormalization

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

    def _weighted(self, step: Call, tensor: Any) -> Any:
        layer, kind = step.layer, self.kind
        per_channel = kind in CONVOLUTIONS
        if kind == "Embedding":
            how = "int8 table."
        else:
            how = f"int8 weights, {'one scale per channel' if per_channel else 'one scale'}, int8 output."
        self.row("quantized", how)
        source = self.need(tensor) if kind != "Embedding" else tensor
        activation = activation_of(layer)
        fuses = all(self._fuses(other, activation) for other in self._calls_of(layer))
        folded = self._batch_normalization_behind(step) if kind == "Dense" and fuses else None
        output = None if fuses and (folded is None or self._fuses(folded, "linear", only_relu=True)) else "observed"
        if id(layer) in self.made:
            result = self.made[id(layer)](source)
        else:
            config: dict[str, Any] = {"activation": "linear"} if hasattr(layer, "activation") else {}
            if folded is not None:
                config["use_bias"] = True
            wrapped = self.made[id(layer)] = self.wrap(self.clone(layer, config), output, scaled=folded is not None)
            result = wrapped(source)
            weights = layer.get_weights()
            if folded is not None:
                scale, shift = _factors(folded.layer)
                bias = weights[1] if layer.use_bias else 0.0
                weights = [weights[0] * scale, bias * scale + shift]
            wrapped.layer.set_weights(weights)
        self.keep(result)
        if activation == "linear":
            if fuses:
                self._fusing[id(result)] = kind
            return result
        return self._activation(step, result, activation)

    def _conv1d(self, step: Call, tensor: Any) -> Any:
        import tf_keras

        layer = step.layer
        self.row(
            "quantized", "As the same Conv2D over a height of 1: int8 weights, one scale per channel, int8 output."
        )
        flat = self.lift(self.need(tensor))
        padding = layer.padding
        if padding == "causal":
            before = int(layer.dilation_rate[0]) * (int(layer.kernel_size[0]) - 1)
            flat = self.keep(self.wrap(tf_keras.layers.ZeroPadding2D(((0, 0), (before, 0)), name=self.name("pad")), None)(flat))  # fmt: skip
            padding = "valid"
        activation = activation_of(layer)
        fuses = self._fuses(step, activation)
        made = tf_keras.layers.Conv2D(
            layer.filters, (1, *layer.kernel_size), strides=(1, *layer.strides), padding=padding,
            dilation_rate=(1, *layer.dilation_rate), groups=layer.groups, use_bias=layer.use_bias, name=self.name(),
            kernel_regularizer=layer.kernel_regularizer, bias_regularizer=layer.bias_regularizer, trainable=layer.trainable,
        )  # fmt: skip
        result = self.wrap(made, None if fuses else "observed")(flat)
        kernel, *bias = layer.get_weights()
        made.set_weights([kernel[np.newaxis], *bias])
        return self._lowered(step, self.keep(result), activation, fuses)

    def _separable(self, step: Call, tensor: Any) -> Any:
        import tf_keras

        layer = step.layer
        flat = self.lift(self.need(tensor)) if self.kind == "SeparableConv1D" else self.need(tensor)
        one = (1,) if self.kind == "SeparableConv1D" else ()
        self.row("quantized", "As a depthwise and a 1x1 convolution: int8 weights, int8 outputs.")
        padding = layer.padding
        if padding == "causal":
            before = int(layer.dilation_rate[0]) * (int(layer.kernel_size[0]) - 1)
            flat = self.keep(self.wrap(tf_keras.layers.ZeroPadding2D(((0, 0), (before, 0)), name=self.name("pad")), None)(flat))  # fmt: skip
            padding = "valid"
        stride = max(layer.strides)  # DepthwiseConv2D wants the same along both axes; along a height of 1 none counts
        depthwise = tf_keras.layers.DepthwiseConv2D(
            (*one, *layer.kernel_size), strides=(stride, stride) if one else layer.strides, padding=padding,
            depth_multiplier=layer.depth_multiplier, dilation_rate=(*one, *layer.dilation_rate), use_bias=False,
            depthwise_regularizer=layer.depthwise_regularizer, name=self.name("depthwise"), trainable=layer.trainable,
        )  # fmt: skip
        middle = self.keep(self.wrap(depthwise, "observed")(flat))
        pointwise = tf_keras.layers.Conv2D(
            layer.filters, 1, use_bias=layer.use_bias, kernel_regularizer=layer.pointwise_regularizer,
            bias_regularizer=layer.bias_regularizer, name=self.name(), trainable=layer.trainable,
        )  # fmt: skip
        activation = activation_of(layer)
        fuses = self._fuses(step, activation)
        result = self.keep(self.wrap(pointwise, None if fuses else "observed")(middle))
        first, second, *bias = layer.get_weights()
        depthwise.set_weights([first[np.newaxis] if one else first])
        pointwise.set_weights([second[np.newaxis] if one else second, *bias])
        return self._lowered(step, result, activation, fuses)

    def _lowered(self, step: Call, result: Any, activation: str, fuses: bool) -> Any:
        """Finishes a convolution that was made as a Conv2D, and gives its output the rank that the model expects."""
        if activation != "linear":
            result = self._activation(step, result, activation)
        elif fuses:
            self._fusing[id(result)] = "Conv2D"
        return self.lower(result) if "1D" in self.kind else result

    def _batch_normalization(self, step: Call, tensor: Any, shared: bool) -> Any:
        layer = step.layer
        flat = self.flat.get(id(tensor), tensor)
        producer = self._fusing.get(id(flat))
        if producer == "Dense":
            self.row("quantized", "Folded into the Dense before it, with its current statistics.")
            return tensor
        if producer is not None:
            self.row("quantized", f"Becomes part of the {producer} before it.")
            if id(layer) in self.made:
                result = self.made[id(layer)](flat)
            else:
                fuses = all(self._fuses(other, "linear", only_relu=True) for other in self._calls_of(layer))
                wrapped = self.wrap(self.clone(layer, {"axis": -1}), None if fuses else "observed")
                self.made[id(layer)] = wrapped
                result = wrapped(flat)
                wrapped.layer.set_weights(layer.get_weights())
            self.keep(result)
            return self.lower(result) if flat is not tensor else result
        axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
        rank = len(tensor.shape)
        if axes not in ([-1], [rank - 1]) or shared or rank > 4:
            if rank > 4:
                return self._float(step, (tensor,), {}, "It works on volumes.", GENERAL_FIX)
            why = "It is called several times." if shared else "It does not work along the last axis."
            return self._float(
                step, (tensor,), {}, why, "Give each place its own BatchNormalization, on the last axis."
            )
        deviation = np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
        if self.is_input(tensor) and _is_coarse(np.asarray(layer.moving_mean), deviation):
            return self._float(step, (tensor,), {}, _COARSE_INPUT, _FIX_COARSE_INPUT)
        scale, shift = _factors(layer)
        self.row(
            "quantized",
            "As a 1x1 depthwise convolution with its current statistics: no convolution is directly before it.",
        )
        return self._scale(step, tensor, scale, shift)

    def _scaling(self, step: Call, tensor: Any) -> Any:
        layer = step.layer
        channels = tensor.shape[-1]
        if self.kind == "Rescaling":
            scale, shift = np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
        else:
            mean, deviation = np.asarray(layer.mean, np.float64), np.sqrt(np.asarray(layer.variance, np.float64))
            deviation = np.maximum(deviation, 1e-7)  # as Keras: backend.epsilon()
            scale, shift = (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)
            if not layer.invert and self.is_input(tensor) and _is_coarse(mean, deviation):
                return self._float(step, (tensor,), {}, _COARSE_INPUT, _FIX_COARSE_INPUT)
        if len(tensor.shape) not in (2, 3, 4) or any(
            v.size not in (1, channels) or (v.size > 1 and v.shape[-1] != channels) for v in (scale, shift)
        ):
            return self._float(
                step, (tensor,), {}, "It does not work along the last axis.", "Scale along the last axis."
            )
        self.row("quantized", "As a 1x1 depthwise convolution: adjacent layers of its kind become one.")
        return self._scale(step, tensor, scale.reshape(-1), shift.reshape(-1))

    def _scale(self, step: Call, tensor: Any, scale: Any, shift: Any) -> Any:
        """Multiplies and shifts each channel, as a 1x1 depthwise convolution."""
        import tf_keras

        channels = int(tensor.shape[-1])
        scale, shift = np.broadcast_to(scale, (channels,)), np.broadcast_to(shift, (channels,))
        source = tensor
        if id(tensor) in self._affine:
            source, before_scale, before_shift = self._affine[id(tensor)]
            scale, shift = scale * before_scale, shift + scale * before_shift
        flat = self.lift(self.need(source))
        fuses = self._fuses(step, "linear", only_relu=True)
        layer = tf_keras.layers.DepthwiseConv2D(1, name=self.name())
        result = self.keep(self.wrap(layer, None if fuses else "observed")(flat))
        layer.set_weights([scale.reshape(1, 1, channels, 1), shift])
        if len(tensor.shape) != 4:
            result = self.lower(result, len(tensor.shape))
        if not fuses:
            self._affine[id(result)] = (source, scale, shift)
        return result

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

    def _activation_layer(self, step: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer, kind = step.layer, self.kind
        tensor = args[0]
        if kind == "Softmax" and (layer.axis not in (-1, len(tensor.shape) - 1) or kwargs):
            return self._float(step, args, kwargs, "It has a mask, or does not work along the last axis.", GENERAL_FIX)
        if kind == "ReLU":
            ordinary = float(layer.negative_slope or 0) == 0 and float(layer.threshold or 0) == 0
            if ordinary and layer.max_value in (None, 6.0):
                return self._activation(step, tensor, "relu" if layer.max_value is None else "relu6")
            return self._observed_clone(step, tensor) if layer.max_value is None and not float(layer.threshold or 0) else (
                self._float(step, args, kwargs, "Only ReLU, ReLU6 and leaky ReLU have integer kernels.", "Use ReLU(max_value=6).")
            )  # fmt: skip
        if kind == "LeakyReLU":
            return self._observed_clone(step, tensor)
        return self._activation(step, tensor, activation_of(layer) if kind == "Activation" else "softmax")

    def _observed_clone(self, step: Call, tensor: Any) -> Any:
        self.row("quantized", "int8 input and output.")
        return self.keep(self.wrap(self.clone(step.layer), "observed")(self.need(tensor)))

    def _operation(self, step: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer = step.layer
        self.kind = short_name(layer.symbol)
        name = canonical_name(layer.symbol)
        config = layer.get_config()
        constants = [value for value in config["args"] if not (isinstance(value, dict) and "tensor" in value)]
        if layer.symbol.startswith("activation") or name in RELUS | FIXED_OPERATIONS | {"hardsigmoid", "hardsilu"}:
            usual_axis = (
                config["options"].get("axis", -1) in (-1, len(args[0].shape) - 1) if name == "softmax" else True
            )
            if not constants and not config["kwargs"] and usual_axis and len(flatten_tensors(args)) == 1:
                return self._activation(step, args[0], layer.symbol)
        tensors = [self.need(t) for t in flatten_tensors((args, kwargs))]
        if (
            name in DIVISIONS
            and len(constants) == 1
            and isinstance(constants[0], int | float)
            and config["args"][1] == constants[0]
        ):
            self.row("quantized", "As a multiplication by the reciprocal: int8 output.")
            return self.compute("tf:math.multiply", tensors, "observed", arguments=[{"tensor": 0}, 1.0 / constants[0]])
        same = name in SAME_SCALE_OPERATIONS
        if same or (name in OBSERVED_OPERATIONS and len(step.outputs) == 1):
            self.row("quantized", "Keeps the scale of its input." if same else "int8 output.")
            output = None if same or (name == "add" and self._fuses(step, "linear", only_relu=True)) else "observed"
            result = self.wrap(self.clone(layer), output)(tensors if len(tensors) > 1 else tensors[0])
            for part in flatten_tensors(result):
                self.keep(part)
            return result
        return self._float(step, args, kwargs, "No integer kernel for this operation is known to work.", GENERAL_FIX)

    def _activation(self, step: Call, tensor: Any, symbol: str) -> Any:
        """Computes an activation as an operation, with quantizers where the integer kernel has them."""
        from tflitekit.training.quantize.quantize_configs import FIXED_RANGES

        name = canonical_name(symbol)
        symbol = symbol if ":" in symbol else activation_symbol(symbol)
        separate = self.kind in ("Activation", "ReLU", "Softmax", "Operation", short_name(symbol))
        if name == "linear":
            self.row("quantized", "Does nothing.")
            return tensor
        flat = self.flat.get(id(tensor)) if name != "softmax" else None
        source = self.need(tensor) if flat is None else flat
        suffix = "" if separate else name
        if name in RELUS:
            if separate:
                self.row("quantized", "int8 output; part of the operator before it where possible.")  # fmt: skip
            result = self.compute("tf:nn.relu" if name == "relu" else "tf:nn.relu6", [source], "observed", suffix)
        elif name in FIXED_OPERATIONS:
            if separate:
                self.row("quantized", "int8, in the range that the kernel fixes.")
            # The loss wants the exact probabilities; the converter fixes the range of a model's output itself.
            is_output = any(None in self._readers.get(id(t), []) for t in step.outputs)
            result = self.compute(symbol, [source], None if is_output else FIXED_RANGES[name], suffix)
        elif name == "hardsigmoid" and symbol.startswith(("activation:", "ops:")):
            if separate:
                self.row("quantized", "Step by step as ReLU6(x + 3) / 6: int8 outputs.")
            shifted = self.compute("tf:math.add", [source], None, f"{suffix}_shift", arguments=[{"tensor": 0}, 3.0])
            clipped = self.compute("tf:nn.relu6", [shifted], (0.0, 6.0), f"{suffix}_clip")
            result = self.compute("tf:math.multiply", [clipped], "observed", suffix, arguments=[{"tensor": 0}, 1 / 6])
        elif name in ("silu", "swish"):  # TensorFlow's own has a custom gradient, which cannot be exported
            if separate:
                self.row("quantized", "As x times sigmoid(x): both int8.")
            gate = self.compute(
                "tf:math.sigmoid", [source], FIXED_RANGES["sigmoid"], f"{suffix}_gate" if suffix else "gate"
            )
            result = self.compute("tf:math.multiply", [source, gate], "observed", suffix)
        elif name in ("hardsilu", "gelu", "leakyrelu"):
            if separate:
                self.row("quantized", "int8 input and output.")
            result = self.compute(symbol, [source], "observed", suffix)
        else:
            return self._float_activation(step, tensor, symbol, separate, suffix)
        return self.lower(result, len(tensor.shape)) if flat is not None else result

    def _float_activation(self, step: Call, tensor: Any, symbol: str, separate: bool, suffix: str) -> Any:
        from tflitekit.training.model.operations import Operation

        self.row(
            "left float",
            f"The activation {short_name(symbol)} has no integer kernel." if separate
            else f"The layer itself is quantized; its activation {short_name(symbol)} has no integer kernel.",
            "Use relu, relu6, hard_silu (hard-swish), silu, gelu, sigmoid or tanh.",
        )  # fmt: skip
        config = step.layer.get_config() if type(step.layer).__name__ == "Operation" else {"symbol": symbol}
        name = self.name(suffix)
        return Operation.from_config(config | {"name": name})(self.leave(tensor))

    def _float(self, step: Call, args: tuple[Any, ...], kwargs: dict[str, Any], why: str, fix: str) -> Any:
        """Copies a layer that stays as it is; without a ``fix`` there is nothing to improve, and it counts as quantized."""
        layer = step.layer
        self.row("left float" if fix else "quantized", why, fix)
        if self.kind not in LOOPS:  # into whose lists of tensors the converter would put integers
            args, kwargs = map_tensors(self.leave, args), map_tensors(self.leave, kwargs)
        if id(layer) in self.made:
            return self.made[id(layer)](*args, **kwargs)
        made = self.made[id(layer)] = self.clone(layer)
        if any(self.patterns.of(layer)):
            made.trainable = False
        if type(layer).__name__ == "Operation":
            tensors = flatten_tensors((args, kwargs))
            return made(tensors if len(tensors) > 1 else tensors[0])
        result = made(*args, **kwargs)
        made.set_weights(layer.get_weights())
        return result

    def _fuses(self, step: Call, activation: str, *, only_relu: bool = False) -> bool:
        """Whether what follows becomes part of this operator, so that there must be no quantizer between."""
        if activation in RELUS:
            return True
        if activation != "linear":
            return False
        readers = self._readers.get(id(step.outputs[0]), [])
        if len(readers) != 1 or readers[0] is None:
            return False
        layer = readers[0].layer
        kind = type(layer).__name__
        if kind == "BatchNormalization":
            # One that is called several times must follow the same convolution each time, and a Dense folds it only once.
            behind = [tensor for other in self._calls_of(layer) for tensor in flatten_tensors(other.args)]
            follows = all(
                tensor._keras_history.layer is step.layer and len(self._readers[id(tensor)]) == 1 for tensor in behind
            )
            able = (*CONVOLUTIONS, *LOWERED) if len(behind) > 1 else (*CONVOLUTIONS, *LOWERED, "Dense")
            return not only_relu and follows and type(step.layer).__name__ in able
        if kind == "ReLU":
            ordinary = not float(layer.negative_slope or 0) and not float(layer.threshold or 0)
            return ordinary and layer.max_value in (None, 6.0)
        if kind == "Activation":
            return activation_of(layer) in RELUS
        return (
            kind == "Operation" and canonical_name(layer.symbol) in RELUS and len(flatten_tensors(readers[0].args)) == 1
        )

    def _calls_of(self, layer: Any) -> list[Call]:
        return [step for step in self._steps if step.layer is layer]

    def _batch_normalization_behind(self, step: Call) -> Call | None:
        readers = self._readers.get(id(step.outputs[0]), [])
        found = readers[0] if len(readers) == 1 else None
        return found if found is not None and type(found.layer).__name__ == "BatchNormalization" else None


def _is_coarse(mean: Any, deviation: Any) -> bool:
    """Whether one int8 scale for values of these means and deviations leaves one of the channels hardly any steps."""
    reach = _DEVIATIONS * deviation
    width = max(float(np.max(mean + reach)), 0.0) - min(float(np.min(mean - reach)), 0.0)
    return float(np.min(2 * reach)) / (width / 255) < _FEWEST_STEPS


def _factors(layer: Any) -> tuple[Any, Any]:
    """Returns the factor and the offset of each channel that a trained BatchNormalization comes to."""
    deviation = np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
    scale = (np.asarray(layer.gamma, np.float64) if layer.scale else 1.0) / deviation
    shift = (np.asarray(layer.beta, np.float64) if layer.center else 0.0) - np.asarray(layer.moving_mean) * scale
    return scale, shift
