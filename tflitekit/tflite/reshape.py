"""Fixes the sizes that a ``.tflite`` file leaves open: the same operators and weights, with the shapes written into the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tflitekit.tflite.flatbuffer import pack, unpack
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model, zeros

__all__ = ["with_shapes"]


def with_shapes(content: bytes, path: Path, shapes: Mapping[str, Sequence[int]]) -> bytes:
    """Returns the file with these inputs at fixed shapes, and every tensor of the main graph at the shape that follows.

    Args:
        content: What stands at ``path``.
        shapes: With the batch, by the name of the input; other inputs keep theirs.

    Raises:
        DataError: The model cannot take the shapes.
    """
    graph = read_graph(path)
    model = Model(path, graph=graph, keep_tensors=True, kernels="builtin")
    model.run([zeros(spec, shapes.get(spec.name)) for spec in graph.inputs])
    resolved = {detail["index"]: np.array(detail["shape"], np.int32) for detail in model.tensor_details()}
    changed = unpack(content)
    main = changed.subgraphs[0]
    still_open = {
        index
        for index, spec in zip(main.inputs, graph.inputs, strict=True)
        if -1 in spec.shape and spec.name not in shapes
    }
    for index, tensor in enumerate(main.tensors):
        if index not in still_open and index in resolved:
            tensor.shape = resolved[index]
            if not still_open:
                tensor.shapeSignature = None
    for index, spec in zip(main.inputs, graph.inputs, strict=True):
        if spec.name in shapes:
            main.tensors[index].shape = np.array(shapes[spec.name], np.int32)
            main.tensors[index].shapeSignature = None
    return pack(changed)
