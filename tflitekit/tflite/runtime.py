"""The LiteRT interpreter behind names and real numbers: no TensorFlow, no tensor indices."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from tflitekit.core.errors import DataError, ModelError, TflitekitError
from tflitekit.core.tensor import TensorSpec
from tflitekit.tflite.graph import Graph, read_graph

__all__ = ["Model", "dequantize", "quantize", "random_values", "runtime_name", "zeros"]

Array = NDArray[Any]
_SEED = 7
Kernels = Literal["default", "builtin"]
_RESOLVERS = {"default": OpResolverType.AUTO, "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}

# What it warns of, a new graph when tensors are added, does not happen here.
warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")

_greeting = threading.Lock()
_greeted = False


def runtime_name() -> str:
    """Returns the runtime's name and version."""
    return f"ai-edge-litert {version('ai-edge-litert')}"


def quantize(values: Array, spec: TensorSpec) -> Array:
    """Stores real values in the tensor's type: ``round(real / scale) + zero_point``, clipped to the type's range; text as it is."""
    if spec.is_text:
        return values
    dtype = np.dtype(spec.dtype)
    if spec.quantization is None or dtype.kind == "f":
        return values if values.dtype == dtype else values.astype(dtype)
    limits = np.iinfo(dtype)
    stored = np.rint(values / np.float32(spec.quantization.scale[0])) + spec.quantization.zero_point[0]
    result: Array = np.clip(stored, limits.min, limits.max).astype(dtype)
    return result


def dequantize(stored: Array, spec: TensorSpec) -> Array:
    """Returns the real values of a tensor: ``scale * (stored - zero_point)`` as float32."""
    if spec.quantization is None or stored.dtype.kind == "f":
        return stored
    real = stored.astype(np.float32) - np.float32(spec.quantization.zero_point[0])
    return real * np.float32(spec.quantization.scale[0])


def zeros(spec: TensorSpec, shape: Sequence[int] | None = None) -> Array:
    """Returns real zeros (or empty text) for an input, of its own shape when none is given, with open dimensions at 1."""
    dtype = "S1" if spec.is_text else "float32" if spec.quantization else spec.dtype
    return np.zeros([max(1, d) for d in shape or spec.shape], dtype)


def random_values(specs: Sequence[TensorSpec], shapes: Mapping[str, Sequence[int]]) -> list[Array]:
    """Returns seeded values from 0 to 1 for every input that takes real values, zeros for indices, empty text.

    Args:
        shapes: With the batch dimension, by name, of those that are not of their own shape.
    """
    generator, found = np.random.default_rng(_SEED), []
    for spec in specs:
        values = zeros(spec, shapes.get(spec.name, spec.shape))
        real = spec.quantization is not None or spec.dtype.startswith("float")
        found.append(generator.random(values.shape, np.float32) if real else values)
    return found


def _model(path: Path) -> dict[str, Any]:
    """Returns how the interpreter is told what to load: it takes no names that are not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return {"model_content": path.read_bytes()}
    return {"model_path": str(path)}


@contextmanager
def _quiet_first_time() -> Iterator[None]:
    """Keeps the runtime's 'Created XNNPACK delegate' line, printed once a process from C++, off standard error."""
    global _greeted  # noqa: PLW0603
    with _greeting:
        if _greeted:
            yield
            return
        _greeted = True
        sys.stderr.flush()
        kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(null)


