"""How one layer is quantized while training: a `QuantizeConfig` for tensorflow-model-optimization.

Imports TensorFlow; import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tf_keras

from tflitekit.training.model.operations import MaskedMerge, MaskOf, Operation
from tflitekit.training.model.tfmot import load_tfmot
from tflitekit.training.quantize.observers import RangeObserver

__all__ = [
    "FixedRange",
    "KernelQuantizer",
    "LayerQuantizeConfig",
    "OnlyAnnotated",
    "custom_objects",
    "remember_patterns",
]

_quantization: Any = load_tfmot().quantization.keras

# The converter fixes these ranges: TensorFlow Lite's 8-bit quantization specification, LOGISTIC, SOFTMAX and TANH.
FIXED_RANGES = {"sigmoid": (0.0, 255 / 256), "softmax": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}


class KernelQuantizer(_quantization.quantizers.LastValueQuantizer):  # type: ignore[misc]
    """Symmetric int8 weights with the range that they have now; with a scale for each index of the last axis, or one.

    It can keep what pruning and clustering made: weights that were zero stay zero, and weights that were equal stay equal,
    with the mean of their gradients. tensorflow-model-optimization has quantizers for that
    (``quantization/keras/collaborative_optimizations``), but only in quantization schemes that bring its default table
    of layers along, which the kit replaces by configurations of its own.

    Args:
        depthwise: The kernel is one of a depthwise convolution: its last two axes are the channels.
        sparse: Keep zeros.
        distinct: Keep equal weights equal: how many distinct ones there are; None to let each train alone.
    """

    def __init__(
        self, per_channel: bool, depthwise: bool = False, *, sparse: bool = False, distinct: int | None = None
    ) -> None:
        self.depthwise, self.sparse, self.distinct = depthwise, sparse, distinct
        super().__init__(num_bits=8, per_axis=per_channel, symmetric=True, narrow_range=True)

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        shape = (tensor_shape[-1],) if self.per_axis else ()
        constant = tf_keras.initializers.Constant
        if self.depthwise:
            shape = (tensor_shape[-2] * tensor_shape[-1],)
        weights = {
            "min_var": layer.add_weight(f"{name}_min", shape=shape, initializer=constant(-6.0), trainable=False),
            "max_var": layer.add_weight(f"{name}_max", shape=shape, initializer=constant(6.0), trainable=False),
        }
        if self.sparse:
            weights["mask"] = layer.add_weight(f"{name}_mask", tensor_shape, initializer="ones", trainable=False)
        if self.distinct:
            weights["indices"] = layer.add_weight(
                f"{name}_indices", tensor_shape, dtype=tf.int32, initializer="zeros", trainable=False
            )
        return weights

    def remember(self, kernel: Any, weights: Mapping[str, Any]) -> None:
        """Takes which weights are zero or equal from the kernel as it is now."""
        values = kernel.numpy()
        if self.sparse:
            weights["mask"].assign(values != 0)
        if self.distinct:
            weights["indices"].assign(np.unique(values, return_inverse=True)[1].reshape(values.shape))

    def _keep(self, kernel: Any, weights: Mapping[str, Any]) -> Any:
        if self.sparse:
            kernel = kernel * weights["mask"]
        if self.distinct:
            kernel = tf.gather(
                tf.math.unsorted_segment_mean(kernel, weights["indices"], self.distinct), weights["indices"]
            )
        return kernel

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]  # `training` is no tensor here, so nothing has to be decided in the graph
    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        inputs = self._keep(inputs, weights)
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
        sparse: Zeros of the kernel stay zero, see `KernelQuantizer`; likewise ``distinct``.
    """

    def __init__(
        self,
        kernel: str | None = None,
        per_channel: bool = False,
        output: Literal["observed"] | Sequence[float] | None = None,
        sparse: bool = False,
        distinct: int | None = None,
    ) -> None:
        self.kernel, self.per_channel, self.output = kernel, per_channel, output
        self.sparse, self.distinct = sparse, distinct

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        if not self.kernel:
            return []
        depthwise = self.kernel == "depthwise_kernel"
        quantizer = KernelQuantizer(self.per_channel, depthwise, sparse=self.sparse, distinct=self.distinct)
        return [(getattr(layer, self.kernel), quantizer)]

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
        config = {"kernel": self.kernel, "per_channel": self.per_channel, "output": self.output}
        return config | {"sparse": self.sparse, "distinct": self.distinct}


class OnlyAnnotated(_quantization.default_8bit.Default8BitQuantizeScheme):  # type: ignore[misc]
    """Quantizes what is annotated, and nothing else.

    tensorflow-model-optimization's own scheme also quantizes a plain layer before an annotated one where it knows its class.
    """

    def get_quantize_registry(self) -> Any:
        return self

    def supports(self, layer: Any) -> bool:
        return False


def remember_patterns(model: Any) -> None:
    """Takes which weights stay zero or equal from the kernels of a quantized model, where it was annotated to keep them."""
    for layer in model.layers:
        for kernel, quantizer, weights in getattr(layer, "_weight_vars", ()):
            if isinstance(quantizer, KernelQuantizer):
                quantizer.remember(kernel, weights)


def custom_objects() -> dict[str, Any]:
    """Returns the classes that an annotated or quantized model is made of, for ``quantize_scope`` and loading."""
    return {
        "MaskOf": MaskOf,
        "MaskedMerge": MaskedMerge,
        "Operation": Operation,
        "LayerQuantizeConfig": LayerQuantizeConfig,
    }
