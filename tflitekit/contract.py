"""The contract: what the bytes that go in and out of a model mean, as one JSON."""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tflitekit.errors import ContractError, UsageError
from tflitekit.preprocessing import Preprocessing
from tflitekit.tensor import TensorSpec

__all__ = ["Contract", "find_output", "labels_mismatch", "load_labels", "resolve_labels"]

# The mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


class Contract(BaseModel):
    """What goes in, what comes out, and what lies between a file on disk and the input tensor.

    Attributes:
        output_meaning: 'probabilities' where the model ends in softmax or sigmoid, 'values' otherwise
            (logits or regression values: the ranking of classes is the same).
        labels: Class names in the order of the model's output, where the user gave them.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None = None
    output_meaning: Literal["probabilities", "values"] = "values"


def load_labels(path: str | Path) -> tuple[str, ...]:
    """Reads class names: one a line, or a JSON list, or a JSON object from index to name.

    Raises:
        ContractError: The file is missing, empty or malformed.
    """
    path = Path(path)
    text = _read_text(path)
    if path.suffix.lower() == ".json":
        labels = _labels_from_json(path, text)
    else:
        labels = tuple(line.strip() for line in text.rstrip().splitlines())
    if not labels or not any(labels):
        raise ContractError(f"The labels file {path} is empty.", fix="Write one class name a line, in output order.")
    return labels


def _read_text(path: Path) -> str:
    """Reads UTF-8, and UTF-16 or UTF-32 with a byte order mark, as editors on Windows write them."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ContractError(f"The labels file {path} cannot be read: {error.strerror or error}.") from error
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in content:
        raise ContractError(
            f"The labels file {path} has zero bytes in its text.",
            why="UTF-16 without a byte order mark looks like this, and files that are no text.",
            fix="Save it as UTF-8.",
        )
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ContractError(
            f"The labels file {path} is not {encoding.upper().removesuffix('-SIG')}: line {line} has the byte 0x{content[error.start]:02x}.",
            fix="Save it as UTF-8; it is probably in an older encoding (Latin-1, Windows-1252).",
        ) from error


def _labels_from_json(path: Path, text: str) -> tuple[str, ...]:
    wrong = ContractError(
        f"The labels file {path} is not a JSON list of names or an object from index to name.",
        fix='Write ["cat", "dog"] or {"0": "cat", "1": "dog"}.',
    )
    try:
        content = json.loads(text)
    except ValueError as error:
        raise wrong from error
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
