"""What stands in a ``.tflite`` file, read from its flatbuffer without running it (and without TensorFlow)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflitekit.core.tensor import TensorSpec
from tflitekit.tflite.census import CONVERSIONS, OpCount, count_operators, measure_sizes
from tflitekit.tflite.columns import column_axes, column_axis
from tflitekit.tflite.flatbuffer import DTYPES, FLOATS, QUANTIZED, Reader, name_of, parse_with, read_with, shape_of
from tflitekit.tflite.op_types import versions_by_types
from tflitekit.tflite.op_versions import PER_CHANNEL_FULLY_CONNECTED, minimum_runtime_version, version_key
from tflitekit.tflite.operators import Operator, read_operators
from tflitekit.tflite.post_process import PostProcess, post_process
from tflitekit.tflite.vocabulary import read_vocabularies

if TYPE_CHECKING:
    from tflitekit.tasks.interface import Interface

__all__ = ["Graph", "OpCount", "Operator", "Signature", "float_constants", "parse_graph", "read_graph"]

_MOVES = {"RESHAPE", "SQUEEZE", "TRANSPOSE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"}
"""Operators that leave probabilities what they are: values move, or are averaged with their neighbors."""
_PROBABILITY_OPS = {"SOFTMAX", "LOGISTIC"}


@dataclass(frozen=True)
class Signature:
    """A named entry point with the names of its inputs and outputs."""

    key: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """The content of a ``.tflite`` file.

    Attributes:
        inputs: In the file's order; named by the signature where there is one.
        operators: Those of the main graph, in order.
        inner_operators: Those of the other graphs, which loops and conditions run.
        integer_op_fraction: Operators whose activations are all integers, of those that compute on float or
            quantized activations (conversions at the edges and index arithmetic do not count); None when
            there are none.
        bytes_by_kind: Weights, biases, other constants, metadata and structure; the sum is the file's size.
        min_runtime_version: The first TensorFlow Lite runtime that has every operator in the version that is stated, or that the types of
            weights ask for; a lower
            bound where ``unknown_op_versions`` is not empty; None without a known operator.
        select_tf_ops: Operators that need the TensorFlow (Flex) delegate in the app.
        final_ops: For each output, the operator that computes it, behind conversions and changes of its shape; None for an input.
        output_meanings: For each output, 'probabilities' behind softmax or sigmoid, else 'values'.
        own_names: What inputs and outputs are called in the signature, by the names of their tensors, such as ``PartitionedCall:0``.
        column_axes: For each output, the axis, batch counted, along which its kinds of values lie; None where it is one as a whole.
        dynamic_tensors: Names of tensors with a dimension that is not fixed; ``open_beyond_batch`` those of which it is another one than the first.
        keeps_state: Whether operators keep values from one inference to the next: in variable tensors, as the fused LSTM
            does, also of a Keras layer that is not stateful, or in variables that a graph assigns, as of ``stateful=True``.
        resettable: Whether the runtime can put all of that back to its beginning (``reset_all_variables``). It can do so
            for variable tensors of the main graph only; else the file must be loaded anew.
        inner_inputs: What the operators see of each input: the integer tensor behind a QUANTIZE, else the input itself.
        inner_outputs: The integer tensor before a DEQUANTIZE, else the output itself.
        detection: TensorFlow Lite's operator that sorts out overlapping boxes, where there is one.
        vocabularies: By input, how many rows a table has of which its values pick some, as token ids do.
    """

    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ops: tuple[OpCount, ...]
    operators: tuple[Operator, ...]
    inner_operators: tuple[Operator, ...]
    integer_op_fraction: float | None
    bytes_by_kind: dict[str, int]
    weight_bytes_by_dtype: dict[str, int]
    parameters: int
    min_runtime_version: str | None
    recorded_min_runtime_version: str | None
    unknown_op_versions: tuple[str, ...]
    select_tf_ops: tuple[str, ...]
    custom_ops: tuple[str, ...]
    dynamic_tensors: tuple[str, ...]
    open_beyond_batch: tuple[str, ...]
    keeps_state: bool
    resettable: bool
    signatures: tuple[Signature, ...]
    metadata: tuple[str, ...]
    description: str
    final_ops: tuple[str | None, ...]
    output_meanings: tuple[Literal["probabilities", "values"], ...]
    column_axes: tuple[int | None, ...]
    inner_inputs: tuple[TensorSpec, ...]
    inner_outputs: tuple[TensorSpec, ...]
    vocabularies: dict[str, int] = field(default_factory=dict)
    detection: PostProcess | None = None
    own_names: dict[str, str] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """The fixed batch size; 1 where it is dynamic."""
        shape = self.inputs[0].shape if self.inputs else ()
        return max(1, shape[0]) if shape else 1

    def interface(
        self, *, first: str, scored: str | None = None, classes: Sequence[str] | None = None, owner: str = "The model"
    ) -> Interface:
        """Returns the model from outside.

        Args:
            first: Name of the output that is scored by default.
            scored: Name of the one that the user named.
            classes: Names in the model's order.
            owner: Whose outputs they are, for messages.
        """
        from tflitekit.data.contract import find_output
        from tflitekit.tasks.interface import Interface

        outputs = tuple(sorted(self.outputs, key=lambda spec: spec.name != first))
        wanted = find_output(outputs, scored, owner)
        return Interface(
            inputs=self.inputs,
            outputs=outputs,
            scored=scored,
            meanings={spec.name: held for spec, held in zip(self.outputs, self.output_meanings, strict=True)},
            classes=classes,
            final_op=self.final_ops[self.outputs.index(wanted)],
            owner=owner,
        )

    @property
    def open_inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs with a dimension besides the batch that is not fixed."""
        return tuple(spec for spec in self.inputs if spec.is_open)

    @property
    def is_float(self) -> bool:
        """Whether it neither computes in integers nor stores weights in fewer bits than float32."""
        stored = QUANTIZED | {"float16"}
        hybrid = any(op.compute == "hybrid" for op in self.ops)
        return not self.integer_op_fraction and not hybrid and not stored & self.weight_bytes_by_dtype.keys()

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return asdict(self)


