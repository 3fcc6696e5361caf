"""Checkpoints of a training: one file, written whole, that a killed training continues from."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.errors import ModelError
from tflitekit.files import write_whole

__all__ = ["Checkpoint", "discard_damaged", "read_arrays", "write_arrays"]

Arrays = list[NDArray[Any]]


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
        return [f"The checkpoint of an earlier run was damaged, and training started again ({error.why})"]
    return []


def write_arrays(path: Path, groups: dict[str, Sequence[NDArray[Any]]] | dict[str, Arrays], facts: Any) -> None:
    """Writes groups of arrays and a JSON value as one ``.npz`` file, whole."""
    named = {f"{group}/{index}": array for group, arrays in groups.items() for index, array in enumerate(arrays)}
    buffer = io.BytesIO()
    np.savez(buffer, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **named)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def read_arrays(path: Path) -> tuple[dict[str, Arrays], Any]:
    """Reads what `write_arrays` wrote; pickled objects are refused.

    Raises:
        ModelError: The file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            facts = json.loads(bytes(content["facts"]).decode())
            groups: dict[str, Arrays] = {}
            names = [name for name in content.files if "/" in name]
            for name in sorted(names, key=lambda n: (n.partition("/")[0], int(n.partition("/")[2]))):
                groups.setdefault(name.partition("/")[0], []).append(content[name])
            return groups, facts
    except Exception as error:  # NumPy and zipfile let through whatever damaged bytes lead to
        raise ModelError(
            f"The file {path} cannot be read.",
            why=f"{type(error).__name__}: {error}.",
            fix="Delete it and train again.",
        ) from error