class Model:
    """A loaded ``.tflite`` file. Not thread-safe: one per thread.

    Whatever runs samples goes through `run`, which begins each one at the initial state. `set_inputs` and `invoke` are
    for measuring time.

    Args:
        path: The file.
        threads: Threads of the interpreter.
        graph: What `read_graph` says of it, where it was read already.
        kernels: 'default' is XNNPACK where it has a kernel; 'builtin' only the runtime's own.
        keep_tensors: Whether the values of all tensors can be read after a run (`tensor`).
        stream: Whether samples are one stream, so that state goes on from each to the next.

    A file that leaves the size of an input open is ready when `resize`, `set_inputs` or `run` has told the size.

    Raises:
        ModelError: The runtime refuses the file.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        threads: int = 1,
        graph: Graph | None = None,
        kernels: Kernels = "default",
        keep_tensors: bool = False,
        stream: bool = False,
    ) -> None:
        self.path = Path(path)
        self.graph = graph or read_graph(path)
        self.inputs, self.outputs = self.graph.inputs, self.graph.outputs
        self._stream = stream
        self._options = {
            **_model(self.path),
            "num_threads": threads,
            "experimental_op_resolver_type": _RESOLVERS[kernels],
            "experimental_preserve_all_tensors": keep_tensors,
        }
        self._load()

    def _load(self) -> None:
        try:
            with _quiet_first_time():
                self._interpreter = Interpreter(**self._options)
                if not self.graph.open_inputs:
                    self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise self._refused(error) from error
        self._used, self._allocated = False, not self.graph.open_inputs
        self._bind()

    def _failed(self, error: Exception) -> TflitekitError:
        """Returns what a failure means: of a file whose sizes are open, that it cannot take these; else of the file."""
        if self.graph.open_inputs and not self.graph.select_tf_ops:
            taken = {spec.name: list(shape) for spec, shape in zip(self.inputs, self._taken, strict=True)}
            shapes = " and ".join(f"{taken[spec.name]} for its input '{spec.name}'" for spec in self.graph.open_inputs)
            return DataError(
                f"{self.path.name} cannot take the shape {shapes}, although its size is open.",
                why=str(error).strip() or type(error).__name__,
                fix="Give samples of sizes that the model can take, or fix the size when converting with --input-shape.",
            )
        return self._refused(error)

    def _refused(self, error: Exception) -> ModelError:
        if not self.path.is_file():
            return ModelError(
                f"The file {self.path} was there a moment ago and is gone.",
                fix="Leave the folder alone while a run uses it, and run the same command again.",
            )
        flex = self.graph.select_tf_ops
        return ModelError(
            f"The runtime cannot run {self.path.name}.",
            why=str(error).strip() or type(error).__name__,
            fix=f"It needs the TensorFlow ops {', '.join(flex)}, which {runtime_name()} does not have."
            if flex
            else "See 'tflitekit inspect' for its operators and the runtime version that they need.",
        )

    def _bind(self) -> None:
        self._input_details = self._interpreter.get_input_details()
        self._taken = [tuple(detail["shape"].tolist()) for detail in self._input_details]
        self._output_indices = [detail["index"] for detail in self._interpreter.get_output_details()]

    @property
    def batch(self) -> int:
        """The fixed batch size; 1 where it is dynamic."""
        return self.graph.batch

    def resize(self, shapes: Sequence[Sequence[int]]) -> None:
        """Makes the inputs take these shapes and allocates the tensors for them.

        Args:
            shapes: One per input with the batch dimension, in the model's order.

        Raises:
            DataError: A shape does not fit, or the model cannot take it; the message names both.
        """
        if shapes == self._taken and self._allocated:
            return
        wanted = [tuple(shape) for shape in shapes]
        resized = not self._allocated
        for spec, detail, taken, shape in zip(self.inputs, self._input_details, self._taken, wanted, strict=True):
            if taken != shape:
                fits = len(spec.shape) == len(shape) and all(
                    want in (-1, have) for want, have in zip(spec.shape, shape, strict=True)
                )
                if not fits:
                    raise DataError(f"The input '{spec.name}' takes {list(spec.shape)}, the data are {list(shape)}.")
                if self._stream and self._used and self.graph.keeps_state:
                    raise DataError(
                        f"The shape of the input '{spec.name}' changes from {list(taken)} to {list(shape)} "
                        "within a stream (--stream).",
                        why="Resizing an input makes the runtime lose the model's state.",
                        fix="Give samples of one shape, or leave out --stream.",
                    )
                self._interpreter.resize_tensor_input(detail["index"], shape)
                resized = True
        if resized:
            self._bind()
            try:
                self._interpreter.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                raise self._failed(error) from error
            self._allocated = True

    def set_inputs(self, arrays: Sequence[Array]) -> None:
        """Stores real values into the inputs, quantized where the tensor is; resizes dynamic dimensions.

        Args:
            arrays: One array per input with the batch dimension, in the model's order.

        Raises:
            DataError: As `resize`.
        """
        self.resize([values.shape for values in arrays])
        for spec, detail, values in zip(self.inputs, self._input_details, arrays, strict=True):
            self._interpreter.set_tensor(detail["index"], quantize(values, spec))

    def invoke(self) -> None:
        """Runs the model on what the inputs hold.

        Raises:
            ModelError: The runtime reports a failure.
            DataError: The same, of a file whose sizes are open.
        """
        self._used = True
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise self._failed(error) from error

    def output(self, index: int = 0) -> Array:
        """Returns the real values of one output, with the batch dimension."""
        return dequantize(self.stored_output(index), self.outputs[index])

    def stored_output(self, index: int = 0) -> Array:
        """Returns one output as it is stored, with the batch dimension."""
        return self.tensor(self._output_indices[index])

    def tensor(self, index: int, graph: int = 0) -> Array:
        """Returns a tensor of a graph as it is stored (see ``keep_tensors``); zeros behind the boxes that TensorFlow Lite's post-processing found.

        Raises:
            ValueError: It has no data, because nothing reads it.
        """
        values: Array = self._interpreter.get_tensor(index, graph)
        detection = self.graph.detection
        if detection is not None and graph == 0 and index in detection.tensors[:3]:
            (count,) = self._interpreter.get_tensor(detection.tensors[3]).reshape(-1)[:1]
            values[:, max(0, int(count)) :] = 0  # what the operator did not write is whatever was in memory
        return values

    def tensor_details(self) -> list[dict[str, Any]]:
        """Returns the runtime's words for each tensor, kernels' scratch memory (which has no name) included."""
        details: list[dict[str, Any]] = self._interpreter.get_tensor_details()
        return details

    def op_details(self) -> list[dict[str, Any]]:
        """Returns the runtime's words for each operator: 'op_name', 'inputs' and 'outputs'."""
        details: list[dict[str, Any]] = self._interpreter._get_ops_details()
        return details

    def delegation(self) -> tuple[int, int, int]:
        """Returns the number of operators, how many of them delegates took, and in how many pieces."""
        ops = self.op_details()
        own = [op for op in ops if op["op_name"] != "DELEGATE"]
        pieces = [op for op in ops if op["op_name"] == "DELEGATE"]
        taken = {int(index) for op in pieces for index in op["outputs"]}
        # What a delegate computes inside of itself has no memory of the interpreter's.
        delegated = [
            op
            for op in own
            if all(
                int(i) in taken or (self._address(int(i)) is None and not self._is_text(int(i)))
                for i in op["outputs"]
                if i >= 0
            )
        ]
        return len(own), len(delegated) if pieces else 0, len(pieces)

    def arena_bytes(self) -> int:
        """Returns the bytes that the interpreter's own tensors cover, constants and the delegates' memory aside."""
        ops = self.op_details()
        written = {int(i) for op in ops for i in op["outputs"] if i >= 0}
        written |= {int(detail["index"]) for detail in self._input_details}
        spans = sorted(span for index in written if (span := self._address(index)) is not None)
        total, reached = 0, 0
        for begin, end in spans:  # tensors that are not alive at the same time share memory
            total += max(0, end - max(begin, reached))
            reached = max(reached, end)
        return total

    def _is_text(self, index: int) -> bool:
        return self._interpreter._get_tensor_details(index, 0)["dtype"] is np.bytes_

    def _address(self, index: int) -> tuple[int, int] | None:
        if self._is_text(index):  # text lies outside of the arena; looking at it crashes the runtime
            return None
        try:
            view = self._interpreter.tensor(index)()
        except (ValueError, RuntimeError):  # not allocated by the interpreter
            return None
        begin = int(view.__array_interface__["data"][0])
        return begin, begin + int(view.nbytes)

    def release(self) -> None:
        """Frees the interpreter; the object is of no use afterwards."""
        del self._interpreter

    def run(self, arrays: Sequence[Array], *, outputs: Sequence[int] | None = None) -> list[Array]:
        """Sets inputs, invokes, and returns outputs as real values, with the batch dimension.

        What operators keep between inferences is put back to its beginning before, unless samples are a stream: samples
        do not depend on each other.

        Args:
            arrays: As for `set_inputs`.
            outputs: The outputs to return, by their number; all when not given.
        """
        self._begin_sample()
        self.set_inputs(arrays)
        self.invoke()
        return [self.output(index) for index in (range(len(self.outputs)) if outputs is None else outputs)]

    def run_each(self, columns: Sequence[Array], *, outputs: Sequence[int]) -> Iterator[list[Array]]:
        """Yields what `run` returns for one batch after the other, with less done between inferences.

        Args:
            columns: By input, in the model's order, the values of samples of one shape that fill whole batches.
        """
        stored = [quantize(values, spec) for spec, values in zip(self.inputs, columns, strict=True)]
        shapes = [(self.batch, *values.shape[1:]) for values in columns]
        for start in range(0, len(columns[0]), self.batch):
            self._begin_sample()
            self.resize(shapes)
            for detail, values in zip(self._input_details, stored, strict=True):
                self._interpreter.set_tensor(detail["index"], values[start : start + self.batch])
            self.invoke()
            yield [self.output(index) for index in outputs]

    def _begin_sample(self) -> None:
        if self._used and self.graph.keeps_state and not self._stream:
            self._begin_anew()

    def _begin_anew(self) -> None:
        if self.graph.resettable:
            self._interpreter.reset_all_variables()
        else:
            self._load()
