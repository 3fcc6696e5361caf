"""A float ``.tflite`` file that can be changed: its constants replaced, and sections of its graph cut out to be run alone."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tflitekit.core.errors import ConversionError
from tflitekit.tflite.flatbuffer import DTYPES, Reader, pack, parse_with, unpack

__all__ = ["EditableModel"]

Array = NDArray[Any]
_BEHIND_THE_FLATBUFFER = 1  # a larger offset of a buffer says where its bytes lie
_NUMBERS = {
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
}  # fmt: skip


class EditableModel:
    """The content of a ``.tflite`` file as objects that can be changed.

    Attributes:
        graph: The main graph, whose tensors and operators it shares with the file.
        codes: The name of each operator code.

    Raises:
        ModelError: The content is no ``.tflite`` file, or is damaged.
        ConversionError: It is one of more than 2 GB.
    """

    def __init__(self, content: bytes, name: str = "the model") -> None:
        self.codes = parse_with(content, name, _code_names)
        self._model = unpack(content)
        self.graph = self._model.subgraphs[0]
        if any((buffer.offset or 0) > _BEHIND_THE_FLATBUFFER for buffer in self._model.buffers):
            raise ConversionError(
                f"The weights of {name} cannot be rounded: they are stored outside its flatbuffer.",
                why="Files larger than 2 GB store them there.",
                fix="Use rounding=nearest.",
            )

    @property
    def subgraphs(self) -> Sequence[Any]:
        """All graphs, the main one first."""
        graphs: Sequence[Any] = self._model.subgraphs
        return graphs

    def operator_name(self, operator: Any) -> str:
        """Returns 'CONV_2D', or the name of a custom operator."""
        name: str = self.codes[operator.opcodeIndex]
        return name

    def tensor_name(self, index: int) -> str:
        """Returns the name of a tensor of the main graph."""
        name: str = (self.graph.tensors[index].name or b"").decode(errors="replace")
        return name

    def constant(self, index: int) -> Array | None:
        """Returns the values of a float32 constant of the main graph; None of any other tensor."""
        tensor = self.graph.tensors[index]
        data = self._model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None or not len(data):
            return None
        shape = [] if tensor.shape is None else list(tensor.shape)
        return np.frombuffer(np.asarray(data, np.uint8).tobytes(), "<f4").reshape(shape)

    def set_constant(self, index: int, values: Array) -> None:
        """Replaces the values of a constant, for all tensors that have its buffer."""
        stored = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
        self._model.buffers[self.graph.tensors[index].buffer].data = stored

    def own_constant(self, operator: Any, position: int) -> int:
        """Returns the constant at that position of an operator's inputs, after giving it one of its own where others read it too."""
        index = int(operator.inputs[position])
        tensor = self.graph.tensors[index]
        readers = [
            each
            for graph in self.subgraphs
            for each in graph.operators
            if any(i >= 0 and graph.tensors[i].buffer == tensor.buffer for i in each.inputs)
        ]
        if len(readers) == 1 and list(operator.inputs).count(index) == 1:
            return index
        tensor, buffer = copy.copy(tensor), schema.BufferT()
        buffer.data = self._model.buffers[tensor.buffer].data
        self._model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        tensor.buffer, index = len(self._model.buffers) - 1, len(self.graph.tensors) - 1
        tensor.name = (tensor.name or b"") + f";{index}".encode()
        operator.inputs = [*operator.inputs]
        operator.inputs[position] = index
        return index

    def to_bytes(self) -> bytes:
        """Returns the whole file."""
        return pack(self._model)

    def alive(self, position: int, wanted: Iterable[int]) -> tuple[int, ...]:
        """Returns what the operators from a position on read of what is there before: enough to compute the wanted tensors."""
        _, needed = self._needed(position, wanted)
        before = {int(index) for operator in self.graph.operators[:position] for index in operator.outputs}
        return tuple(sorted(needed.intersection(before.union(map(int, self.graph.inputs)))))

    def bytes_of(self, tensors: Iterable[int]) -> int | None:
        """Returns the size of tensors in the shapes that the file has; None where one is no array of numbers."""
        total = 0
        for index in tensors:
            tensor = self.graph.tensors[index]
            kind = DTYPES.get(tensor.type)
            if kind not in _NUMBERS:
                return None
            total += np.dtype(kind).itemsize * math.prod(
                int(size) for size in ([] if tensor.shape is None else tensor.shape)
            )
        return total

    def section(
        self, position: int, given: Sequence[int], shapes: Sequence[Sequence[int]], wanted: Iterable[int]
    ) -> bytes:
        """Returns a file that computes tensors of the main graph from others: of the operators from a position on those that are needed.

        Args:
            given: The file's inputs: what `alive` says, or all inputs of the graph for position 0.
            shapes: Of what is given; none where those of the file hold.
        """
        outputs = list(dict.fromkeys(wanted))
        operators, needed = self._needed(position, outputs)
        needed.update(given, (int(index) for operator in operators for index in _written(operator)))
        places = {index: place for place, index in enumerate(sorted(needed))}
        model, graph = copy.copy(self._model), copy.copy(self.graph)
        graph.tensors = [copy.copy(self.graph.tensors[index]) for index in places]
        graph.operators = [_moved(operator, places) for operator in operators]
        graph.inputs, graph.outputs = ([places[index] for index in each] for each in (given, outputs))
        for place, shape in zip(graph.inputs, shapes, strict=False):
            graph.tensors[place].shape, graph.tensors[place].shapeSignature = list(shape), None
        model.subgraphs = [graph, *self._model.subgraphs[1:]]
        model.signatureDefs = model.metadata = None
        used = {tensor.buffer for each in model.subgraphs for tensor in each.tensors}
        model.buffers = [buffer if i in used else schema.BufferT() for i, buffer in enumerate(self._model.buffers)]
        return pack(model)

    def _needed(self, position: int, wanted: Iterable[int]) -> tuple[list[Any], set[int]]:
        """Returns the operators from a position on that the wanted tensors need, and these tensors with all that the operators read."""
        operators, needed = [], set(wanted)
        for operator in reversed(self.graph.operators[position:]):
            if needed.intersection(operator.outputs) or not len(operator.outputs):  # without outputs: for its effect
                operators.append(operator)
                needed.update(int(index) for index in operator.inputs if index >= 0)
        return operators[::-1], needed


def _written(operator: Any) -> list[int]:
    return [*operator.outputs, *([] if operator.intermediates is None else operator.intermediates)]


def _moved(operator: Any, places: Mapping[int, int]) -> Any:
    """Returns an operator with its tensors at other places."""
    moved = copy.copy(operator)
    for name in ("inputs", "outputs", "intermediates"):
        indices = getattr(operator, name)
        if indices is not None:
            setattr(moved, name, [places.get(int(index), -1) for index in indices])
    return moved


def _code_names(reader: Reader) -> list[str]:
    return [name for name, _, _ in reader.codes]
