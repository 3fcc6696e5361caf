"""What any loader gives: a model as a SavedModel, or as a float ``.tflite``, with one signature, a fixed batch, and inputs and outputs by name.

What all loaders need for that stands here too. TensorFlow is imported inside the functions that run in a worker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import ModelError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.tflite.proof import Proof

__all__ = [
    "SIGNATURE",
    "Exported",
    "Form",
    "PreparedSource",
    "SourceFile",
    "check_finite",
    "dynamic_notes",
    "named_shapes",
    "reason",
    "require_batch",
    "tensor_spec",
    "without_gradients",
]

SIGNATURE = "serving_default"

Form = Literal["saved_model", "tflite"]
"""A source exports either a SavedModel or a float ``.tflite`` file."""

_CONFIG_DUMP = re.compile(r"\s*(?:Full object config: |config=)\{")


class PreparedSource(BaseModel):
    """What the loader found; written beside what was exported.

    Attributes:
        loader: What loaded it: 'keras 3.x', 'tf_keras 2.x' or 'tensorflow SavedModel'.
        form: What it was exported as (see `Exported`).
        outputs: In the model's own order (by name for SavedModels and dicts, which have none); the first one is scored
            unless another is named.
        vocabularies: How many rows of a table the values of an input may pick, by its name, as far as layers tell.
        layers: The names of all layers and operations, those of nested models too.
        loops: The names of operations that run in a loop, as of a recurrent layer, with their scopes.
        notes: What users should know, such as a fall-back to tf_keras.
        compared_on: What the samples are that the original was run on (see `Exported.reference`).
        proof: That the float file computes what the original does; null until it was compared.
        operators: Those of the float file; null until it was made, and where the source is one.
        float_tables: Operators of the float file whose weights litert-quantizer by itself leaves in float, as of an embedding.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    loader: str
    form: Form = "saved_model"
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parameters: int
    vocabularies: dict[str, int] = {}
    layers: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    compared_on: str = "random"
    proof: Proof | None = None
    operators: tuple[str, ...] | None = None
    float_tables: tuple[str, ...] = ()

    @property
    def batch(self) -> int:
        """How many samples the model takes at a time: 1 where it leaves that open, or has no batch."""
        return max(1, *self.inputs[0].shape[:1])


@dataclass(frozen=True)
class Exported:
    """What a source left in a folder for the schemes: the folder is a SavedModel, or holds ``model.tflite``."""

    folder: Path
    form: Form = "saved_model"

    @property
    def path(self) -> Path:
        """What an engine opens."""
        return self.folder / "model.tflite" if self.form == "tflite" else self.folder

    @property
    def reference(self) -> Path:
        """A few samples with what the original makes of them, for the proof (`tflitekit.tflite.proof`)."""
        return self.folder / "reference.npz"


@dataclass(frozen=True)
class SourceFile:
    """A model on disk, recognised by its content."""

    path: Path
    kind: str
    sha256: str


def without_gradients() -> Any:
    """Returns options that leave out custom gradients: nothing trains on the export, and TensorFlow cannot save that of swish
    in a frozen graph."""
    import tensorflow as tf

    return tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def tensor_spec(name: str, tensor: Any) -> TensorSpec:
    rank = tensor.shape.rank
    shape = () if rank is None else tuple(-1 if d is None else int(d) for d in tensor.shape.as_list())
    return TensorSpec(name=name, shape=shape, dtype=tensor.dtype.name)


def dynamic_notes(inputs: Sequence[TensorSpec]) -> list[str]:
    return [
        f"The input '{spec.name}' has the dynamic shape {list(spec.shape)}; delegates need fixed shapes "
        "(set one with --input-shape)."
        for spec in inputs
        if -1 in spec.shape
    ]


def check_finite(weights: Iterable[tuple[str, Any]], origin: str) -> None:
    import numpy as np

    bad = []
    for name, variable in weights:
        values = variable.numpy()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            bad.append(f"{name} ({int(np.count_nonzero(~np.isfinite(values)))} of {values.size})")
    if bad:
        raise ModelError(
            f"{origin} has weights that are NaN or infinite: {', '.join(bad[:5])}" + (", ..." if len(bad) > 5 else "."),
            why="Training diverged before it was saved, or the file is damaged.",
            fix="Save an earlier checkpoint.",
        )


def named_shapes(
    input_shapes: Mapping[str, Sequence[int]], names: Sequence[str], origin: str
) -> dict[str, Sequence[int]]:
    """Returns the given shapes by the name of the input; one without a name is that of the only input.

    Raises:
        UsageError: The model has no such input, or several where no name is given.
    """
    given = dict(input_shapes)
    if "" in given:
        if len(names) != 1:
            raise UsageError(
                f"{origin} has several inputs.", fix=f"Write --input-shape NAME=1,2,3 ({', '.join(names)})."
            )
        given[names[0]] = given.pop("")
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        raise UsageError(f"{origin} has no input '{unknown}'.", fix=f"Its inputs are {', '.join(names)}.")
    return given


def require_batch(inputs: Sequence[TensorSpec], batch: int, origin: str) -> None:
    """Refuses a model whose batch is fixed at another size than the user wants; 1 is what they get who want none.

    Raises:
        UsageError: No input takes as many samples at a time.
    """
    if batch != 1 and inputs and not any(spec.shape[:1] == (batch,) for spec in inputs):
        raise UsageError(
            f"--batch {batch} cannot be had of {origin}.",
            why=f"Its batch is fixed: the input '{inputs[0].name}' takes {list(inputs[0].shape)}.",
            fix=f"Export it with an open batch or one of {batch}, or leave out --batch.",
        )


def reason(error: Exception) -> str:
    """Returns the cause in an error of Keras or TensorFlow, in one line, without what it says of the configuration."""
    text = " ".join(str(error).split())
    text = text.rpartition("Exception encountered: ")[2] or text  # Keras puts the cause last, behind pages of config
    text = _CONFIG_DUMP.split(text)[0]
    return f"{type(error).__name__}: {text[:400]}" if text else type(error).__name__
