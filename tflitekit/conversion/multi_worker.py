"""Several workers that train together: what each of them does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tflitekit.conversion.result import WORK_FOLDER, ConvertResult
from tflitekit.core.errors import UsageError
from tflitekit.core.progress import Progress
from tflitekit.options.convert import ConvertOptions
from tflitekit.schemes import Request
from tflitekit.source.models import identify
from tflitekit.source.prepared import PreparedSource, SourceFile
from tflitekit.training.distributed.members import Members, read_members
from tflitekit.training.distributed.rendezvous import follow, hash_command

__all__ = ["command_of", "members_of", "model_file", "require_chief", "train_along"]


def members_of(options: ConvertOptions) -> Members | None:
    """Returns the workers of a training on several machines; None for one.

    Raises:
        UsageError: ``TF_CONFIG`` is missing or malformed.
    """
    several = options.training is not None and options.training.strategy == "multi-worker"
    return read_members() if several else None


def require_chief(options: ConvertOptions) -> None:
    """Refuses a worker that can only train along.

    Raises:
        UsageError: This is one.
    """
    members = members_of(options)
    if members is not None and not members.is_chief:
        raise UsageError(
            f"{members.name(members.index).capitalize()} can only take part in training, which 'tflitekit convert' does.",
            fix="Run 'tflitekit convert' with the same options on all workers, then this on the chief: it uses what they trained.",
        )


def train_along(
    members: Members, model: Any, requests: Sequence[Request], out: Path, options: ConvertOptions, progress: Progress
) -> ConvertResult:
    """What a worker does that is not the chief: it trains what the chief says, and writes no results."""
    file = model_file(model)
    source = follow(
        members,
        out / WORK_FOLDER,
        command_of(file, requests, options),
        model=file.path,
        custom_objects=options.custom_objects,
        progress=progress,
    )
    said = f"Worker {members.index} of {len(members.workers)} has trained; the chief writes the results."
    source = PreparedSource.model_validate(source)
    return ConvertResult(out, str(model), file.sha256, source, (), None, None, trained_along=said)


def model_file(model: Any) -> SourceFile:
    """Returns the model on disk, which several workers need.

    Raises:
        UsageError: It is a model object.
    """
    if not isinstance(model, str | Path):
        raise UsageError(
            "A model object cannot be trained by several workers.",
            why="Each of them loads the model, and loads it again when another one is lost.",
            fix="Save it with model.save('name.keras'), and give that file.",
        )
    return identify(model)


def command_of(file: SourceFile, requests: Sequence[Request], options: ConvertOptions) -> str:
    """Returns a hash of what all workers must have been told alike."""
    assert options.training is not None
    schemes = [request.name for request in requests if request.stages]
    return hash_command(file.sha256, schemes, options.training, options.seed)
