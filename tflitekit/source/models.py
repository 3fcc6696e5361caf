"""Recognizes the models that people have, and prepares each for the schemes.

A kind of model is one file in `tflitekit.source.kinds`, which tells whether a path is of that kind and brings the model into the
form that the schemes convert from (see `PreparedSource`). TensorFlow is imported inside the functions that run in a worker;
`identify` does without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tflitekit.core.answers import answering
from tflitekit.core.errors import ModelError, UnreadableError, UsageError
from tflitekit.core.files import content_hash, is_folder, open_file
from tflitekit.core.remote import local_copy
from tflitekit.core.tensor import TensorSpec
from tflitekit.options.convert import LoadOptions
from tflitekit.source.few_samples import FewSamples
from tflitekit.source.kinds import SourceKind, source_kinds
from tflitekit.source.prepared import PreparedSource, SourceFile, require_batch
from tflitekit.tflite.proof import compare

__all__ = [
    "environment_key",
    "identify",
    "needs_tensorflow",
    "prepare",
    "prove",
    "recognize",
    "require_layers",
    "require_numbers",
]


def identify(path: str | Path) -> SourceFile:
    """Recognises a model without loading it.

    Raises:
        ModelError: It is missing, or of a kind that the kit does not convert.
    """
    path = local_copy(path)
    return SourceFile(path, recognize(path).name, content_hash(path))


def recognize(path: str | Path) -> SourceKind:
    """Returns what kind of model a path on this machine is, without reading all of it.

    Raises:
        ModelError: As `identify`.
    """
    path = Path(path)
    folder = is_folder(path)
    head = b"" if folder else _head(path)
    # A file is asked of those first whose ending it has (many are ZIP archives), and of other packages before the kit's own.
    for kind in sorted(reversed(source_kinds()), key=lambda kind: path.suffix.lower() not in kind.suffixes):
        if kind.recognizes(path, head):
            if folder:
                _require_files(path)
            return kind
    if folder:
        raise ModelError(
            f"The folder {path} is not a SavedModel.", why="It has no saved_model.pb.", fix=f"Give {_shown()}."
        )
    if any(path.suffix.lower() in kind.suffixes for kind in source_kinds()):
        raise ModelError(
            f"The model {path} is damaged or truncated.",
            why=f"Its {path.stat().st_size:,} bytes do not begin as a {path.suffix} file does.",
            fix="Copy it again or save it again with model.save().",
        )
    raise ModelError(f"{path} is not a kind of model that the kit converts.", fix=f"Give {_shown()}.")


def _require_files(folder: Path) -> None:
    """Refuses a model with a pipe or a device in its folder, which TensorFlow would wait for or read without end."""
    for inner in sorted(folder.rglob("*")):
        if inner.exists() and not (inner.is_file() or inner.is_dir()):
            raise ModelError(
                f"The model {folder} has '{inner.relative_to(folder)}' in it, which is not a regular file.",
                why="Pipes and devices never end, and no model is made of them.",
                fix="Copy or export it again.",
            )


def _head(path: Path) -> bytes:
    try:
        with open_file(path) as stream:
            return stream.read(8)
    except UnreadableError as error:
        if error.missing:
            raise ModelError(f"There is no model at {path}.") from error
        raise ModelError(f"The model {path} cannot be read: {error.reason}.", fix=f"Give {_shown()}.") from error


def needs_tensorflow(found: SourceFile) -> bool:
    """Returns whether the model is prepared and converted with TensorFlow."""
    return _kind(found.kind).needs_tensorflow


def environment_key(found: SourceFile | None, how: LoadOptions) -> dict[str, Any] | None:
    """Returns as JSON what a model of another framework is converted with; None for all others.

    Args:
        found: None for a model object.
        how: Options that mean nothing for other models are refused.

    Raises:
        UsageError: The model needs none.
        MissingDependencyError: It cannot be started.
    """
    converter = None if found is None else _kind(found.kind).converter
    if converter is not None:
        return converter.key(how.converter_python)
    python, origin = how.converter_python, "a model object" if found is None else found.path
    if python is not None:
        raise UsageError(
            f"--with {python} has no meaning for {origin}.",
            why="It names the environment in which ONNX and PyTorch models are converted.",
            fix="Leave it out.",
        )
    if how.layout != "auto":
        raise UsageError(
            f"--layout {how.layout} has no meaning for {origin}.",
            why="It says where ONNX and PyTorch models have their channels; other models keep theirs.",
            fix="Leave it out.",
        )
    return None


def require_layers(found: SourceFile) -> None:
    """Refuses a model that cannot be trained by layers.

    Raises:
        ModelError: It is a SavedModel or a ``.tflite`` file.
    """
    kind = _kind(found.kind)
    if not kind.has_layers:
        raise ModelError(
            f"{found.path} is {kind.shown}, which no longer has layers.",
            why="Compression while training needs the layers and their weights.",
            fix="Give the Keras model: model.save('name.keras').",
        )


def require_numbers(inputs: Sequence[TensorSpec]) -> None:
    """Refuses a model that cannot be trained because it takes text.

    Raises:
        ModelError: An input is a string.
    """
    text = [spec.name for spec in inputs if spec.is_text]
    if text:
        raise ModelError(
            f"The model takes text ({', '.join(text)}), and training here takes numbers.",
            fix="Make the part after the lookup a model that takes the looked-up numbers and train that; or convert without training.",
        )


def prepare(path: str, *, kind: str, folder: str, options: dict[str, Any], samples: dict[str, Any]) -> dict[str, Any]:
    """Loads a model and exports it for the schemes (runs in a worker).

    Args:
        options: `LoadOptions` as JSON.
        samples: To compare what is converted with the original on: `FewSamples` as JSON.

    Returns:
        A `PreparedSource` as JSON.
    """
    how = LoadOptions(**options)
    prepared = answering(_kind(kind).prepare, PreparedSource)(Path(path), Path(folder), how, FewSamples(**samples))
    require_batch(prepared.inputs, how.batch, path)
    return prepared.model_dump(mode="json")


def prove(*, path: str, reference: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """Compares a float file with the original of a source (runs in a worker).

    Returns:
        A `Proof` as JSON.
    """
    prepared = PreparedSource.model_validate(source)
    found = compare(
        Path(path),
        Path(reference),
        inputs=[spec.name for spec in prepared.inputs],
        outputs=[spec.name for spec in prepared.outputs],
        original=prepared.loader,
        origin=prepared.compared_on,
    )
    return found.model_dump(mode="json")


def _kind(name: str) -> SourceKind:
    return next(kind for kind in source_kinds() if kind.name == name)


def _shown() -> str:
    return " or ".join(kind.shown for kind in source_kinds() if kind.shown)
