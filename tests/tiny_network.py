"""Builds small ``.tflite`` networks operator by operator, with random weights and without a conversion."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflitekit.tflite.flatbuffer import pack

KINDS = {"float32": np.float32, "int32": np.int32, "float16": np.float16, "uint8": np.uint8}


class Network:
    """A graph that grows operator by operator; each method returns the index of a tensor."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self._model, self._graph = schema.ModelT(), schema.SubGraphT()
        self._model.buffers, self._model.operatorCodes = [schema.BufferT()], []
        self._graph.tensors, self._graph.operators = [], []
        self.input = self.tensor("input", shape)

    def tensor(self, name: str, shape, values=None, kind: str = "float32") -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), getattr(schema.TensorType, kind.upper()), 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(values, KINDS[kind]).tobytes(), np.uint8)
            self._model.buffers.append(buffer)
            made.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(made)
        return len(self._graph.tensors) - 1

    def weights(self, *shape: int, spread: float = 1.0) -> int:
        """A constant whose values have heavy tails, so that rounding to nearest is far from the best."""
        values = self.random.standard_t(4, size=shape) * spread / np.sqrt(max(1, np.prod(shape[1:])))
        return self.tensor(f"weights{len(self._graph.tensors)}", shape, values)

    def retype(self, tensor: int, *, kind: str, scale: float | None = None, zero_point: int = 0) -> int:
        """Makes a tensor one of another type, quantized where a scale is given."""
        changed = self._graph.tensors[tensor]
        changed.type = getattr(schema.TensorType, kind.upper())
        if scale is not None:
            changed.quantization = schema.QuantizationParametersT()
            changed.quantization.scale, changed.quantization.zeroPoint = [scale], [zero_point]
        return tensor

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self._graph.tensors[tensor].shape)

    def share_buffer(self, tensor: int, other: int) -> int:
        """Makes a tensor's content that of another, as converters do where both are equal."""
        self._graph.tensors[tensor].buffer = self._graph.tensors[other].buffer
        return tensor

    def add(self, kind: str, inputs, shape, name: str, **options) -> int:
        """Adds an operator whose options are those of the schema; ``options`` without content takes their defaults."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(127, code.builtinCode), 1
        self._model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs = len(self._model.operatorCodes) - 1, list(inputs)
        operator.outputs = [self.tensor(name, shape)]
        class_name = options.pop("options", None)
        if class_name:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, class_name)
            operator.builtinOptions = getattr(schema, f"{class_name}T")()
            for option, value in options.items():
                setattr(operator.builtinOptions, option, value)
        self._graph.operators.append(operator)
        return operator.outputs[0]

    def add_custom(self, name: str, inputs, shapes, options: bytes) -> list[int]:
        """Adds a custom operator with an output of each shape, named as TensorFlow names several."""
        self.add("CUSTOM", inputs, shapes[0], name)
        self._model.operatorCodes[-1].customCode = name
        operator = self._graph.operators[-1]
        operator.customOptions = np.frombuffer(options, np.uint8)
        operator.outputs += [self.tensor(f"{name}:{i}", shape) for i, shape in enumerate(shapes[1:], start=1)]
        return operator.outputs

    def conv(self, source: int, name: str, outputs: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1, groups: int = 1, bias=None, weights=None, activation: str = "RELU", padding: str = "SAME") -> int:  # fmt: skip
        batch, height, width, channels = self.shape(source)
        if weights is None:
            weights = self.weights(outputs, kernel, kernel, channels // groups)
        reach = (kernel - 1) * dilation if padding == "VALID" else 0
        size = [-(-(height - reach) // stride), -(-(width - reach) // stride)]
        return self.add(
            "CONV_2D", [source, weights, self.weights(outputs) if bias is None else bias], [batch, *size, outputs], name,
            options="Conv2DOptions", strideH=stride, strideW=stride, dilationHFactor=dilation, dilationWFactor=dilation,
            padding=getattr(schema.Padding, padding), fusedActivationFunction=getattr(schema.ActivationFunctionType, activation),
        )  # fmt: skip

    def depthwise(self, source: int, name: str, multiplier: int, *, stride: int = 1) -> int:
        batch, height, width, channels = self.shape(source)
        outputs = channels * multiplier
        return self.add(
            "DEPTHWISE_CONV_2D", [source, self.weights(1, 3, 3, outputs, spread=3.0), self.weights(outputs)],
            [batch, -(-height // stride), -(-width // stride), outputs], name, options="DepthwiseConv2DOptions",
            strideH=stride, strideW=stride, depthMultiplier=multiplier, padding=schema.Padding.SAME,
            dilationHFactor=1, dilationWFactor=1, fusedActivationFunction=schema.ActivationFunctionType.RELU6,
        )  # fmt: skip

    def transposed(self, source: int, name: str, outputs: int, padding: str = "SAME") -> int:
        batch, height, width, channels = self.shape(source)
        beyond = 1 if padding == "VALID" else 0
        size = [batch, 2 * height + beyond, 2 * width + beyond, outputs]
        return self.add(
            "TRANSPOSE_CONV",
            [self.tensor(f"{name}/shape", [4], size, "int32"), self.weights(outputs, 3, 3, channels), source],
            size, name, options="TransposeConvOptions", strideH=2, strideW=2, padding=getattr(schema.Padding, padding),
        )  # fmt: skip

    def dense(self, source: int, name: str, outputs: int, *, weights=None, bias: bool = True) -> int:
        shape = self.shape(source)
        if weights is None:
            weights = self.weights(outputs, shape[-1])
        inputs = [source, weights, self.weights(outputs) if bias else -1]
        return self.add("FULLY_CONNECTED", inputs, [*shape[:-1], outputs], name, options="FullyConnectedOptions", keepNumDims=True)  # fmt: skip

    def matmul(self, source: int, name: str, outputs: int, *, transposed: bool = False) -> int:
        shape = self.shape(source)
        weights = self.weights(*((outputs, shape[-1]) if transposed else (shape[-1], outputs)))
        return self.add("BATCH_MATMUL", [source, weights], [*shape[:-1], outputs], name, options="BatchMatMulOptions", adjY=transposed)  # fmt: skip

    def reshape(self, source: int, name: str, *shape: int) -> int:
        target = self.tensor(f"{name}/shape", [len(shape)], shape, "int32")
        return self.add("RESHAPE", [source, target], shape, name)

    def transpose(self, source: int, name: str, *order: int) -> int:
        shape, target = self.shape(source), self.tensor(f"{name}/order", [len(order)], order, "int32")
        return self.add(
            "TRANSPOSE", [source, target], [shape[axis] for axis in order], name, options="TransposeOptions"
        )

    def join(self, first: int, second: int, name: str) -> int:
        """Adds two tensors."""
        return self.add("ADD", [first, second], self.shape(first), name, options="AddOptions")

    def concatenate(self, first: int, second: int, name: str, axis: int = -1) -> int:
        shape, axis = list(self.shape(first)), axis % len(self.shape(first))
        shape[axis] += self.shape(second)[axis]
        return self.add("CONCATENATION", [first, second], shape, name, options="ConcatenationOptions", axis=axis)

    def split(self, source: int, name: str, count: int) -> list[int]:
        """Parts the last dimension."""
        shape = self.shape(source)
        axis, parted = self.tensor(f"{name}/axis", [], len(shape) - 1, "int32"), [*shape[:-1], shape[-1] // count]
        first = self.add("SPLIT", [axis, source], parted, f"{name}:0", options="SplitOptions", numSplits=count)
        others = [self.tensor(f"{name}:{i}", parted) for i in range(1, count)]
        self._graph.operators[-1].outputs += others
        return [first, *others]

    def finish(self, *outputs: int) -> bytes:
        self._graph.inputs, self._graph.outputs = [self.input], list(outputs)
        self._model.version, self._model.subgraphs = 3, [self._graph]
        return pack(self._model)
