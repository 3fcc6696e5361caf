"""Writes the layers of an annotated model: names, quantizers, and the pieces of which replacements are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tflitekit.training.compress.compressible import Patterns, kernel_of
from tflitekit.training.model.rebuild import new_name
from tflitekit.training.model.tfmot import load_tfmot
from tflitekit.training.quantize.treatments import CONVOLUTIONS, KERNELS, Treatment

__all__ = ["LayerWriter"]

_NEGLIGIBLE = 1e-30


class LayerWriter:
    """Makes layers for one layer of the user's after the other; ``path`` and ``kind`` say for which.

    Args:
        paths: The user's names of the layers of the rebuilt model.
        taken: Names that are in use.
        patterns: What pruning and clustering made of kernels, and must stay.
    """

    def __init__(self, paths: Mapping[str, str], taken: set[str], patterns: Patterns) -> None:
        self.paths, self.names, self.patterns = paths, taken, patterns
        self.path, self.kind = "", ""
        self.source: Any = None  # the user's layer
        self.origins: dict[str, str] = {}
        self.rows: dict[str, Treatment] = {}
        self.made: dict[int, Any] = {}  # the copy of a layer that may be called again
        self.integer: dict[int, Any] = {}  # tensors that are quantized, or will be further on
        self.flat: dict[int, Any] = {}  # tensor (batch, steps, channels): the same as (batch, 1, steps, channels)
        self._quantized: dict[int, Any] = {}  # float tensor: its quantized copy

    def table(self) -> tuple[Treatment, ...]:
        return tuple(self.rows.values())

    def cast(self, tensor: Any) -> Any:
        from tflitekit.training.model.operations import Operation

        arguments = [{"tensor": 0}, {"dtype": "float32"}]
        return Operation("tf:cast", None, arguments, name=self.name("cast"))(tensor)

    def compute(
        self, symbol: str, tensors: list[Any], output: Any, suffix: str = "", *, arguments: list[Any] | None = None
    ) -> Any:
        from tflitekit.training.model.operations import Operation

        arguments = arguments or [{"tensor": index} for index in range(len(tensors))]
        layer = Operation(symbol, None, arguments, name=self.name(suffix))
        return self.keep(self.wrap(layer, output)(tensors if len(tensors) > 1 else tensors[0]))

    def wrap(self, layer: Any, output: Any, *, scaled: bool = False) -> Any:
        """Annotates a layer.

        Args:
            scaled: Its kernel is the user's with a factor for each output channel.
        """
        from tflitekit.training.quantize.quantize_configs import LayerQuantizeConfig

        kind = type(layer).__name__
        sparse, distinct = False, None
        if kind in KERNELS and kind != "DepthwiseConv2D":
            sparse, distinct = self.patterns.of(self.source)
            if distinct and scaled:
                distinct *= int(kernel_of(self.source).shape[-1])
        config = LayerQuantizeConfig(KERNELS.get(kind), kind in CONVOLUTIONS, output, sparse, distinct)
        return load_tfmot().quantization.keras.quantize_annotate_layer(layer, config)

    def need(self, tensor: Any) -> Any:
        """Returns a tensor as an integer layer can read it: quantized behind a layer that stays float."""
        original = id(tensor)
        if original in self.integer or not tensor.dtype.is_floating:
            return tensor
        if original not in self._quantized:
            producer = tensor._keras_history.layer.name
            name, kind = self.path, self.kind
            self.path = self.origins.get(producer, producer)
            if type(tensor._keras_history.layer).__name__ in ("LSTM", "Bidirectional"):
                tensor = self.apart(tensor)  # the converter fails on an LSTM between two int8 tensors
            self._quantized[original] = self.compute("tf:identity", [tensor], "observed", "quantized")
            self.path, self.kind = name, kind
        return self._quantized[original]

    def leave(self, tensor: Any) -> Any:
        """Returns a tensor as a layer that stays float can read it: straight from a quantizer.

        Through a layer that only keeps the scale of its input the converter would hand on the integers.
        """
        config = getattr(tensor._keras_history.layer, "quantize_config", None)
        if id(tensor) not in self.integer or config is None or config.output is not None:
            return tensor
        if id(tensor) not in self._quantized:
            self._quantized[id(tensor)] = self.compute("tf:identity", [tensor], "observed", "leaving")
        return self._quantized[id(tensor)]

    def apart(self, tensor: Any) -> Any:
        """Returns the same behind a float operation, over which the converter hands on no integers.

        It adds what is far below float32's rounding, which nothing removes as it would an addition of 0.
        """
        from tflitekit.training.model.operations import Operation

        arguments = [{"tensor": 0}, _NEGLIGIBLE]
        return Operation("tf:math.add", None, arguments, name=self.name("apart"))(tensor)

    def is_input(self, tensor: Any) -> bool:
        """Whether a tensor is an input of the model, as the app gives it."""
        return type(tensor._keras_history.layer).__name__ == "InputLayer"

    def keep(self, tensor: Any) -> Any:
        self.integer[id(tensor)] = tensor
        return tensor

    def lift(self, tensor: Any) -> Any:
        """Gives a tensor the rank 4, as (batch, 1, steps, channels)."""
        import tf_keras

        if len(tensor.shape) == 4:
            return tensor
        if id(tensor) not in self.flat:
            steps = [1, 1] if len(tensor.shape) == 2 else [1, *tensor.shape[1:-1]]
            shape = [-1 if d is None else int(d) for d in (*steps, tensor.shape[-1])]
            layer = tf_keras.layers.Reshape(shape, name=self.name("lift"))
            self.flat[id(tensor)] = self.keep(self.wrap(layer, None)(tensor))
        return self.flat[id(tensor)]

    def lower(self, flat: Any, rank: int = 3) -> Any:
        """Takes the height of 1 away again, and remembers both forms: what follows may want rank 4 too."""
        import tf_keras

        if rank == 4:
            return flat
        steps = [] if rank == 2 else [flat.shape[2]]
        shape = [-1 if d is None else int(d) for d in (*steps, flat.shape[-1])]
        tensor = self.keep(self.wrap(tf_keras.layers.Reshape(shape, name=self.name("lower")), None)(flat))
        self.flat[id(tensor)] = flat
        return tensor

    def clone(self, layer: Any, changes: Mapping[str, Any] | None = None) -> Any:
        config = layer.get_config()
        return type(layer).from_config(config | dict(changes or {}) | {"name": self.name()})

    def name(self, suffix: str = "") -> str:
        name = new_name(f"{self.path}_{suffix}" if suffix else self.path, self.names)
        self.origins[name] = self.path
        return name

    def row(self, treatment: Literal["quantized", "left float"], how: str, fix: str = "") -> None:
        before = self.rows.get(self.path)
        if before is None or (before.treatment == "quantized" and treatment != "quantized"):
            kind = before.kind if before else self.kind
            self.rows[self.path] = Treatment(layer=self.path, kind=kind, treatment=treatment, how=how, fix=fix)
