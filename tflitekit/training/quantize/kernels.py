"""Convolutions, Dense and Embedding as quantization while training wants them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tflitekit.training.model.walk import Call
from tflitekit.training.quantize.scaling import ScalingWriter, factors
from tflitekit.training.quantize.treatments import CONVOLUTIONS, activation_of

__all__ = ["KernelWriter"]


class KernelWriter(ScalingWriter):
    """Gives each layer with weights a quantizer for them, and makes of those that have no integer form layers that have."""

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
                scale, shift = factors(folded.layer)
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
