"""The LiteRT compiled model of a worker, on the runtime's GPU accelerator; what it leaves runs on the CPU."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np

__all__ = ["Engine"]


class Engine:
    """One file on the GPU.

    Args:
        path: The file.
        threads: For what stays on the CPU.
        shapes: Of all inputs, with the batch dimension.
    """

    @staticmethod
    def runtime() -> str:
        """Returns the runtime's name and version."""
        from ai_edge_litert.compiled_model import CompiledModel  # noqa: F401 - so that one that cannot be loaded says so now

        return f"ai-edge-litert {metadata.version('ai-edge-litert')}, GPU accelerator"

    @staticmethod
    def examine(path: str, _options: dict[str, Any]) -> dict[str, Any]:
        """Loads a file as it is; what the accelerator takes of it stands in the log."""
        return {"whole": bool(_compiled(path, 1).is_fully_accelerated())}

    def __init__(self, path: str, *, threads: int, shapes: list[list[int]]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        order = Interpreter(model_path=path)
        self._model = _compiled(path, threads)
        (self._signature, *_) = self._model.get_signature_list()
        self._in = self._by_position(order.get_input_details(), self._model.get_input_tensor_details(self._signature))
        for (name, detail), shape in zip(self._in, shapes, strict=True):
            if list(detail["shape"]) != shape:
                self._model.resize_input_tensor_by_name(self._signature, name, shape, strict=False)
        self._out = self._by_position(
            order.get_output_details(), self._model.get_output_tensor_details(self._signature)
        )
        self._inputs = {n: self._model.create_input_buffer_by_name(self._signature, n) for n, _ in self._in}
        self._outputs = {n: self._model.create_output_buffer_by_name(self._signature, n) for n, _ in self._out}

    @staticmethod
    def _by_position(
        file: list[dict[str, Any]], details: dict[str, dict[str, Any]]
    ) -> list[tuple[str, dict[str, Any]]]:
        """Returns the tensors of the signature in the file's order."""
        by_index = {detail["index"]: (name, detail) for name, detail in details.items()}
        return [by_index[tensor["index"]] for tensor in file]

    def set_inputs(self, arrays: list[Any]) -> None:
        """Stores one batch, as the tensors have it."""
        for (name, _), values in zip(self._in, arrays, strict=True):
            self._inputs[name].write(np.ascontiguousarray(values))

    def invoke(self) -> None:
        """Computes."""
        self._model.run_by_name(self._signature, self._inputs, self._outputs)

    def outputs(self) -> list[Any]:
        """Returns the outputs as they are stored."""
        found = []
        for name, detail in self._out:
            dtype, shape = np.dtype(detail["dtype"]), tuple(detail["shape"])
            found.append(self._outputs[name].read(int(np.prod(shape)), dtype.type).reshape(shape))
        return found


def _compiled(path: str, threads: int) -> Any:
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import CpuOptions, Options

    both = HardwareAccelerator.GPU | HardwareAccelerator.CPU
    return CompiledModel.from_file(path, options=Options(both, cpu_options=CpuOptions(num_threads=threads)))
