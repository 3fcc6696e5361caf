"""Checkpoints of a training: one file, written whole, that a killed training continues from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tflitekit.core.arrays import Arrays, read_arrays, write_arrays
from tflitekit.core.errors import ModelError

__all__ = ["Checkpoint", "discard_damaged"]


@dataclass
class Checkpoint:
    """Where a training stands after an epoch.

    Attributes:
        facts: JSON: the history and which epoch was the best.
        weights: Of the model that trains, in its order; ``optimizer`` likewise.
        best: Weights of the best epoch; empty where there is none yet.
    """

    facts: dict[str, Any]
    weights: Arrays
    optimizer: Arrays
    best: Arrays = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Writes it whole.

        Raises:
            StorageError: The disk is full; the checkpoint before stays as it is.
        """
        groups = {"weights": self.weights, "optimizer": self.optimizer, "best": self.best}
        write_arrays(path, groups, self.facts)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Reads one.

        Raises:
            ModelError: The file is damaged.
        """
        groups, facts = read_arrays(path)
        return cls(facts, groups.get("weights", []), groups.get("optimizer", []), groups.get("best", []))


def discard_damaged(path: Path) -> list[str]:
    """Deletes a checkpoint that cannot be read, so that training starts again; returns notes on it for users."""
    try:
        if path.is_file():
            Checkpoint.load(path)
    except ModelError as error:
        path.unlink()
        return [f"The checkpoint of an earlier run was damaged, so training started over ({error.why})"]
    return []
