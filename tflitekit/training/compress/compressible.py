"""Which layers pruning and clustering compress, and how a model is wrapped for it and unwrapped again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflitekit.core.errors import ModelError
from tflitekit.training.model.walk import calls

__all__ = [
    "LEAST_WEIGHTS",
    "Patterns",
    "Wrapped",
    "compressible_layers",
    "count_calls",
    "kernel_of",
    "strip_wrappers",
    "wrap_layers",
]

LEAST_WEIGHTS = 1024
"""A kernel with fewer weights is left alone: it saves few bytes and may cost accuracy."""

_PRUNED = 0.05

# Depthwise kernels have few weights, and each of them matters: they are not here.
_KERNELS = {
    "Conv1D": "kernel", "Conv2D": "kernel", "Conv2DTranspose": "kernel", "Conv3D": "kernel", "Dense": "kernel",
    "SeparableConv1D": "pointwise_kernel", "SeparableConv2D": "pointwise_kernel", "Embedding": "embeddings",
}  # fmt: skip


@dataclass(frozen=True)
class Wrapped:
    """A model whose layers compress their kernels while it trains.

    Attributes:
        model: To be trained. All state of the compression is in its weights.
        callbacks: tf_keras callbacks that the training must call.
        ready_step: From this optimizer step on (the first is 1) the target is reached.
        layers: Names of the layers that are compressed.
        strip: Returns the model as it was given, with the weights of now, compressed: a copy without wrappers, whose
            ``get_weights()`` has the order of the given model's. Training can go on.
    """

    model: Any
    callbacks: Sequence[Any]
    ready_step: int
    layers: tuple[str, ...]
    strip: Callable[[], Any]


@dataclass(frozen=True)
class Patterns:
    """What pruning and clustering made of kernels, and training must keep.

    A kernel counts as pruned when at least 5 % of its weights are exactly zero, which chance does not do.

    Attributes:
        sparsity: Zeros.
        clusters: Equal weights, in kernels with at most so many distinct values; None to keep none.
    """

    sparsity: bool = False
    clusters: int | None = None

    def of(self, layer: Any) -> tuple[bool, int | None]:
        """Returns whether zeros of a layer's kernel are kept, and the number of distinct weights where these are."""
        kernel = kernel_of(layer) if self.sparsity or self.clusters else None
        if kernel is None:
            return False, None
        values = kernel.numpy()
        distinct = len(np.unique(values)) if self.clusters else None
        sparse = self.sparsity and float(np.mean(values == 0)) >= _PRUNED
        return sparse, distinct if distinct and distinct <= (self.clusters or 0) else None


def compressible_layers(model: Any) -> list[Any]:
    """Returns the trainable layers of a flat tf_keras model with a kernel that is large enough, once each."""
    return [layer for layer in model.layers if layer.trainable and kernel_of(layer) is not None]


def kernel_of(layer: Any) -> Any:
    """Returns the kernel of a tf_keras layer that may be compressed, as a variable; None where there is none."""
    kind = type(layer)
    if kind.__name__ not in _KERNELS or not kind.__module__.startswith("tf_keras."):
        return None
    kernel = getattr(layer, _KERNELS[kind.__name__])
    depthwise = getattr(layer, "groups", 1) > 1 and kernel.shape[-2] == 1
    return None if depthwise or int(np.prod(kernel.shape)) < LEAST_WEIGHTS else kernel


def count_calls(model: Any) -> Mapping[str, int]:
    """Returns how often each layer is called in one pass; those that are shared more than once."""
    return Counter(call.layer.name for call in calls(model))


def wrap_layers(model: Any, layers: Sequence[Any], wrap: Callable[[Any], Any]) -> Any:
    """Copies a model with its weights and wraps some of its layers.

    Args:
        wrap: Gets the copy of a layer, which has its weights, and returns the wrapper.

    Raises:
        ModelError: There are no layers to wrap.
    """
    import tf_keras

    if not layers:
        raise ModelError(
            f"The model '{model.name}' has no layer to compress.",
            why=f"Pruning and clustering work on trainable kernels of {', '.join(_KERNELS)} "
            f"with at least {LEAST_WEIGHTS:,} weights.",
            fix="Use scheme int8 or qat, which make every weight smaller.",
        )

    copied = _copy(model)
    names = {layer.name for layer in layers}

    def replace(layer: Any) -> Any:
        if layer.name not in names:
            return layer
        wrapper = wrap(layer)
        # The wrappers of tensorflow-model-optimization would lose a mask, or refuse it.
        wrapper.supports_masking = layer.supports_masking
        wrapper.compute_mask = layer.compute_mask
        return wrapper

    wrapped = tf_keras.models.clone_model(copied, clone_function=replace)
    wrapped.output_names = list(model.output_names)
    return wrapped


def strip_wrappers(model: Any, wrapped: Any, weights_of: Callable[[Any], list[Any]]) -> Any:
    """Copies a model, with the weights of its wrapped and trained form.

    The functions of tensorflow-model-optimization return a model that shares layers with the trained one: what is
    trained further would change it.

    Args:
        model: As it was before it was wrapped.
        weights_of: Returns the compressed weights of a wrapper, in the order of the layer inside.
    """
    plain = _copy(model, weights=False)
    for layer in wrapped.layers:
        inner = getattr(layer, "layer", None) if layer.name not in {other.name for other in plain.layers} else None
        target = plain.get_layer(layer.name if inner is None else inner.name)
        target.set_weights(layer.get_weights() if inner is None else weights_of(layer))
    return plain


def _copy(model: Any, *, weights: bool = True) -> Any:
    import tf_keras

    copied = tf_keras.models.clone_model(model)
    copied.output_names = list(model.output_names)
    if weights:
        copied.set_weights(model.get_weights())
    return copied
