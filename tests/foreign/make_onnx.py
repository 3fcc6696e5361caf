"""Runs in the environment of ONNX: makes one small network of each kind, and samples with what ONNX Runtime says of them.

python make_onnx.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, numpy_helper
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from sure_samples import random_samples, write_samples

CLASSES = 3


def model(nodes, inputs, outputs, weights, **constants):
    """Returns a model with random weights of these shapes; those that begin with ``b`` are small, as biases are."""
    random = np.random.default_rng(0)
    arrays = {
        name: (random.standard_normal(shape) * (0.1 if name[0] == "b" else shape[-1] ** -0.5)).astype(np.float32)
        for name, shape in weights.items()
    }
    arrays["bias"] = np.zeros(CLASSES, np.float32)
    arrays |= {name: np.asarray(value) for name, value in constants.items()}
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    ends = [[make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in end.items()] for end in (inputs, outputs)]  # fmt: skip
    made = make_model(make_graph(nodes, "network", *ends, tensors), opset_imports=[make_opsetid("", 17)])
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made


def convolution():
    """Batch, height and width are open, as exports of detectors leave them; a map beside the scores."""
    nodes = [
        make_node("Conv", ["picture", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        make_node("Relu", ["c1"], ["r1"]),
        make_node("Conv", ["r1", "wd", "bd"], ["c2"], pads=[1, 1, 1, 1], group=8),
        make_node("Relu", ["c2"], ["r2"]),
        make_node("Conv", ["r2", "w3", "b3"], ["features"]),
        make_node("Flatten", ["features"], ["flat"]),
        make_node("Gemm", ["flat", "head", "bias"], ["scores"]),
    ]
    weights = {
        "w1": (8, 3, 3, 3), "b1": (8,), "wd": (8, 1, 3, 3), "bd": (8,), "w3": (5, 8, 1, 1), "b3": (5,), "head": (5 * 8 * 8, CLASSES),
    }  # fmt: skip
    inputs, outputs = {"picture": ["n", 3, "h", "w"]}, {"scores": ["n", CLASSES], "features": ["n", 5, "h2", "w2"]}
    return model(nodes, inputs, outputs, weights), (3, 16, 16)


def recurrent():
    """An LSTM as PyTorch exports it: time first, states given, the last step taken."""
    nodes = [
        make_node("Transpose", ["sequence"], ["steps"], perm=[1, 0, 2]),
        make_node("LSTM", ["steps", "w", "r", "b", "", "zero", "zero"], ["all"], hidden_size=8),
        make_node("Squeeze", ["all", "direction"], ["states"]),
        make_node("Gather", ["states", "last"], ["state"], axis=0),
        make_node("Gemm", ["state", "head", "bias"], ["scores"]),
    ]
    weights = {"w": (1, 32, 6), "r": (1, 32, 8), "b": (1, 64), "head": (8, CLASSES)}
    constants = {"zero": np.zeros((1, 1, 8), np.float32), "direction": [1], "last": -1}
    return model(nodes, {"sequence": [1, 10, 6]}, {"scores": [1, CLASSES]}, weights, **constants), (10, 6)


def transformer():
    """One head of attention, a residual, layer normalization and two dense layers."""
    nodes = [
        *(make_node("MatMul", ["tokens", f"w{name}"], [name]) for name in "qkv"),
        make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        make_node("MatMul", ["q", "kt"], ["products"]),
        make_node("Softmax", ["products"], ["weights"], axis=-1),
        make_node("MatMul", ["weights", "v"], ["attended"]),
        make_node("Add", ["attended", "tokens"], ["sum"]),
        make_node("LayerNormalization", ["sum", "gain", "b1"], ["normal"], axis=-1),
        make_node("MatMul", ["normal", "w1"], ["wide"]),
        make_node("Relu", ["wide"], ["positive"]),
        make_node("MatMul", ["positive", "w2"], ["narrow"]),
        make_node("Add", ["narrow", "normal"], ["block"]),
        make_node("ReduceMean", ["block"], ["pooled"], axes=[1], keepdims=0),
        make_node("Gemm", ["pooled", "head", "bias"], ["scores"]),
    ]
    weights = {
        "wq": (16, 16), "wk": (16, 16), "wv": (16, 16), "gain": (16,), "b1": (16,), "w1": (16, 32), "w2": (32, 16), "head": (16, CLASSES),
    }  # fmt: skip
    return model(nodes, {"tokens": [1, 12, 16]}, {"scores": [1, CLASSES]}, weights), (12, 16)


def scores(network, samples):
    session = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    (name,) = (value.name for value in session.get_inputs())
    return np.concatenate([session.run(["scores"], {name: sample[None]})[0] for sample in samples])


def main(folder):
    for build in (convolution, recurrent, transformer):
        network, shape = build()
        samples = random_samples(shape)
        found = scores(network, samples)
        (bias,) = (tensor for tensor in network.graph.initializer if tensor.name == "bias")
        bias.CopyFrom(numpy_helper.from_array(-found.mean(0), "bias"))  # no class is preferred
        write_samples(folder / build.__name__, samples, scores(network, samples))
        onnx.save(network, folder / f"{build.__name__}.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