def read_graph(path: str | Path) -> Graph:
    """Reads a ``.tflite`` file.

    Args:
        path: The file.

    Returns:
        Its tensors, operators and metadata.

    Raises:
        ModelError: The file is missing, is not a TensorFlow Lite model, or is cut short.

    Example:
        >>> graph = tk.read_graph("build/int8.tflite")
        >>> print(graph.inputs, graph.min_runtime_version)
    """
    path = Path(path)
    try:
        found = path.stat()
    except (OSError, ValueError):
        return read_with(path, _graph)  # which says why it cannot be read
    return _read_once(path, found.st_ino, found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _read_once(path: Path, *identity: int) -> Graph:
    """Reads a file; ``identity`` tells whether it is still the same."""
    return read_with(path, _graph)


def parse_graph(content: bytes, name: str) -> Graph:
    """Reads a ``.tflite`` file that is in memory; ``name`` stands for it in errors.

    Raises:
        ModelError: As `read_graph`.
    """
    return parse_with(content, name, _graph)


def float_constants(path: str | Path) -> dict[int, tuple[str, float]]:
    """Returns the name and the largest absolute value of each float32 constant of the main graph, by tensor index.

    Raises:
        ModelError: As `read_graph`.
    """
    return read_with(Path(path), _float_constants)


def _graph(reader: Reader) -> Graph:
    main = reader.subgraphs[0]
    signatures = _signatures(reader)
    names = _signature_names(reader, signatures)
    inputs = tuple(reader.spec(main, main.Inputs(i), names) for i in range(main.InputsLength()))
    detection = post_process(reader, main)
    outputs = tuple(_output(reader, main, main.Outputs(i), names, detection) for i in range(main.OutputsLength()))
    census, roles = count_operators(reader)
    integer = sum(op.count for op in census if op.compute in QUANTIZED)
    counted = integer + sum(op.count for op in census if op.compute in FLOATS or op.compute == "hybrid")
    used = [(op.name, op.version) for op in census] + list(versions_by_types(reader))
    custom = sorted({name for name, _, is_custom in reader.codes if is_custom})
    minimum, unknown = minimum_runtime_version(pair for pair in used if pair[0] not in custom)
    metadata = reader.metadata()
    recorded = _recorded_minimum(reader, metadata)
    silent = PER_CHANNEL_FULLY_CONNECTED if _has_per_channel_dense(reader) else None
    minimum = max((v for v in (minimum, recorded, silent) if v), key=version_key, default=None)
    by_kind, by_dtype, parameters = measure_sizes(reader, roles, metadata)
    final = _final_ops(reader, main)
    axes = column_axes(reader)
    in_main, *elsewhere = map(_has_variables, reader.subgraphs)
    unreachable = any(elsewhere) or _assigns_variables(reader)
    return Graph(
        size_bytes=len(reader.content),
        inputs=inputs,
        outputs=outputs,
        ops=tuple(census),
        operators=tuple(read_operators(reader, main)),
        inner_operators=tuple(one for graph in reader.subgraphs[1:] for one in read_operators(reader, graph)),
        integer_op_fraction=integer / counted if counted else None,
        bytes_by_kind=by_kind,
        weight_bytes_by_dtype=by_dtype,
        parameters=parameters,
        min_runtime_version=minimum,
        recorded_min_runtime_version=recorded,
        unknown_op_versions=tuple(f"{name} v{version}" for name, version in unknown),
        select_tf_ops=tuple(name for name in custom if name.startswith("Flex")),
        custom_ops=tuple(name for name in custom if not name.startswith("Flex")),
        dynamic_tensors=_dynamic(reader),
        open_beyond_batch=_dynamic(reader, first=1),
        keeps_state=in_main or unreachable,
        resettable=not unreachable,
        signatures=tuple(signature for signature, _ in signatures),
        metadata=tuple(metadata),
        description=(reader.model.Description() or b"").decode(errors="replace"),
        final_ops=final,
        output_meanings=tuple("probabilities" if name in _PROBABILITY_OPS else "values" for name in final),
        column_axes=tuple(
            axes.get(int(main.Outputs(i)), column_axis(outputs[i].shape)) for i in range(main.OutputsLength())
        ),
        inner_inputs=tuple(
            reader.spec(main, _behind(reader, main, main.Inputs(i), "QUANTIZE"), names)
            for i in range(main.InputsLength())
        ),
        inner_outputs=tuple(
            reader.spec(main, _behind(reader, main, main.Outputs(i), "DEQUANTIZE"), names)
            for i in range(main.OutputsLength())
        ),
        detection=detection,
        own_names={name_of(main.Tensors(index)): name for index, name in names.items()},
        vocabularies=read_vocabularies(reader, {main.Inputs(i): spec.name for i, spec in enumerate(inputs)}),
    )


def _output(reader: Reader, main: Any, index: int, names: dict[int, str], detection: PostProcess | None) -> TensorSpec:
    """Describes an output. A quantizer of TensorFlow, that of int16x8, marks no open sizes behind the last conversion, so they are those in front of it."""
    spec = reader.spec(main, index, names)
    shape = spec.shape or (detection.shapes.get(index, ()) if detection else ())
    if not spec.is_open:
        shape = shape_of(main.Tensors(_behind(reader, main, index, "DEQUANTIZE"))) or shape
    return replace(spec, shape=shape)


def _signatures(reader: Reader) -> list[tuple[Signature, dict[int, str]]]:
    found = []
    for i in range(reader.model.SignatureDefsLength()):
        definition = reader.model.SignatureDefs(i)
        inputs = [definition.Inputs(j) for j in range(definition.InputsLength())]
        outputs = [definition.Outputs(j) for j in range(definition.OutputsLength())]
        signature = Signature(
            key=(definition.SignatureKey() or b"").decode(errors="replace"),
            inputs=tuple(m.Name().decode(errors="replace") for m in inputs),
            outputs=tuple(m.Name().decode(errors="replace") for m in outputs),
        )
        by_tensor = {m.TensorIndex(): m.Name().decode(errors="replace") for m in (*outputs, *inputs)}
        found.append((signature, by_tensor if definition.SubgraphIndex() == 0 else {}))
    return found


def _signature_names(reader: Reader, signatures: list[tuple[Signature, dict[int, str]]]) -> dict[int, str]:
    on_main = [names for _, names in signatures if names]
    return on_main[0] if len(on_main) == 1 else {}


def _float_constants(reader: Reader) -> dict[int, tuple[str, float]]:
    main, found = reader.subgraphs[0], {}
    for index in range(main.TensorsLength()):
        tensor = main.Tensors(index)
        if DTYPES.get(tensor.Type()) == "float32" and reader.buffer_bytes[tensor.Buffer()]:
            largest = float(np.abs(reader.constant(tensor)).max())
            found[index] = (name_of(tensor), largest)
    return found


def _has_variables(subgraph: Any) -> bool:
    return any(subgraph.Tensors(i).IsVariable() for i in range(subgraph.TensorsLength()))


def _assigns_variables(reader: Reader) -> bool:
    """Whether an inference changes a variable; CALL_ONCE only gives it its first value."""
    assigning, initial = set(), set()
    for index, subgraph in enumerate(reader.subgraphs):
        for i in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(i)
            name = reader.codes[operator.OpcodeIndex()][0]
            if name == "ASSIGN_VARIABLE":
                assigning.add(index)
            elif name == "CALL_ONCE":
                options = schema.CallOnceOptions()
                options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
                initial.add(options.InitSubgraphIndex())
    return bool(assigning - initial)


def _behind(reader: Reader, main: Any, index: int, conversion: str) -> int:
    """Returns the tensor on the other side of a conversion at the edge of the graph, else the tensor itself."""
    for i in range(main.OperatorsLength()):
        operator = main.Operators(i)
        if (
            reader.codes[operator.OpcodeIndex()][0] == conversion
            and operator.InputsLength()
            and operator.OutputsLength()
        ):
            first, second = operator.Inputs(0), operator.Outputs(0)
            if conversion == "QUANTIZE" and first == index:
                return int(second)
            if conversion == "DEQUANTIZE" and second == index:
                return int(first)
    return index


def _has_per_channel_dense(reader: Reader) -> bool:
    """Whether a FULLY_CONNECTED on integers has one weight scale per channel."""
    for subgraph in reader.subgraphs:
        for i in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(i)
            if reader.codes[operator.OpcodeIndex()][0] != "FULLY_CONNECTED" or operator.InputsLength() < 2:
                continue
            values, weights = (subgraph.Tensors(operator.Inputs(j)) for j in range(2))
            quantization = weights.Quantization()
            several = quantization is not None and quantization.ScaleLength() > 1
            if several and DTYPES.get(values.Type()) in QUANTIZED:
                return True
    return False


def _recorded_minimum(reader: Reader, metadata: dict[str, int]) -> str | None:
    if "min_runtime_version" not in metadata:
        return None
    data = reader.model.Buffers(metadata["min_runtime_version"]).DataAsNumpy()
    text = b"" if isinstance(data, int) else bytes(data).rstrip(b"\0").strip()
    parts = text.decode(errors="replace").split(".")
    return ".".join(parts) if text and all(part.isdigit() for part in parts) else None


def _dynamic(reader: Reader, *, first: int = 0) -> tuple[str, ...]:
    """Returns the names of tensors with an open dimension, from the one at ``first`` on."""
    found: dict[str, None] = {}
    for subgraph in reader.subgraphs:
        for i in range(subgraph.TensorsLength()):
            tensor = subgraph.Tensors(i)
            if -1 in shape_of(tensor)[first:]:
                found[name_of(tensor)] = None
    return tuple(found)


def _final_ops(reader: Reader, main: Any) -> tuple[str | None, ...]:
    """Returns what computes each output, behind conversions, changes of its shape, resizing, and joins of what softmax or sigmoid alone
    compute, such as the scores of several heads; None for an input."""
    made: dict[int, str | None] = {}
    for operator in map(main.Operators, range(main.OperatorsLength())):  # in the order in which they run
        name: str | None = str(reader.codes[operator.OpcodeIndex()][0])
        if name in CONVERSIONS | _MOVES:
            name = made.get(operator.Inputs(0))
        elif name == "CONCATENATION":
            parts = {made.get(operator.Inputs(j)) for j in range(operator.InputsLength())}
            name = next(iter(parts)) if len(parts) == 1 and parts <= _PROBABILITY_OPS else name
        made |= dict.fromkeys((operator.Outputs(j) for j in range(operator.OutputsLength())), name)
    return tuple(made.get(main.Outputs(i)) for i in range(main.OutputsLength()))
