"""The interpreter of TensorFlow Lite for Microcontrollers in a worker; its package is tflite-micro."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["Engine"]

_LARGEST_ARENA = 1 << 29  # no microcontroller has it; the system gives the memory when it is used
_ALIGNMENT = 16

Answer = TypeVar("Answer")


class Engine:
    """One file in the interpreter.

    Args:
        path: The file.
        threads: The interpreter has one.
        shapes: Of all inputs, with the batch dimension; the interpreter takes those of the file only.

    Raises:
        RuntimeError: It refuses the file; in its own words.
    """

    @staticmethod
    def runtime() -> str:
        """Returns the runtime's name and version."""
        from tflite_micro.python.tflite_micro import runtime  # noqa: F401 - so that one that cannot be loaded says so now

        return f"tflite-micro {metadata.version('tflite-micro')}"

    def __init__(self, path: str, *, threads: int, shapes: list[list[int]]) -> None:
        content = Path(path).read_bytes()
        self._interpreter = _speaking(lambda: _interpreter(content, _LARGEST_ARENA))
        self._outputs = _count_outputs(content)
        for index, shape in enumerate(shapes):
            own = self._interpreter.get_input_details(index)["shape"].tolist()
            if own != shape:
                raise RuntimeError(f"Input {index} has the shape {own} in the file and cannot be given {shape}.")

    def reset(self) -> None:
        """Puts what operators keep between inferences back to its beginning."""
        self._interpreter.reset()

    def set_inputs(self, arrays: list[Any]) -> None:
        """Stores one batch, as the tensors have it."""
        for index, values in enumerate(arrays):
            self._interpreter.set_input(values, index)

    def invoke(self) -> None:
        """Computes."""
        _speaking(self._interpreter.invoke)

    def outputs(self) -> list[Any]:
        """Returns the outputs as they are stored, as copies."""
        return [self._interpreter.get_output(index) for index in range(self._outputs)]

    @staticmethod
    def examine(path: str, _options: dict[str, Any]) -> dict[str, Any]:
        """Says what the interpreter prints about its memory, and the smallest arena with which it computes, in bytes.

        Raises:
            RuntimeError: It refuses the file; in its own words.
        """
        content = Path(path).read_bytes()
        interpreter = _speaking(lambda: _interpreter(content, _LARGEST_ARENA))
        _speaking(interpreter.invoke)
        words: list[str] = []
        _speaking(interpreter.print_allocations, words)
        return {"allocations": words[0], "smallest": _smallest_arena(content)}


def _interpreter(content: bytes, arena_bytes: int) -> Any:
    from tflite_micro.python.tflite_micro.runtime import Interpreter

    return Interpreter.from_bytes(content, arena_size=arena_bytes)


def _count_outputs(content: bytes) -> int:
    from tflite_micro.tensorflow.lite.micro.python.schema_py_generated import Model

    return int(Model.GetRootAsModel(content, 0).Subgraphs(0).OutputsLength())


def _smallest_arena(content: bytes) -> int:
    """Finds the smallest arena, in steps of its alignment: the planner needs room of its own, so it may exceed what is used in the end."""
    enough = 1 << 10
    while not _computes(content, enough):
        enough *= 2
    lacking = enough // 2 if enough > 1 << 10 else 0
    while enough - lacking > _ALIGNMENT:
        middle = (enough + lacking) // 2 // _ALIGNMENT * _ALIGNMENT
        enough, lacking = (middle, lacking) if _computes(content, middle) else (enough, middle)
    return enough


def _computes(content: bytes, arena_bytes: int) -> bool:
    """Tries in a process of its own: with too small an arena the interpreter does not always say so, but crashes."""
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(RuntimeError):
            _speaking(lambda: _interpreter(content, arena_bytes).invoke())
            code = 0
        os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def _speaking(call: Callable[[], Answer], words: list[str] | None = None) -> Answer:
    """Calls, and catches what the interpreter prints: ``words`` receives it, and an error has it as its message."""
    own = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            return call()
        except RuntimeError as error:
            raise RuntimeError(_read(caught) or str(error)) from error
        finally:
            os.dup2(own, 2)
            os.close(own)
            if words is not None:
                words.append(_read(caught))


def _read(caught: Any) -> str:
    caught.seek(0)
    return str(caught.read().decode(errors="replace")).strip()
