"""What stands in a ``.tflite`` file, read from its flatbuffer without running it (and without TensorFlow)."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflitekit.core.errors import ModelError, UnreadableError
from tflitekit.core.files import MODEL_LIMIT_BYTES, read_bytes
from tflitekit.core.tensor import Quantization, TensorSpec
from tflitekit.tflite.op_versions import PER_CHANNEL_FULLY_CONNECTED, minimum_runtime_version, version_key

__all__ = [
    "Graph",
    "OpCount",
    "Operator",
    "Reader",
    "Signature",
    "float_constants",
    "parse_graph",
    "read_graph",
    "read_with",
]

_FLOATS = {"float16", "float32", "float64", "bfloat16"}
_QUANTIZED = {"int2", "int4", "uint4", "int8", "uint8", "int16"}
_PROBABILITY_OPS = {"SOFTMAX", "LOGISTIC"}
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}
_SHAPE_ONLY = {"SHAPE", "RANK"}


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OP_NAMES = _names(schema.BuiltinOperator)
_DTYPES = {value: name.lower() for value, name in _names(schema.TensorType).items()}


@dataclass(frozen=True)
class OpCount:
    """Operators of one kind that compute in one type.

    Attributes:
        compute: 'float32', 'int8', 'int16', ... by the activations; 'hybrid' for float activations with
            integer weights; 'index' for operators on shapes and indices only; 'conversion' for
            QUANTIZE and DEQUANTIZE, and for a CAST between integers and float.
        weight_bytes: Bytes of the constants that these operators read first.
    """

    name: str
    version: int
    compute: str
    count: int
    weight_bytes: int


@dataclass(frozen=True)
class Operator:
    """One operator of the main graph: its name, the names of the constants it reads and the tensors it writes, and the type
    that it computes in (see `OpCount`)."""

    name: str
    constants: tuple[str, ...]
    outputs: tuple[str, ...]
    compute: str = ""


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
        integer_op_fraction: Operators whose activations are all integers, of those that compute on float or
            quantized activations (conversions at the edges and index arithmetic do not count); None when
            there are none.
        bytes_by_kind: Weights, biases, other constants, metadata and structure; the sum is the file's size.
        min_runtime_version: The first TensorFlow Lite runtime that has every operator version; a lower
            bound where ``unknown_op_versions`` is not empty; None without a known operator.
        select_tf_ops: Operators that need the TensorFlow (Flex) delegate in the app.
        output_meanings: For each output, 'probabilities' behind softmax or sigmoid, else 'values'.
        dynamic_tensors: Names of tensors with a dimension that is not fixed.
        keeps_state: Whether operators keep values from one inference to the next: in variable tensors, as the fused LSTM
            does, also of a Keras layer that is not stateful, or in variables that a graph assigns, as of ``stateful=True``.
        resettable: Whether the runtime can put all of that back to its beginning (``reset_all_variables``). It can do so
            for variable tensors of the main graph only; else the file must be loaded anew.
        inner_inputs: What the operators see of each input: the integer tensor behind a QUANTIZE, else the input itself.
        inner_outputs: The integer tensor before a DEQUANTIZE, else the output itself.
    """

    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ops: tuple[OpCount, ...]
    operators: tuple[Operator, ...]
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
    keeps_state: bool
    resettable: bool
    signatures: tuple[Signature, ...]
    metadata: tuple[str, ...]
    description: str
    output_meanings: tuple[Literal["probabilities", "values"], ...]
    inner_inputs: tuple[TensorSpec, ...]
    inner_outputs: tuple[TensorSpec, ...]

    @property
    def open_inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs with a dimension besides the batch that is not fixed."""
        return tuple(spec for spec in self.inputs if spec.is_open)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        value = asdict(self)
        for side in ("inputs", "outputs", "inner_inputs", "inner_outputs"):
            value[side] = [spec.model_dump(mode="json") for spec in getattr(self, side)]
        return value


def read_graph(path: str | Path) -> Graph:
    """Reads a ``.tflite`` file.

    Raises:
        ModelError: The file is missing, is not a TensorFlow Lite model, or is cut short.
    """
    return read_with(Path(path), lambda reader: reader.read())


def parse_graph(content: bytes, name: str) -> Graph:
    """Reads a ``.tflite`` file that is in memory; ``name`` stands for it in errors.

    Raises:
        ModelError: As `read_graph`.
    """
    return _parse(content, name, lambda reader: reader.read())


def float_constants(path: str | Path) -> dict[int, tuple[str, float]]:
    """Returns the name and the largest absolute value of each float32 constant of the main graph, by tensor index.

    Raises:
        ModelError: As `read_graph`.
    """
    return read_with(Path(path), lambda reader: reader.float_constants())


_Found = TypeVar("_Found")


def read_with(path: Path, read: Callable[[Reader], _Found]) -> _Found:
    """Opens a ``.tflite`` file for a function that reads it, whose errors on a damaged file become a `ModelError`."""
    try:
        content = read_bytes(path, MODEL_LIMIT_BYTES)
    except UnreadableError as error:
        if error.missing:
            raise ModelError(f"There is no file {path}.") from error
        raise ModelError(f"The model {path} cannot be read: {error.reason}.", fix="Give a .tflite file.") from error
    return _parse(content, str(path), read)


def _parse(content: bytes, name: str, read: Callable[[Reader], _Found]) -> _Found:
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise ModelError(
            f"{name} is not a TensorFlow Lite model.",
            why=f"Its {len(content):,} bytes do not carry the identifier TFL3.",
            fix="Give a .tflite file; a Keras model or SavedModel is converted with 'tflitekit convert'.",
        )
    try:
        return read(Reader(content))
    except (
        struct.error, IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise ModelError(
            f"The model {name} is damaged or cut short.",
            why=f"Reading its {len(content):,} bytes failed: {type(error).__name__}: {error}.",
            fix="Copy or convert it again.",
        ) from error


class Reader:
    """The flatbuffer of a ``.tflite`` file.

    Attributes:
        buffer_bytes: Size of each buffer; 0 for tensors that are computed.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.model = schema.Model.GetRootAs(content, 0)
        self.subgraphs = [self.model.Subgraphs(i) for i in range(self.model.SubgraphsLength())]
        if not self.subgraphs:
            raise ValueError("no subgraph")
        self.buffer_bytes = [self._buffer_size(i) for i in range(self.model.BuffersLength())]

    def _buffer_size(self, index: int) -> int:
        buffer = self.model.Buffers(index)
        if buffer.Offset() > 1:  # larger than 2 GiB models keep buffers behind the flatbuffer
            if buffer.Offset() + buffer.Size() > len(self.content):
                raise ValueError(f"buffer {index} ends behind the end of the file")
            return int(buffer.Size())
        data = buffer.DataAsNumpy()
        return 0 if isinstance(data, int) else int(data.nbytes)

    def read(self) -> Graph:
        main = self.subgraphs[0]
        signatures = self._signatures()
        names = self._signature_names(signatures)
        inputs = tuple(self._spec(main, main.Inputs(i), names) for i in range(main.InputsLength()))
        outputs = tuple(self._spec(main, main.Outputs(i), names) for i in range(main.OutputsLength()))
        codes = [self._code(i) for i in range(self.model.OperatorCodesLength())]
        census, roles = self._census(codes)
        integer = sum(op.count for op in census if op.compute in _QUANTIZED)
        counted = integer + sum(op.count for op in census if op.compute in _FLOATS or op.compute == "hybrid")
        used = [(op.name, op.version) for op in census]
        custom = sorted({name for name, _, is_custom in codes if is_custom})
        minimum, unknown = minimum_runtime_version(pair for pair in used if pair[0] not in custom)
        metadata = self._metadata()
        recorded = self._recorded_minimum(metadata)
        silent = PER_CHANNEL_FULLY_CONNECTED if self._has_per_channel_dense(codes) else None
        minimum = max((v for v in (minimum, recorded, silent) if v), key=version_key, default=None)
        by_kind, by_dtype, parameters = self._sizes(roles, metadata)
        in_main, elsewhere = self._variable_tensors(0), any(map(self._variable_tensors, range(1, len(self.subgraphs))))
        unreachable = elsewhere or self._assigns_variables(codes)
        return Graph(
            size_bytes=len(self.content),
            inputs=inputs,
            outputs=outputs,
            ops=tuple(census),
            operators=tuple(self._operators(main, codes)),
            integer_op_fraction=integer / counted if counted else None,
            bytes_by_kind=by_kind,
            weight_bytes_by_dtype=by_dtype,
            parameters=parameters,
            min_runtime_version=minimum,
            recorded_min_runtime_version=recorded,
            unknown_op_versions=tuple(f"{name} v{version}" for name, version in unknown),
            select_tf_ops=tuple(name for name in custom if name.startswith("Flex")),
            custom_ops=tuple(name for name in custom if not name.startswith("Flex")),
            dynamic_tensors=self._dynamic(),
            keeps_state=in_main or unreachable,
            resettable=not unreachable,
            signatures=tuple(signature for signature, _ in signatures),
            metadata=tuple(metadata),
            description=(self.model.Description() or b"").decode(errors="replace"),
            output_meanings=tuple(
                self._output_meaning(main, main.Outputs(i), codes) for i in range(main.OutputsLength())
            ),
            inner_inputs=tuple(
                self._spec(main, self._behind(main, main.Inputs(i), "QUANTIZE", codes), names)
                for i in range(main.InputsLength())
            ),
            inner_outputs=tuple(
                self._spec(main, self._behind(main, main.Outputs(i), "DEQUANTIZE", codes), names)
                for i in range(main.OutputsLength())
            ),
        )

    def _variable_tensors(self, index: int) -> bool:
        subgraph = self.subgraphs[index]
        return any(subgraph.Tensors(i).IsVariable() for i in range(subgraph.TensorsLength()))

    def _assigns_variables(self, codes: list[tuple[str, int, bool]]) -> bool:
        """Whether an inference changes a variable; CALL_ONCE only gives it its first value."""
        assigning, initial = set(), set()
        for index, subgraph in enumerate(self.subgraphs):
            for i in range(subgraph.OperatorsLength()):
                operator = subgraph.Operators(i)
                name = codes[operator.OpcodeIndex()][0]
                if name == "ASSIGN_VARIABLE":
                    assigning.add(index)
                elif name == "CALL_ONCE":
                    options = schema.CallOnceOptions()
                    options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
                    initial.add(options.InitSubgraphIndex())
        return bool(assigning - initial)

    def _behind(self, main: Any, index: int, conversion: str, codes: list[tuple[str, int, bool]]) -> int:
        """Returns the tensor on the other side of a conversion at the edge of the graph, else the tensor itself."""
        for i in range(main.OperatorsLength()):
            operator = main.Operators(i)
            if codes[operator.OpcodeIndex()][0] == conversion and operator.InputsLength() and operator.OutputsLength():
                first, second = operator.Inputs(0), operator.Outputs(0)
                if conversion == "QUANTIZE" and first == index:
                    return int(second)
                if conversion == "DEQUANTIZE" and second == index:
                    return int(first)
        return index

    def float_constants(self) -> dict[int, tuple[str, float]]:
        main, found = self.subgraphs[0], {}
        for index in range(main.TensorsLength()):
            tensor = main.Tensors(index)
            if _DTYPES.get(tensor.Type()) == "float32" and self.buffer_bytes[tensor.Buffer()]:
                largest = float(np.abs(self.constant(tensor)).max())
                found[index] = ((tensor.Name() or b"").decode(errors="replace"), largest)
        return found

    def constant(self, tensor: Any) -> np.ndarray[Any, Any]:
        """Returns the values of a constant tensor, as they are stored."""
        buffer = self.model.Buffers(tensor.Buffer())
        data = (
            self.content[buffer.Offset() : buffer.Offset() + buffer.Size()]
            if buffer.Offset() > 1
            else buffer.DataAsNumpy().tobytes()
        )
        dtype = np.dtype(_DTYPES[tensor.Type()]).newbyteorder("<")
        return np.frombuffer(data, dtype).reshape([tensor.Shape(i) for i in range(tensor.ShapeLength())])

    def operator_name(self, operator: Any) -> str:
        return self._code(operator.OpcodeIndex())[0]

    def _code(self, index: int) -> tuple[str, int, bool]:
        code = self.model.OperatorCodes(index)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if number == schema.BuiltinOperator.CUSTOM:
            return (code.CustomCode() or b"custom").decode(errors="replace"), code.Version(), True
        return _OP_NAMES.get(number, f"BUILTIN_{number}"), code.Version(), False

    def _signatures(self) -> list[tuple[Signature, dict[int, str]]]:
        found = []
        for i in range(self.model.SignatureDefsLength()):
            definition = self.model.SignatureDefs(i)
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

    def _signature_names(self, signatures: list[tuple[Signature, dict[int, str]]]) -> dict[int, str]:
        on_main = [names for _, names in signatures if names]
        return on_main[0] if len(on_main) == 1 else {}

    def _spec(self, subgraph: Any, index: int, names: dict[int, str]) -> TensorSpec:
        tensor = subgraph.Tensors(index)
        parameters = tensor.Quantization()
        quantization = None
        if parameters is not None and parameters.ScaleLength():
            quantization = Quantization(
                scale=tuple(float(parameters.Scale(i)) for i in range(parameters.ScaleLength())),
                zero_point=tuple(int(parameters.ZeroPoint(i)) for i in range(parameters.ZeroPointLength())),
                axis=int(parameters.QuantizedDimension()) if parameters.ScaleLength() > 1 else None,
            )
        return TensorSpec(
            name=names.get(index) or (tensor.Name() or b"").decode(errors="replace"),
            shape=_shape(tensor),
            dtype=_DTYPES.get(tensor.Type(), f"type_{tensor.Type()}"),
            quantization=quantization,
        )

    def _has_per_channel_dense(self, codes: list[tuple[str, int, bool]]) -> bool:
        """Whether a FULLY_CONNECTED on integers has one weight scale a channel."""
        for subgraph in self.subgraphs:
            for i in range(subgraph.OperatorsLength()):
                operator = subgraph.Operators(i)
                if codes[operator.OpcodeIndex()][0] != "FULLY_CONNECTED" or operator.InputsLength() < 2:
                    continue
                values, weights = (subgraph.Tensors(operator.Inputs(j)) for j in range(2))
                quantization = weights.Quantization()
                several = quantization is not None and quantization.ScaleLength() > 1
                if several and _DTYPES.get(values.Type()) in _QUANTIZED:
                    return True
        return False

    def _census(self, codes: list[tuple[str, int, bool]]) -> tuple[list[OpCount], dict[int, str]]:
        """Counts operators by (name, version, compute type) and gives each constant buffer a role."""
        counts: dict[tuple[str, int, str], list[int]] = defaultdict(lambda: [0, 0])
        roles: dict[int, str] = {}
        for subgraph in self.subgraphs:
            for i in range(subgraph.OperatorsLength()):
                operator = subgraph.Operators(i)
                name, version, _ = codes[operator.OpcodeIndex()]
                compute, constants = self._computes(subgraph, operator, name)
                entry = counts[name, version, compute]
                entry[0] += 1
                for j, tensor in constants:
                    if tensor.Buffer() not in roles:
                        roles[tensor.Buffer()] = _role(j, tensor)
                        entry[1] += self.buffer_bytes[tensor.Buffer()]
        census = [OpCount(*key, count=count, weight_bytes=size) for key, (count, size) in counts.items()]
        return sorted(census, key=lambda op: (-op.weight_bytes, -op.count, op.name)), roles

    def _computes(self, subgraph: Any, operator: Any, name: str) -> tuple[str, list[tuple[int, Any]]]:
        """Returns the type that an operator computes in, and the constants that it reads, by their position."""
        activations, constants = [], []
        for j in range(operator.InputsLength()):
            if operator.Inputs(j) < 0:
                continue
            tensor = subgraph.Tensors(operator.Inputs(j))
            if self.buffer_bytes[tensor.Buffer()]:
                constants.append((j, tensor))
            else:
                activations.append(_DTYPES.get(tensor.Type(), "?"))
        for j in range(operator.OutputsLength()):
            activations.append(_DTYPES.get(subgraph.Tensors(operator.Outputs(j)).Type(), "?"))
        return _compute(name, activations, [tensor for _, tensor in constants]), constants

    def _operators(self, main: Any, codes: list[tuple[str, int, bool]]) -> Iterator[Operator]:
        def name(index: int) -> str:
            return (main.Tensors(index).Name() or b"").decode(errors="replace")

        for i in range(main.OperatorsLength()):
            operator = main.Operators(i)
            inputs = [operator.Inputs(j) for j in range(operator.InputsLength()) if operator.Inputs(j) >= 0]
            kind = codes[operator.OpcodeIndex()][0]
            yield Operator(
                name=kind,
                compute=self._computes(main, operator, kind)[0],
                constants=tuple(name(index) for index in inputs if self.buffer_bytes[main.Tensors(index).Buffer()]),
                outputs=tuple(name(operator.Outputs(j)) for j in range(operator.OutputsLength())),
            )

    def _sizes(self, roles: dict[int, str], metadata: dict[str, int]) -> tuple[dict[str, int], dict[str, int], int]:
        by_kind: dict[str, int] = dict.fromkeys(("weights", "biases", "other constants", "metadata"), 0)
        by_dtype: dict[str, int] = defaultdict(int)
        parameters, seen = 0, set()
        for subgraph in self.subgraphs:
            for i in range(subgraph.TensorsLength()):
                tensor = subgraph.Tensors(i)
                index = tensor.Buffer()
                if index in seen or not self.buffer_bytes[index]:
                    continue
                seen.add(index)
                role = roles.get(index, "other constants")
                by_kind[role] += self.buffer_bytes[index]
                if role != "other constants":
                    by_dtype[_DTYPES.get(tensor.Type(), "?")] += self.buffer_bytes[index]
                    parameters += int(np.prod(_shape(tensor), dtype=np.int64))
        by_kind["metadata"] = sum(self.buffer_bytes[i] for i in set(metadata.values()) - seen)
        by_kind["structure"] = len(self.content) - sum(by_kind.values())
        return by_kind, dict(by_dtype), parameters

    def _metadata(self) -> dict[str, int]:
        entries = (self.model.Metadata(i) for i in range(self.model.MetadataLength()))
        return {(e.Name() or b"").decode(errors="replace"): e.Buffer() for e in entries}

    def _recorded_minimum(self, metadata: dict[str, int]) -> str | None:
        if "min_runtime_version" not in metadata:
            return None
        data = self.model.Buffers(metadata["min_runtime_version"]).DataAsNumpy()
        text = b"" if isinstance(data, int) else bytes(data).rstrip(b"\0").strip()
        parts = text.decode(errors="replace").split(".")
        return ".".join(parts) if text and all(part.isdigit() for part in parts) else None

    def _dynamic(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for subgraph in self.subgraphs:
            for i in range(subgraph.TensorsLength()):
                tensor = subgraph.Tensors(i)
                if -1 in _shape(tensor):
                    found[(tensor.Name() or b"").decode(errors="replace")] = None
        return tuple(found)

    def _output_meaning(
        self, main: Any, wanted: int, codes: list[tuple[str, int, bool]]
    ) -> Literal["probabilities", "values"]:
        for i in reversed(range(main.OperatorsLength())):
            operator = main.Operators(i)
            if wanted not in [operator.Outputs(j) for j in range(operator.OutputsLength())]:
                continue
            name = codes[operator.OpcodeIndex()][0]
            if name in _CONVERSIONS | {"RESHAPE", "SQUEEZE"}:
                wanted = operator.Inputs(0)
            else:
                return "probabilities" if name in _PROBABILITY_OPS else "values"
        return "values"


def _shape(tensor: Any) -> tuple[int, ...]:
    if tensor.ShapeSignatureLength():
        return tuple(int(tensor.ShapeSignature(i)) for i in range(tensor.ShapeSignatureLength()))
    return tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))


def _compute(name: str, activations: list[str], constants: list[Any]) -> str:
    if name in _CONVERSIONS:
        return "conversion"
    if name in _SHAPE_ONLY:
        return "index"
    floats = [dtype for dtype in activations if dtype in _FLOATS]
    if floats and name == "CAST":  # says in another type what an integer input or an index is, and computes nothing
        return "conversion"
    if floats:
        weights = {_DTYPES.get(tensor.Type(), "?") for tensor in constants if tensor.ShapeLength() > 1}
        return "hybrid" if weights & _QUANTIZED else floats[0]
    quantized = [dtype for dtype in activations if dtype in _QUANTIZED]
    return max(quantized, key=lambda dtype: dtype == "int16") if quantized else "index"


def _role(position: int, tensor: Any) -> str:
    dtype = _DTYPES.get(tensor.Type(), "?")
    if tensor.ShapeLength() > 1 and (dtype in _FLOATS or dtype in _QUANTIZED):
        return "weights"
    if tensor.ShapeLength() == 1 and position == 2 and dtype in _FLOATS | {"int32", "int64"}:
        return "biases"
    if dtype in _FLOATS or dtype in _QUANTIZED:
        return "weights"
    return "other constants"
