"""Gives the tensors of a converted file the names of the user's nodes and modules.

A converter fuses, splits and moves operators, and keeps no record of it. What it cannot change are the values: where a tensor of the
file and one of the original hold the same values on the same samples, the operators before it compute what the nodes before that
one do. So both graphs are cut at the values that they share, and each piece of the file gets the name of the piece of the original.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tflitekit.core.files import write_whole
from tflitekit.source.foreign.scripts.values import signature
from tflitekit.tflite.flatbuffer import pack, unpack
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.proof import read_inputs
from tflitekit.tflite.runtime import Model

__all__ = ["named_as_original"]

_Signature = tuple[float, ...]

_ALIKE = 2e-4
"""Kernels that add in another order differ by less, by the range of a tensor; different tensors hardly ever do on every statistic."""


class _Node(BaseModel):
    """One value of the original (see `tflitekit.source.foreign.scripts.values`).

    Attributes:
        layer: The user's name of what computes it; None for an input.
        reads: The values that it is computed from, constants aside.
        weights: The size of the largest matrix that it is computed with; 0 without.
        signatures: Of each sample; null where it tells nothing.
    """

    model_config = ConfigDict(frozen=True)

    value: str
    layer: str | None
    reads: tuple[str, ...]
    weights: int
    signatures: tuple[_Signature | None, ...]


_NODES = TypeAdapter(list[_Node])


def named_as_original(content: bytes, folder: Path, inputs: Sequence[str]) -> tuple[bytes, tuple[str, ...]]:
    """Returns the file with the names of layers on its tensors, and these layers in the original's order.

    A tensor is named ``LAYER``, further ones of the layer ``LAYER/1`` and so on. Inputs and outputs keep their names, and so does what
    does not surely belong to one layer.

    Args:
        content: The file, whose inputs and outputs have their final names.
        folder: Where a converter left ``nodes.json``, what the original computes, and ``reference.npz``.
        inputs: In the order of the reference.
    """
    nodes = _NODES.validate_json((folder / "nodes.json").read_bytes())
    if not nodes:
        return content, ()
    packed = unpack(content)
    graph = packed.subgraphs[0]
    path = folder / "named.tflite"
    write_whole(path, content)
    names = [spec.name for spec in read_graph(path).inputs]
    rows = [[row[inputs.index(name)] for name in names] for row in read_inputs(folder / "reference.npz")]
    by_value = {node.value: node for node in nodes}
    shared = {int(index): by_value[name] for index, name in zip(graph.inputs, names, strict=True)}
    distinct = _Distinct(nodes)
    for tensor, found in _signatures(path, graph, rows[: len(nodes[0].signatures)]).items():
        if node := distinct.find(found):
            shared[tensor] = node
    layers = _layers_of_operators(graph, shared, by_value)
    _rename(graph, layers, {name for node in nodes if (name := node.layer)})
    used = set(layers.values())
    return pack(packed), tuple(
        dict.fromkeys(node.layer for node in nodes if node.layer is not None and node.layer in used)
    )


def _signatures(
    path: Path, graph: Any, rows: Sequence[Sequence[NDArray[Any]]]
) -> dict[int, tuple[_Signature | None, ...]]:
    """Returns those of each tensor that an operator writes."""
    model = Model(path, kernels="builtin", keep_tensors=True)
    written = {int(index) for operator in graph.operators for index in operator.outputs if index >= 0}
    found: dict[int, list[_Signature | None]] = {index: [] for index in written}
    for row in rows:
        model.run(row, outputs=())
        for index in written:
            try:
                seen = signature(model.tensor(index))
            except ValueError:  # nothing reads it
                seen = None
            found[index].append(tuple(seen) if seen else None)
    return {index: tuple(each) for index, each in found.items()}


class _Distinct:
    """The values of the original that no other one resembles."""

    def __init__(self, nodes: Sequence[_Node]) -> None:
        self._by_sizes: defaultdict[tuple[float, ...], list[tuple[NDArray[np.float64], list[_Node]]]] = defaultdict(
            list
        )
        self._doubtful: set[str] = set()
        for node in nodes:
            if None in node.signatures:
                continue
            alike = self._alike(node.signatures)
            if not alike:
                sizes, statistics = _split(node.signatures)
                self._by_sizes[sizes].append((statistics, [node]))
            for group in alike:
                # What is only moved, or an activation that changes nothing, is the same value. Twins are not.
                if not {one.value for one in group} & set(node.reads):
                    self._doubtful.add(group[0].value)
                group.append(node)

    def find(self, signatures: tuple[_Signature | None, ...]) -> _Node | None:
        """Returns the first node that computes these values, if that is sure; an input only where nothing moves it."""
        alike = self._alike(signatures)
        if len(alike) != 1 or alike[0][0].value in self._doubtful:
            return None
        return next((node for node in alike[0] if node.layer is not None), alike[0][0])

    def _alike(self, signatures: tuple[_Signature | None, ...]) -> list[list[_Node]]:
        if None in signatures:
            return []
        sizes, statistics = _split(signatures)
        bound = _ALIKE * np.ptp(statistics, axis=1, keepdims=True)
        return [nodes for known, nodes in self._by_sizes[sizes] if (np.abs(known - statistics) <= bound).all()]


def _split(signatures: Sequence[Any]) -> tuple[tuple[float, ...], NDArray[np.float64]]:
    table = np.asarray(signatures, np.float64)
    return tuple(table[:, 0].tolist()), table[:, 1:]


def _layers_of_operators(graph: Any, shared: Mapping[int, _Node], nodes: Mapping[str, _Node]) -> dict[int, str]:
    """Returns the layer of each operator that surely belongs to one.

    Args:
        shared: The node of each tensor whose value the original has too, inputs among them.
        nodes: By the value that they compute, in their order.
    """
    writer = {int(i): place for place, one in enumerate(graph.operators) for i in one.outputs if i >= 0}
    said: defaultdict[int, set[str | None]] = defaultdict(set)
    named: dict[str, str | None] = {}
    for end, operator in enumerate(graph.operators):
        node = next((shared[int(index)] for index in operator.outputs if int(index) in shared), None)
        if node is None:
            continue
        inside, begins = _piece_of_file(graph, end, writer, shared)
        if node.value in begins:  # it moves what another operator computed
            layer, whole = named.get(node.value), True
        else:
            layer, whole = _name_of_piece(node, begins, nodes)
            named.setdefault(node.value, layer)
        said[end].add(layer)
        for place in inside:
            said[place].add(layer if whole else None)
    return {place: name for place, names in said.items() if len(names) == 1 and (name := next(iter(names)))}


def _piece_of_file(
    graph: Any, end: int, writer: Mapping[int, int], shared: Mapping[int, _Node]
) -> tuple[set[int], set[str]]:
    """Returns the operators before one, back to values that the original has too, and these values."""
    found: set[int] = set()
    begins: set[str] = set()
    waiting = [end]
    while waiting:
        for index in map(int, graph.operators[waiting.pop()].inputs):
            if index in shared:
                begins.add(shared[index].value)
            elif index in writer and writer[index] not in found:
                found.add(writer[index])
                waiting.append(writer[index])
    return found, begins


def _name_of_piece(node: _Node, begins: set[str], nodes: Mapping[str, _Node]) -> tuple[str | None, bool]:
    """Returns the name of what the original computes from the same values, and whether all of it can be called so.

    That is the layer with the weights, where there is one; a convolution with its normalization and activation is the convolution.
    """
    piece, waiting = [node], [node]
    while waiting:
        for before in (nodes[value] for value in waiting.pop().reads if value in nodes and value not in begins):
            if before.layer is None:  # the original needs an input that the file does not
                return None, False
            if before not in piece:
                piece.append(before)
                waiting.append(before)
    weighted = {one.layer for one in piece if one.weights}
    if len(weighted) == 1:
        return next(iter(weighted)), True
    return node.layer, not weighted and len({one.layer for one in piece}) == 1


def _rename(graph: Any, layers: Mapping[int, str], taken: set[str]) -> None:
    """Names what operators write, and the constants that only operators of one layer read."""
    ends = {int(index) for index in (*graph.inputs, *graph.outputs)}
    names = {(tensor.name or b"").decode(errors="replace") for tensor in graph.tensors} | taken
    written = {int(index) for operator in graph.operators for index in operator.outputs}
    readers: defaultdict[int, set[str | None]] = defaultdict(set)
    for place, operator in enumerate(graph.operators):
        for index in operator.inputs:
            if index >= 0:
                readers[int(index)].add(layers.get(place))
    found: defaultdict[str, list[int]] = defaultdict(list)
    for place, operator in enumerate(graph.operators):
        if place in layers:
            found[layers[place]] += [int(index) for index in operator.outputs if index >= 0]
    constants: defaultdict[str, list[int]] = defaultdict(list)
    for index, reading in readers.items():
        if index not in written and len(reading) == 1 and (layer := next(iter(reading))):
            constants[layer].append(index)
    for layer, computed in found.items():
        free = (name for number in count(1) if (name := f"{layer}/{number}") not in names)
        inside = [index for index in computed if index not in ends]
        for index in (*inside[:-1], *(index for index in constants[layer] if index not in ends)):
            graph.tensors[index].name = next(free).encode()
        for index in inside[-1:]:  # what a layer gives has its name
            graph.tensors[index].name = layer.encode()
