"""What a target's own tools say of one file: a compiler, an interpreter, an accelerator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ModelError
from tflitekit.results import OnTarget
from tflitekit.targets import CheckedTarget, open_target
from tflitekit.tflite.graph import read_graph

__all__ = ["examine", "falls_back", "said_by"]


def examine(file: Path, target: str) -> OnTarget:
    """Asks a target's tools about a file.

    Raises:
        UsageError: There is no such target, or it does not examine files.
        MissingDependencyError: What it needs is not there; the message says how to get it.
    """
    with open_target(target) as place:
        place.require("examines files")
        return said_by(place, lambda: {"examination": place.examine(file, graph=read_graph(file))})


def said_by(place: CheckedTarget, ask: Callable[[], Mapping[str, Any]]) -> OnTarget:
    """Returns what a target says of a file; that it refuses it, where asking raises `ModelError`.

    Args:
        ask: Returns fields of `OnTarget`.
    """
    identity = place.identity()
    said = OnTarget(
        target=place.name,
        target_kind=place.kind,
        good_for=place.good_for,
        runtime=str(identity.get("runtime", "unknown")),
        machine=identity,
    )
    try:
        return said.model_copy(update=ask())
    except ModelError as error:
        return said.model_copy(update={"refused": " ".join(filter(None, (error.what, error.why)))})


def falls_back(found: OnTarget) -> bool:
    """Tells whether a file does not run there, or not all of it where it should."""
    return found.refused is not None or (found.examination is not None and bool(found.examination.behind))
