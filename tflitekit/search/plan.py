"""What a candidate is made of: a type for each layer, and how weights and ranges are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tflitekit.core.files import hash_json
from tflitekit.engines.weighted import Exceptions
from tflitekit.schemes import Recipe

__all__ = ["LayerType", "Plan", "SearchedLayer"]

LayerType = Literal["int4", "int8", "int16", "float16", "float32"]

_BITS = {"int4": 4, "int8": 8, "int16": 8}  # of the weights
_TAKES_INT4 = ("CONV_2D", "FULLY_CONNECTED")


class SearchedLayer(BaseModel):
    """What has a type of its own: the weights of one operator, or of several that share them, or an operator without weights.

    Attributes:
        name: Of the first operator's output tensor, as recipes of the quantizer match it.
        operators: All of these.
        shown: In the user's names.
        elements: Of the weights; 0 without.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    operators: tuple[str, ...]
    shown: str
    kind: str
    elements: int

    def takes_int4(self, recipe: Recipe) -> bool:
        """Whether the quantizer gives it int4 weights where the recipe says so."""
        return recipe.weights == "int4" and (
            self.kind in _TAKES_INT4 or (recipe.unpacked and self.kind == "BATCH_MATMUL")
        )

    def types(self, recipe: Recipe) -> tuple[LayerType, ...]:
        """Returns what it can be stored in, the smallest first.

        Integer activations are of one type throughout (`Plan.activations`): what comes to a layer in int16 between int8 ones was rounded to int8
        before, and what it gives is rounded to int8 behind it.
        """
        small: tuple[LayerType, ...] = ("int4", "int8") if self.takes_int4(recipe) else ("int8",)
        return (*small, "int16", "float16", "float32") if recipe.activations is None else small


class Plan(BaseModel):
    """One file that can be made.

    Attributes:
        types: By layer; those that are not named have the recipe's type.
        rounding: How weights get onto their grids: 'gptq' for these very types, or 'blended': layers of the smallest type have the weights
            that they get by GPTQ where all layers are of that type, and others their own, to nearest. It costs no further rounding.
        ranges: How the ranges of activations are found (see `tflitekit.engines.clipping`).
        activations: Type of all activations, instead of the recipe's.
        equalized: Whether channels between two layers get ranges that are more alike.
        probe: Whether it tells about one operator only, and is no file that anybody would keep. The first samples say enough of it.
    """

    model_config = ConfigDict(frozen=True)

    types: dict[str, LayerType]
    rounding: Literal["nearest", "gptq", "blended"] = "nearest"
    ranges: Literal["extremes", "percentile", "mse"] = "extremes"
    activations: Literal["int16", "float32"] | None = None
    equalized: bool = False
    probe: bool = False

    @property
    def key(self) -> str:
        """Tells plans apart."""
        return hash_json(self.model_dump(mode="json"))[:16]

    def exceptions(self, layers: Sequence[SearchedLayer], recipe: Recipe) -> Exceptions:
        """Returns the operators that have another type than the recipe gives them."""
        found: dict[str, list[str]] = {"float32": [], "float16": [], "int8": [], "int16": []}
        for layer in layers:
            chosen = self.types.get(layer.name)
            by_itself = {"int4"} if layer.takes_int4(recipe) else {"int4", "int8"}
            if chosen is not None and chosen not in by_itself:
                found[chosen] += layer.operators
        return Exceptions(
            floats=tuple(found["float32"]),
            float16=tuple(found["float16"]),
            int8=tuple(found["int8"]),
            int16=tuple(found["int16"]),
        )

    def bits(self, layers: Sequence[SearchedLayer], recipe: Recipe) -> dict[str, int]:
        """Returns the bits of each layer with integer weights."""
        chosen = {layer.name: self.types.get(layer.name, layer.types(recipe)[0]) for layer in layers}
        return {name: _BITS[kind] for name, kind in chosen.items() if kind in _BITS}

    def counts(self) -> dict[str, int]:
        """Returns the number of layers by type."""
        return dict(sorted(Counter(self.types.values()).items()))

    def changed(self, types: Mapping[str, LayerType]) -> Plan:
        """Returns the same with other types for some layers."""
        return self.model_copy(update={"types": {**self.types, **types}})
