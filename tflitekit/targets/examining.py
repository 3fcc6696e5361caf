"""What a target's own tools say of one file: a compiler, an interpreter, an accelerator."""

from __future__ import annotations

from pathlib import Path

from tflitekit.core.errors import ModelError
from tflitekit.results import Examination, OnTarget
from tflitekit.targets import open_target
from tflitekit.tflite.graph import read_graph

__all__ = ["examine", "falls_back"]


def examine(file: Path, target: str) -> OnTarget:
    """Asks a target's tools about a file.

    Raises:
        UsageError: There is no such target, or it does not examine files.
        MissingDependencyError: What it needs is not there; the message says how to get it.
    """
    with open_target(target) as place:
        place.require("examines files")
        identity = place.identity()
        found: Examination | None = None
        refused = None
        try:
            found = place.examine(file, graph=read_graph(file))
        except ModelError as error:
            refused = " ".join(part for part in (error.what, error.why) if part)
        return OnTarget(
            target=place.name,
            target_kind=place.kind,
            good_for=place.good_for,
            runtime=str(identity.get("runtime", "")),
            machine=identity,
            refused=refused,
            examination=found,
        )


def falls_back(found: OnTarget) -> bool:
    """Tells whether a file does not run there, or not all of it where it should."""
    placements = found.examination.placements if found.examination is not None else ()
    return found.refused is not None or any(one.where in ("CPU", "nothing") for one in placements)
