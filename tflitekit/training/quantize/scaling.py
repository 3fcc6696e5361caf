"""BatchNormalization, Rescaling and Normalization as quantization while training wants them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tflitekit.training.model.walk import Call
from tflitekit.training.quantize.activations import ActivationWriter
from tflitekit.training.quantize.treatments import GENERAL_FIX

__all__ = ["ScalingWriter", "factors"]

# Nearly all values lie within three deviations. With 16 steps between, a value is off by a tenth of a deviation at most.
_DEVIATIONS, _FEWEST_STEPS = 3.0, 16.0
_COARSE_INPUT = "The features of its input differ so much in size that a single int8 scale would hide the small ones."
_FIX_COARSE_INPUT = "Accept it (two float operators on the input), or normalize before the model, in the preprocessing."


class ScalingWriter(ActivationWriter):
    """Makes a 1x1 depthwise convolution of what multiplies and shifts channels and has no convolution before it."""

    def _batch_normalization(self, step: Call, tensor: Any, shared: bool) -> Any:
        layer = step.layer
        flat = self.flat.get(id(tensor), tensor)
        producer = self._fusing.get(id(flat))
        if producer == "Dense":
            self.row("quantized", "Folded into the Dense before it: with its current statistics.")
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
        scale, shift = factors(layer)
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


def _is_coarse(mean: Any, deviation: Any) -> bool:
    """Whether one int8 scale for values of these means and deviations leaves one of the channels hardly any steps."""
    reach = _DEVIATIONS * deviation
    width = max(float(np.max(mean + reach)), 0.0) - min(float(np.min(mean - reach)), 0.0)
    return float(np.min(2 * reach)) / (width / 255) < _FEWEST_STEPS


def factors(layer: Any) -> tuple[Any, Any]:
    """Returns the factor and the offset of each channel that a trained BatchNormalization comes to."""
    deviation = np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
    scale = (np.asarray(layer.gamma, np.float64) if layer.scale else 1.0) / deviation
    shift = (np.asarray(layer.beta, np.float64) if layer.center else 0.0) - np.asarray(layer.moving_mean) * scale
    return scale, shift
