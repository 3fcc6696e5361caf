"""How one layer is quantized while training: a `QuantizeConfig` for tensorflow-model-optimization.

Imports TensorFlow; import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import tensorflow as tf
import tf_keras

from tflitekit.training.observers import RangeObserver
from tflitekit.training.operations import Operation
from tflitekit.training.tfmot import load_tfmot

__all__ = ["FixedRange", "KernelQuantizer", "LayerQuantizeConfig", "custom_objects"]

_quantization: Any = load_tfmot().quantization.keras

# The converter fixes these ranges: TensorFlow Lite's 8-bit quantization specification, LOGISTIC, SOFTMAX and TANH.
FIXED_RANGES = {"sigmoid": (0.0, 255 / 256), "softmax": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}


class KernelQuantizer(_quantization.quantizers.LastValueQuantizer):  # type: ignore[misc]
    """Symmetric int8 weights with the range that they have now; with a scale for each index of the last axis, or one."""

    def __init__(self, per_channel: bool, depthwise: bool = False) -> None:
        self.depthwise = depthwise
        super().__init__(num_bits=8, per_axis=per_channel, symmetric=True, narrow_range=True)

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        shape = (tensor_shape[-1],) if self.per_axis else ()
        constant = tf_keras.initializers.Constant
        if self.depthwise:
            shape = (tensor_shape[-2] * tensor_shape[-1],)
        return {
            "min_var": layer.add_weight(f"{name}_min", shape=shape, initializer=constant(-6.0), trainable=False),
            "max_var": layer.add_weight(f"{name}_max", shape=shape, initializer=constant(6.0), trainable=False),
        }

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        if not self.depthwise:
            return super().__call__(inputs, training, weights, **kwargs)
        flat = tf.reshape(inputs, (*inputs.shape[:-2], 1, -1))
        return tf.reshape(super().__call__(flat, training, weights, **kwargs), inputs.shape)


class FixedRange(_quantization.quantizers.Quantizer):  # type: ignore[misc]
    """int8 values in a range that is known before anything is measured."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        return {}

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        return tf.quantization.fake_quant_with_min_max_args(inputs, self.low, self.high, num_bits=8)

    def get_config(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}


@tf_keras.utils.register_keras_serializable("tflitekit")
class LayerQuantizeConfig(_quantization.QuantizeConfig):  # type: ignore[misc]
    """Quantizes a layer's kernel, its output, both, or neither.

    Args:
        kernel: The attribute that holds the weights; None for layers without.
        per_channel: One scale for each output channel, as the kernels of convolutions have.
        output: 'observed' for the range that is seen while training, a pair for a fixed range, None where the output is
            quantized further on (before a BatchNormalization or ReLU that fuses) or keeps the input's scale (reshaping).
    """

    def __init__(
        self,
        kernel: str | None = None,
        per_channel: bool = False,
        output: Literal["observed"] | Sequence[float] | None = None,
    ) -> None:
        self.kernel, self.per_channel, self.output = kernel, per_channel, output

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        return (
            [(getattr(layer, self.kernel), KernelQuantizer(self.per_channel, self.kernel == "depthwise_kernel"))]
            if self.kernel
            else []
        )

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        return []

    def set_quantize_weights(self, layer: Any, quantize_weights: Sequence[Any]) -> None:
        if self.kernel:
            setattr(layer, self.kernel, quantize_weights[0])

    def set_quantize_activations(self, layer: Any, quantize_activations: Sequence[Any]) -> None:
        pass

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        if self.output is None:
            return []
        if self.output == "observed":
            return [RangeObserver()]
        return [FixedRange(*self.output)]

    def get_config(self) -> dict[str, Any]:
        return {"kernel": self.kernel, "per_channel": self.per_channel, "output": self.output}


def custom_objects() -> dict[str, Any]:
    """Returns the classes that an annotated or quantized model is made of, for ``quantize_scope`` and loading."""
    return {"Operation": Operation, "LayerQuantizeConfig": LayerQuantizeConfig}
