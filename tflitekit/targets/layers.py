"""The user's layers of a file, for targets to speak of."""

from __future__ import annotations

from pathlib import Path

from tflitekit.tflite.graph import Graph
from tflitekit.tflite.layers import layer_names, layers_or_edges
from tflitekit.tflite.variant import read_sidecar

__all__ = ["layers_of", "layers_or_edges_of"]


def layers_of(path: Path, graph: Graph) -> list[str]:
    """Returns the user's layer of each operator, as far as it is known; '' where it is not."""
    return layer_names(graph.operators, _own(path))


def layers_or_edges_of(path: Path, graph: Graph) -> list[str]:
    """Returns the same, and of conversions at the edges the input or output that they convert, as in "input 'image'"."""
    return layers_or_edges(graph, graph.operators, _own(path))


def _own(path: Path) -> tuple[str, ...]:
    sidecar = read_sidecar(path)
    return sidecar.layers if sidecar is not None else ()
