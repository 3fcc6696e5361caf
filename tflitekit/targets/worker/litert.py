"""The LiteRT interpreter of a worker."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np

__all__ = ["Engine"]


class Engine:
    """One file in the interpreter.

    Args:
        path: The file.
        threads: Threads of the interpreter.
        shapes: Of all inputs, with the batch dimension.
    """

    @staticmethod
    def runtime() -> str:
        """Returns the runtime's name and version."""
        from ai_edge_litert.interpreter import Interpreter  # noqa: F401 - so that one that cannot be loaded says so now

        return f"ai-edge-litert {metadata.version('ai-edge-litert')}"

    def __init__(self, path: str, *, threads: int, shapes: list[list[int]]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=path, num_threads=threads)
        for detail, shape in zip(self._interpreter.get_input_details(), shapes, strict=True):
            if detail["shape"].tolist() != shape:
                self._interpreter.resize_tensor_input(detail["index"], shape)
        self._interpreter.allocate_tensors()
        self._inputs = [detail["index"] for detail in self._interpreter.get_input_details()]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def reset(self) -> None:
        """Puts what operators keep between inferences back to its beginning."""
        self._interpreter.reset_all_variables()

    def set_inputs(self, arrays: list[Any]) -> None:
        """Stores one batch, as the tensors have it."""
        for index, values in zip(self._inputs, arrays, strict=True):
            self._interpreter.set_tensor(index, values)

    def invoke(self) -> None:
        """Computes."""
        self._interpreter.invoke()

    def outputs(self) -> list[Any]:
        """Returns the outputs as they are stored, as copies."""
        return [np.array(self._interpreter.get_tensor(index)) for index in self._outputs]
