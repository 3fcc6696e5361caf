"""A float ``.tflite`` file that can be changed: its constants replaced, and the front of its graph cut off to be run alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tflitekit.core.errors import ConversionError
from tflitekit.tflite.flatbuffer import Reader, pack, parse_with, unpack

__all__ = ["EditableModel"]

Array = NDArray[Any]
_BEHIND_THE_FLATBUFFER = 1  # a larger offset of a buffer says where its bytes lie


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

    def front(self, wanted: Iterable[int]) -> bytes:
        """Returns a file that computes tensors of the main graph from the same inputs: of its operators those that are needed."""
        outputs = list(dict.fromkeys(wanted))
        operators, needed = [], set(outputs)
        for operator in reversed(self.graph.operators):
            if needed.intersection(operator.outputs) or not len(operator.outputs):  # without outputs: for its effect
                operators.append(operator)
                needed.update(int(index) for index in operator.inputs)
        model, graph = copy.copy(self._model), copy.copy(self.graph)
        graph.operators, graph.outputs = operators[::-1], outputs
        model.subgraphs = [graph, *self._model.subgraphs[1:]]
        model.signatureDefs = model.metadata = None
        model.buffers = self._only(needed)
        return pack(model)

    def _only(self, needed: set[int]) -> list[Any]:
        """Returns the buffers, without the content of those that only unneeded tensors of the main graph have."""
        used = {self.graph.tensors[index].buffer for index in needed if index >= 0}
        used.update(tensor.buffer for graph in self._model.subgraphs[1:] for tensor in graph.tensors)
        return [buffer if i in used else schema.BufferT() for i, buffer in enumerate(self._model.buffers)]


def _code_names(reader: Reader) -> list[str]:
    return [name for name, _, _ in reader.codes]
