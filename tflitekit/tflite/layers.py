"""The user's layer for each operator of a ``.tflite`` file, from the names that the converter leaves on tensors.

TensorFlow names a tensor after the operations that were fused into the operator that writes it, as in
``model_1/activation_1/Relu;model_1/conv2d_1/BiasAdd``, and appends ``_1``, ``_2`` to names that were taken. Tensors of files that the
kit converted from ONNX and PyTorch have the layer itself as their name, or ``LAYER/1`` (`tflitekit.source.foreign.names`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from tflitekit.tflite.graph import Graph, Operator

__all__ = ["has_name", "layer_names", "layers_or_edges"]

_NO_NAME = re.compile(r"^(tfl\.|arith\.|PartitionedCall|StatefulPartitionedCall|Identity)")

_COUNTED = re.compile(r"/\d+$")


def layer_names(operators: Sequence[Operator], layers: Sequence[str]) -> list[str]:
    """Returns a layer name for each operator, or the best that its tensors tell.

    Args:
        operators: In the file's order.
        layers: The user's layer names, where a sidecar has them; empty for foreign files.
    """
    paths = [_path(operator) for operator in operators]
    told = _shortest_names({tuple(path) for path in paths if path})
    known = _resolve({part for path in paths for part in path}, layers)
    names: list[str] = []
    own = set(layers)
    for operator, path in zip(operators, paths, strict=True):
        resolved = [known[part] for part in path if part in known]
        if exact := _exact(operator, own):
            names.append(exact)
        elif resolved:
            names.append(resolved[-1])
        else:
            names.append("" if layers else told.get(tuple(path), ""))
    return names


def layers_or_edges(graph: Graph, operators: Sequence[Operator], layers: Sequence[str]) -> list[str]:
    """Returns the layer of each operator; of conversions at the edges, the input or output that they convert."""
    edges = {inner.name: f"input '{outer.name}'" for outer, inner in zip(graph.inputs, graph.inner_inputs, strict=True)}
    ends = {
        inner.name: f"output '{outer.name}'" for outer, inner in zip(graph.outputs, graph.inner_outputs, strict=True)
    }
    labels = []
    for operator, layer in zip(operators, layer_names(operators, layers), strict=True):
        edge = None
        if operator.name == "QUANTIZE" and operator.outputs:
            edge = edges.get(operator.outputs[0])
        elif operator.name == "DEQUANTIZE" and operator.inputs:
            edge = ends.get(operator.inputs[0])
        labels.append(edge or layer)
    return labels


def has_name(operator: Operator) -> bool:
    """Returns whether a tensor of an operator has a name that was given for what it is."""
    return bool(_path(operator))


def _exact(operator: Operator, layers: set[str]) -> str:
    """Returns the layer whose name a tensor has."""
    for name in (*operator.outputs, *operator.constants):
        for found in (name, _COUNTED.sub("", name)):
            if found in layers:
                return found
    return ""


def _path(operator: Operator) -> list[str]:
    """Returns the scopes between the model's and the operation's name; of weights first, they name the layer best."""
    for name in (*operator.constants, *operator.outputs):
        named = [part for part in name.split(";") if part and not part.isdigit() and not _NO_NAME.match(part)]
        if named:  # the last one came first in the model: the convolution, not its activation
            parts = named[-1].split("/")
            return parts[1:-1] or parts[:1]
    return []


def _shortest_names(paths: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Names each path of scopes by its last ones, so many that no other path ends in them."""
    ends = Counter(path[place:] for path in paths for place in range(len(path)))
    found = {}
    for path in paths:
        places = range(len(path) - 1, -1, -1)
        found[path] = "/".join(next((path[place:] for place in places if ends[path[place:]] == 1), path))
    return found


def _resolve(parts: set[str], layers: Sequence[str]) -> dict[str, str]:
    """Gives each scope the layer that it can stand for; one that has a single candidate claims it first."""
    candidates = {
        part: [layer for layer in layers if part == layer or re.fullmatch(re.escape(layer) + r"_\d+", part)]
        for part in parts
    }
    found: dict[str, str] = {}
    open_parts = {part for part, fitting in candidates.items() if fitting}
    while open_parts:
        free = {
            part: [c for c in candidates[part] if c not in found.values()] or candidates[part] for part in open_parts
        }
        part = min(free, key=lambda p: (len(free[p]), -len(p), p))
        found[part] = max(free[part], key=len)
        open_parts.discard(part)
    return found
