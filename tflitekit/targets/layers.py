"""The user's layers of a file, for targets to speak of."""

from __future__ import annotations

from pathlib import Path

from tflitekit.tflite.graph import Graph
from tflitekit.tflite.layers import layer_names
from tflitekit.tflite.variant import read_sidecar

__all__ = ["layers_of"]


def layers_of(path: Path, graph: Graph) -> list[str]:
    """Returns the user's layer of each operator, as far as it is known; '' where it is not."""
    sidecar = read_sidecar(path)
    return layer_names(graph.operators, sidecar.layers if sidecar is not None else ())
