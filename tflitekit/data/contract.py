"""The contract: what the bytes that go in and out of a model mean, as one JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import ContractError, UnreadableError, UsageError
from tflitekit.core.files import decode_text, read_bytes
from tflitekit.core.remote import local_copy
from tflitekit.core.structured import parse_json
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.data.sound_format import SoundFormat

__all__ = ["Contract", "find_output", "labels_mismatch", "load_labels", "resolve_labels"]


class Contract(BaseModel):
    """What goes in, what comes out, and what lies between a file on disk and the input tensor.

    Attributes:
        output_meaning: 'probabilities' where the model ends in softmax or sigmoid, 'values' otherwise
            (logits or regression values: the ranking of classes is the same).
        sound: What recordings must be, where the data were sounds: no file says it of itself.
        labels: Class names in the order of the model's output, where the user gave them.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing
    sound: SoundFormat | None = None
    labels: tuple[str, ...] | None = None
    output_meaning: Literal["probabilities", "values"] = "values"


def load_labels(path: str | Path) -> tuple[str, ...]:
    """Reads class names: one per line, or a JSON list, or a JSON object from index to name.

    Raises:
        ContractError: The file is missing, empty or malformed.
    """
    path = local_copy(path)
    try:
        text = decode_text(read_bytes(path), str(path))
    except UnreadableError as error:
        raise ContractError(f"The labels file {path} cannot be read: {error.reason}.", fix=error.fix) from error
    if path.suffix.lower() == ".json":
        labels = _labels_from_json(path, text)
    else:
        labels = tuple(line.strip() for line in text.rstrip().splitlines())
    if not labels or not any(labels):
        raise ContractError(f"The labels file {path} is empty.", fix="Write one class name per line, in output order.")
    return labels


def _labels_from_json(path: Path, text: str) -> tuple[str, ...]:
    what = f"The labels file {path} is not a JSON list of names or an object from index to name."
    fix = 'Write ["cat", "dog"] or {"0": "cat", "1": "dog"}.'
    try:
        content = parse_json(text, str(path))
    except UnreadableError as error:
        raise ContractError(what, why=f"{error.reason.capitalize()}.", fix=fix) from error
    wrong = ContractError(what, fix=fix)
    if isinstance(content, dict):
        if sorted(content, key=str) != sorted((str(i) for i in range(len(content))), key=str):
            raise wrong
        content = [content[str(i)] for i in range(len(content))]
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise wrong
    return tuple(content)


def resolve_labels(labels: str | Path | Sequence[str] | None) -> tuple[str, ...] | None:
    """Reads a labels file; passes a sequence of names through."""
    if labels is None:
        return None
    return load_labels(labels) if isinstance(labels, str | Path) else tuple(labels)


def find_output(outputs: Sequence[TensorSpec], name: str | None, owner: str = "The model") -> TensorSpec:
    """Returns an output by name; the first where none is named.

    Raises:
        UsageError: There is none of that name; the message lists those that there are.
    """
    for spec in outputs:
        if name in (None, spec.name):
            return spec
    raise UsageError(f"{owner} has no output '{name}'.", fix=f"Its outputs: {', '.join(s.name for s in outputs)}.")


def labels_mismatch(labels: int, outputs: int) -> ContractError:
    """Returns the error for a labels file of the wrong length."""
    hint = ""
    if outputs == labels + 1:
        hint = " A model trained with a background class wants 'background' as the first line."
    return ContractError(
        f"There are {labels} labels, but the model has {outputs} outputs.",
        fix=f"Give one label per output, in the model's order.{hint}",
    )
