"""What the original computes on its way from the inputs to the outputs, in a form that does not depend on layouts.

The kit compares it with what the file computes, and so knows which operator belongs to which node
(`tflitekit.source.foreign.names`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SAMPLES = 2
"""How many samples are looked at: two tensors of a model that agree on both are the same value."""


def signature(value: Any) -> list[float] | None:
    """Returns the size and the order statistics of an array of floats, in which neither layout nor shape shows.

    ``tflitekit.source.foreign.names`` makes the same of the file's tensors.

    Returns:
        None where it tells nothing: of integers, of values that are all alike, and of such that are not finite.
    """
    import numpy as np

    values = np.asarray(value)
    if values.dtype.kind != "f" or not values.size:
        return None
    values = np.sort(values, axis=None)
    if not np.isfinite(values[[0, -1]]).all() or values[0] == values[-1]:
        return None
    places = np.linspace(0, values.size - 1, 33).round().astype(int)
    return [float(values.size), *(float(f"{value:.7g}") for value in values[places])]


class Values:
    """Collects the nodes of a model, in their order, with the values that they compute."""

    def __init__(self) -> None:
        self._nodes: dict[str, dict[str, Any]] = {}

    def add(self, value: str, layer: str | None, reads: list[str], weights: int) -> None:
        """Adds a node once for each value that it computes.

        Args:
            layer: The user's name of what computes it; None for an input.
            reads: The values that it reads, constants aside.
            weights: The size of its largest constant that is a matrix or more; 0 without.
        """
        self._nodes[value] = {"value": value, "layer": layer, "reads": reads, "weights": weights, "signatures": []}

    def see(self, value: str, array: Any) -> None:
        """Takes the value of a node on the next sample."""
        self._nodes[value]["signatures"].append(signature(array))

    def nodes(self) -> list[dict[str, Any]]:
        """Returns what was collected."""
        return list(self._nodes.values())


def write_values(folder: Path, look: Callable[[], Values]) -> list[str]:
    """Leaves ``nodes.json``.

    Returns:
        What the user should know: names are a comfort, and what cannot be looked at can be converted all the same.
    """
    nodes: list[dict[str, Any]] = []
    notes = []
    try:
        nodes = look().nodes()
    except Exception as error:  # noqa: BLE001 (the model, the runtime and the memory may each fail)
        notes = [
            "Layers have the converter's names, because the original cannot be looked into: "
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}."
        ]
    (folder / "nodes.json").write_text(json.dumps(nodes))
    return notes
