"""Activations and operations as quantization while training wants them."""

from __future__ import annotations

from typing import Any

from tflitekit.training.model.walk import Call, flatten_tensors
from tflitekit.training.quantize.fusing import FloatWriter
from tflitekit.training.quantize.treatments import (
    DIVISIONS,
    FIXED_OPERATIONS,
    GENERAL_FIX,
    OBSERVED_OPERATIONS,
    RELUS,
    SAME_SCALE_OPERATIONS,
    activation_of,
    activation_symbol,
    canonical_name,
    short_name,
)

__all__ = ["ActivationWriter"]


class ActivationWriter(FloatWriter):
    """Makes an operation of each activation, so that there is a place for a quantizer before it."""

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
