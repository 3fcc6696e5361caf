"""Runs in the environment 'tflm': prints for each operator of the schema whether the interpreter for microcontrollers has it."""

import json
import os

import flatbuffers
from tflite_micro.python.tflite_micro.runtime import Interpreter
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema


def model(code: int) -> bytes:
    """A model of one operator without inputs and outputs."""
    made, graph, tensor = schema.ModelT(), schema.SubGraphT(), schema.TensorT()
    operator, known = schema.OperatorT(), schema.OperatorCodeT()
    tensor.shape, tensor.type, tensor.name, tensor.buffer = [1], schema.TensorType.FLOAT32, "x", 0
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [], []
    known.builtinCode, known.deprecatedBuiltinCode, known.version = code, min(127, code), 1
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [tensor], [0], [0], [operator]
    made.version, made.buffers, made.operatorCodes, made.subgraphs = 3, [schema.BufferT()], [known], [graph]
    builder = flatbuffers.Builder()
    builder.Finish(made.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def has(code: int) -> bool:
    """Looks in a process of its own, which may crash: nothing else of the model is right."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write, 2)
        try:
            Interpreter.from_bytes(model(code), arena_size=100_000)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as words:
        said = words.read()
    os.waitpid(child, 0)
    return b"Didn't find op" not in said


codes = {
    name: code for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_") and name != "CUSTOM"
}
print(json.dumps({name: has(code) for name, code in codes.items()}))
