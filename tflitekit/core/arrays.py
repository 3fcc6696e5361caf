"""Groups of arrays and a JSON value in one ``.npz`` file, written whole."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import ModelError
from tflitekit.core.files import write_whole

__all__ = ["Arrays", "read_arrays", "write_arrays"]

Arrays = list[NDArray[Any]]


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
