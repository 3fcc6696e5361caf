"""What is known of a model from outside: its inputs and outputs, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from tflitekit.core.tensor import TensorSpec
from tflitekit.data.contract import find_output

__all__ = ["Interface", "Meaning"]

Meaning = Literal["probabilities", "values"]
"""What an output holds (see `tflitekit.data.contract.Contract`)."""


@dataclass(frozen=True)
class Interface:
    """A model from outside.

    Attributes:
        inputs: In its order; shapes with batch, -1 is open.
        outputs: The one that is scored by default first.
        scored: Name of the output that the user named; None for the first.
        meanings: By output, where a file was looked into.
        classes: Names in the model's order, where they are known.
        final_op: What computes the scored output, where a file was looked into.
        owner: Whose they are, for messages.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    scored: str | None = None
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    classes: Sequence[str] | None = None
    final_op: str | None = None
    owner: str = "The model"

    @property
    def output(self) -> TensorSpec:
        """The output that is scored.

        Raises:
            UsageError: There is none of that name.
        """
        return find_output(self.outputs, self.scored, self.owner)

    def only(self, output: str) -> Interface:
        """Returns the same with one output; class names stay where there are as many as it has values."""
        spec = find_output(self.outputs, output, self.owner)
        named = self.classes is not None and len(self.classes) == max(2, math.prod(d for d in spec.shape[1:] if d > 0))
        return replace(self, outputs=(spec,), scored=output, classes=self.classes if named else None)

    def shown_outputs(self) -> str:
        """Returns all outputs with their shapes for one sample, for messages."""
        return ", ".join(f"'{spec.name}' {list(spec.shape[1:])}".replace("-1", "?") for spec in self.outputs)

    def picture_size(self) -> tuple[int, int] | None:
        """Returns width and height of the first input, where it takes pictures of a fixed size."""
        shape = self.inputs[0].shape[1:] if self.inputs else ()
        if len(shape) != 3 or min(shape) < 1 or math.prod(shape) == 0:
            return None
        first = shape[2] not in (1, 3, 4) and shape[0] in (1, 3, 4)
        return (shape[2], shape[1]) if first else (shape[1], shape[0])
