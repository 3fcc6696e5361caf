"""The quantizers of activations: their ranges are set before training, followed during it, and fixed towards its end.

Imports TensorFlow; import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import tensorflow as tf

from tflitekit.training.model.tfmot import load_tfmot
from tflitekit.training.model.walk import Call, calls

__all__ = ["RangeObserver", "freeze_ranges", "settle_ranges"]

_quantization: Any = load_tfmot().quantization.keras


class RangeObserver(_quantization.quantizers.MovingAverageQuantizer):  # type: ignore[misc]
    """int8 values in the range that was seen: a moving average of the batches' smallest and largest values.

    Attributes:
        mode: 'follow' moves the range while training; 'settle' sets it to the mean of the batches seen since, and rounds
            nothing; 'frozen' leaves it. It takes effect where the model is traced again.
    """

    mode: Literal["follow", "settle", "frozen"] = "follow"

    def __init__(self) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self._batches = 0

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]  # `training` is no tensor here, so nothing has to be decided in the graph
    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        if self.mode == "settle":
            self._batches += 1
            for variable, seen in (
                (weights["min_var"], tf.minimum(tf.reduce_min(inputs), 0.0)),
                (weights["max_var"], tf.maximum(tf.reduce_max(inputs), 0.0)),
            ):
                variable.assign(variable + (seen - variable) / self._batches)
            return inputs
        return super().__call__(inputs, training and self.mode == "follow", weights, **kwargs)

    def settle(self) -> None:
        """Begins to set the range from nothing."""
        self.mode, self._batches = "settle", 0

    def get_config(self) -> dict[str, Any]:
        return {}


def settle_ranges(model: Any, batches: Iterable[Sequence[Any]]) -> None:
    """Sets every range of a quantized model from a few batches of real inputs, with float activations.

    Args:
        batches: Each with one array ``(samples, ...)`` for each input, in the model's order.

    tensorflow-model-optimization lets ranges start at -6 and 6, from where a short training does not bring them back.
    """
    wrappers = list(_wrappers(model))
    for wrapper in wrappers:
        for weight, quantizer, variables in wrapper._weight_vars:
            quantizer(weight, True, weights=variables)
    observers = [q for wrapper in wrappers for q in wrapper._output_quantizers if isinstance(q, RangeObserver)]
    for observer in observers:
        observer.settle()
    entries = [
        (step.layer, _position(model, step)) for step in calls(model) if type(step.layer).__name__ == "QuantizeLayer"
    ]
    try:
        for batch in batches:
            for layer, position in entries:
                layer(batch[position], training=True)
            model(list(batch) if len(batch) > 1 else batch[0], training=False)
    finally:
        for observer in observers:
            observer.mode = "follow"


def freeze_ranges(model: Any) -> None:
    """Fixes the ranges of activations for the rest of the training."""
    for wrapper in _wrappers(model):
        for quantizer in wrapper._output_quantizers:
            if isinstance(quantizer, RangeObserver):
                quantizer.mode = "frozen"


def _position(model: Any, step: Call) -> int:
    """Returns which of the model's inputs an entry layer reads; the layer itself may belong to other models too."""
    return next(index for index, tensor in enumerate(model.inputs) if tensor is step.args[0])


def _wrappers(model: Any) -> Iterator[Any]:
    return (layer for layer in model.layers if hasattr(layer, "quantize_config") and hasattr(layer, "_weight_vars"))
