"""Along which axis of a tensor its columns lie: the coordinates of a box, the scores of classes, the channels of a map.

The graph tells. What a layer with weights computes has its channels last, and operators behind it move that axis or leave it where it is:
``(144, 14)`` and ``(14, 144)`` are told apart by where the 14 channels of the convolution went, not by which number is larger.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tflitekit.tflite.flatbuffer import DTYPES, Reader, shape_of

__all__ = ["UNLIKE", "column_axes", "column_axis", "reshaped_axis"]

_CHANNELS_LAST = {
    "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_3D", "CONV_3D_TRANSPOSE", "FULLY_CONNECTED", "BATCH_MATMUL", "EMBEDDING_LOOKUP",
    "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN", "RNN", "SVDF",
}  # fmt: skip
_RESHAPES = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}
_REDUCES = {"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "ARG_MAX", "ARG_MIN"}
_CHANNELS_FIRST = 20
"""An output of two dimensions is a list of a few kinds of values, kind by kind, where the second is so much longer."""

UNLIKE = 8.0
"""Ranges that differ by this factor do not fit on one grid of 8 bits: what is smaller has 32 of 256 steps at most."""

Shape = tuple[int, ...]


def column_axis(shape: Shape) -> int | None:
    """Returns along which axis of a tensor ``(batch, ...)`` its columns lie, as far as the shape tells; None where it is one as a whole.

    The last, as Keras has it, or the first where the others are alike and it is not, as in files that were exported from
    PyTorch: ``(batch, 3, 480, 640)`` and ``(batch, 84, 8400)``. Axes of length 1 do not count; -1 is an open one.
    """
    axes = [axis for axis in range(1, len(shape)) if shape[axis] != 1]
    sizes = [shape[axis] for axis in axes]
    if not axes:
        return None
    if len(axes) == 2 and sizes[0] > 1 and sizes[0] * _CHANNELS_FIRST <= sizes[1]:
        return axes[0]
    if len(axes) == 3 and min(sizes) > 1:
        height, middle, width = (math.log(size) for size in sizes)
        if abs(middle - width) < abs(height - middle):
            return axes[0]
    return axes[-1] if sizes[-1] > 0 else None


def column_axes(reader: Reader) -> dict[int, int | None]:
    """Returns the axis of the columns of each tensor that the main graph computes, by its index.

    Where operators leave no trace of a layer's channels, as a dense layer does whose outputs are reshaped to a table, or one of another package,
    `column_axis` decides by the shape.
    """
    main = reader.subgraphs[0]
    traced: dict[int, int] = {}
    found: dict[int, int | None] = {int(main.Inputs(i)): None for i in range(main.InputsLength())}
    for operator in (main.Operators(i) for i in range(main.OperatorsLength())):
        for index in (int(operator.Outputs(j)) for j in range(operator.OutputsLength())):
            axis = _traced(reader, main, operator, index, traced)
            found[index] = axis
            if axis is not None:
                traced[index] = axis
    return {
        index: column_axis(shape_of(main.Tensors(index))) if axis is None else axis for index, axis in found.items()
    }


def _traced(reader: Reader, main: Any, operator: Any, output: int, traced: dict[int, int]) -> int | None:
    """Returns where an operator leaves the channels of a layer; None where that cannot be told."""
    kind, shape = reader.operator_name(operator), _sizes(main, output)
    inputs = [int(operator.Inputs(j)) for j in range(operator.InputsLength())]
    if kind in _CHANNELS_LAST:
        rows_first = (
            kind == "BATCH_MATMUL" and reader.buffer_bytes[main.Tensors(inputs[0]).Buffer()] > 0
        )  # weights times values
        return len(shape) - 1 - rows_first if len(shape) > 1 + rows_first else None
    known = [index for index in inputs if index in traced]
    if not known:
        return None
    axis, before = traced[known[0]], _sizes(main, known[0])
    if kind == "TRANSPOSE":
        order = _constant(reader, main, inputs[1])
        return order.index(axis) if axis in order else None
    if kind in _RESHAPES:
        return reshaped_axis(before, axis, shape)
    if kind in _REDUCES and len(shape) < len(before):
        gone = {each % len(before) for each in _constant(reader, main, inputs[1])}
        return axis - sum(each < axis for each in gone) if gone and axis not in gone else None
    same = {traced[index] for index in known if len(_sizes(main, index)) == len(shape)}
    return same.pop() if len(same) == 1 else None


def reshaped_axis(before: Shape, axis: int, after: Shape) -> int | None:
    """Returns which axis has a layer's channels after a change of shape: the one on which neighbors are as far apart in memory.

    Where it was parted, as ``(12, 12, 24)`` to ``(864, 4)`` for six anchors, the columns are its inner part; the outer one is one more kind of place.
    """
    size, step = before[axis], math.prod(before[axis + 1 :])
    fitting = [place for place in range(1, len(after)) if math.prod(after[place + 1 :]) == step]
    same = [place for place in fitting if after[place] == size]
    if same:
        return same[-1]
    places = any(length > 1 for place, length in enumerate(before) if place not in (0, axis))
    parts = [place for place in fitting if after[place] > 1 and size % after[place] == 0]
    return parts[-1] if parts and places else None


def _sizes(main: Any, index: int) -> Shape:
    tensor = main.Tensors(index)
    return tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))


def _constant(reader: Reader, main: Any, index: int) -> Sequence[int]:
    """Returns integers that stand in the file; none where they are computed."""
    tensor = main.Tensors(index)
    if not reader.buffer_bytes[tensor.Buffer()] or DTYPES.get(tensor.Type()) not in ("int32", "int64"):
        return []
    found: list[int] = reader.constant(tensor).reshape(-1).tolist()
    return found
