"""What becomes part of the operator before it, and the layers of an annotated model that stay float."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tflitekit.training.compress.compressible import Patterns
from tflitekit.training.model.walk import Call, calls, flatten_tensors, map_tensors
from tflitekit.training.quantize.treatments import CONVOLUTIONS, LOOPS, LOWERED, RELUS, activation_of, canonical_name
from tflitekit.training.quantize.writer import LayerWriter

__all__ = ["FloatWriter"]


class FloatWriter(LayerWriter):
    """Knows who reads each tensor of the model, and copies the layers that stay as they are."""

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
