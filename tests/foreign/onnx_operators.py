"""Runs in the environment of ONNX: makes networks of a few operators each, and converts them as the kit does, all in one process.

python onnx_operators.py SCRIPTS FOLDER
"""

import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, sys.argv[1])
import convert_onnx
from answering import Refusal

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
PICTURE = {"x": (1, 3, 8, 8)}
NETWORKS = {}


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs.split(" "), outputs.split(" "), **attributes)


def network(name, nodes, inputs, outputs, weights=None, *, opset=17, domain=None, kind=FLOAT, **constants):
    """Adds a network; the shapes of weights are drawn, constants are as they are, and a type stands behind its shape."""
    random = np.random.default_rng(0)
    dtype = np.float16 if kind == TensorProto.FLOAT16 else np.float32
    arrays = {key: (random.standard_normal(shape) * 0.3).astype(dtype) for key, shape in (weights or {}).items()}
    arrays |= {key: np.asarray(value) for key, value in constants.items()}
    ends = [
        [
            helper.make_tensor_value_info(key, *((shape[1], shape[0]) if isinstance(shape, list) else (kind, shape)))
            for key, shape in end.items()
        ]
        for end in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, name, *ends, [numpy_helper.from_array(v, k) for k, v in arrays.items()])
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    NETWORKS[name] = helper.make_model(graph, opset_imports=opsets, ir_version=9)


def recurrent(kind, gates, directions=1):
    more = {"direction": "bidirectional"} if directions == 2 else {}
    network(
        f"{kind.lower()}-{directions}",
        [node("Transpose", "x", "t", perm=[1, 0, 2]), node(kind, "t W R B", "y h", hidden_size=8, **more)],
        {"x": (1, 10, 6)}, {"y": (10, directions, 1, 8), "h": (directions, 1, 8)},
        {"W": (directions, gates * 8, 6), "R": (directions, gates * 8, 8), "B": (directions, 2 * gates * 8)},
    )  # fmt: skip


def gelu(name, *factors):
    scaled = [node("Div", "x root", "s"), node("Erf", "s", "e"), node("Add", "e one", "p")]
    constants = {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)}
    network(name, [*scaled, *factors], {"x": (1, 6, 8)}, {"y": (1, 6, 8)}, **constants)


for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    recurrent(kind, gates)
recurrent("LSTM", 4, 2)
gelu("gelu-late", node("Mul", "x p", "m"), node("Mul", "m half", "y"))
gelu("gelu-early", node("Mul", "x half", "m"), node("Mul", "m p", "y"))
gelu("erf", node("Identity", "p", "y"))
convolution = [node("Conv", "x w", "c", pads=[1, 1, 1, 1]), node("Relu", "c", "y")]
network("float16", convolution, PICTURE, {"y": (1, 4, 8, 8)}, {"w": (4, 3, 3, 3)}, kind=TensorProto.FLOAT16)
network("latent", convolution, {"x": (1, 5, 8, 8)}, {"y": (1, 4, 8, 8)}, {"w": (4, 5, 3, 3)})
network(
    "convolution-1d", [node("Conv", "x w", "y", pads=[1, 1])], {"x": (1, 8, 20)}, {"y": (1, 8, 20)}, {"w": (8, 8, 3)}
)
network(
    "convolution-3d",
    [node("Conv", "x w", "y", pads=[1] * 6)],
    {"x": (1, 2, 6, 6, 6)},
    {"y": (1, 3, 6, 6, 6)},
    {"w": (3, 2, 3, 3, 3)},
)
network(
    "transposed",
    [node("ConvTranspose", "x w", "y", strides=[2, 2], pads=[1] * 4, output_padding=[1, 1])],
    PICTURE,
    {"y": (1, 4, 16, 16)},
    {"w": (3, 4, 3, 3)},
)
network(
    "depthwise",
    [node("Conv", "x w", "c", group=3, pads=[1] * 4, strides=[2, 2]), node("HardSwish", "c", "y")],
    PICTURE,
    {"y": (1, 3, 4, 4)},
    {"w": (3, 1, 3, 3)},
)
network(
    "resize", [node("Resize", "x  s", "y", mode="linear")], PICTURE, {"y": (1, 3, 16, 16)}, s=np.float32([1, 1, 2, 2])
)
network(
    "reflection", [node("Pad", "x p", "y", mode="reflect")], PICTURE, {"y": (1, 3, 10, 10)}, p=[0, 0, 1, 1, 0, 0, 1, 1]
)
network(
    "normalization",
    [node("LayerNormalization", "x g b", "y")],
    {"x": (1, 6, 8)},
    {"y": (1, 6, 8)},
    {"g": (8,), "b": (8,)},
)
network(
    "einsum",
    [node("Einsum", "x k", "y", equation="bhid,bhjd->bhij")],
    {"x": (1, 2, 5, 4), "k": (1, 2, 5, 4)},
    {"y": (1, 2, 5, 5)},
)
network("top", [node("TopK", "x k", "v i")], {"x": (1, 20)}, {"v": (1, 5), "i": [(1, 5), INT64]}, k=[5])
network(
    "tokens",
    [node("Gather", "table ids", "e"), node("Cast", "mask", "m", to=FLOAT), node("Unsqueeze", "m axis", "u"), node("Mul", "e u", "y"),
     node("ReduceSum", "y all", "total", keepdims=0)],
    {"ids": [(1, 7), INT64], "mask": [(1, 7), TensorProto.BOOL]}, {"y": (1, 7, 8), "total": ()}, {"table": (50, 8)}, axis=[-1], all=[0, 1, 2],
)  # fmt: skip
network(
    "names",
    [node("Add", "a:b a_b", "o/1"), node("Relu", "o/1", "マスク")],
    {"a:b": (1, 4), "a_b": (1, 4)},
    {"o/1": (1, 4), "マスク": (1, 4)},
)
network(
    "pixels",
    [node("Cast", "x", "f", to=FLOAT), node("Conv", "f w", "y")],
    {"x": [(1, 3, 8, 8), TensorProto.UINT8]},
    {"y": (1, 4, 6, 6)},
    {"w": (4, 3, 3, 3)},
)
for opset in (9, 13, 21):
    network(f"opset-{opset}", convolution, PICTURE, {"y": (1, 4, 8, 8)}, {"w": (4, 3, 3, 3)}, opset=opset)
network(
    "determinant",
    [node("Relu", "x", "r"), node("Det", "r", "d", name="head/det"), node("Relu", "d", "y")],
    {"x": (1, 3, 3)},
    {"y": (1,)},
)
network(
    "quantized",
    [node("QuantizeLinear", "x s z", "q", name="first"), node("DequantizeLinear", "q s z", "y")],
    {"x": (1, 4)},
    {"y": (1, 4)},
    s=np.float32(0.1),
    z=np.int8(0),
)
network(
    "custom",
    [helper.make_node("Mine", ["x"], ["y"], name="layer/mine", domain="my.own")],
    {"x": (1, 4)},
    {"y": (1, 4)},
    domain="my.own",
)


def drawn(described):
    random = np.random.default_rng(1)
    shape, dtype = described["shape"], np.dtype(described["dtype"])
    return (
        random.standard_normal(shape).astype(dtype) if dtype.kind == "f" else random.integers(0, 2, shape).astype(dtype)
    )


def convert(model, folder):
    folder.mkdir(parents=True)
    path = folder / "model.onnx"
    onnx.save(model, path)
    request = {"model": str(path), "batch": 1, "input_shapes": {}, "layout": "auto"}
    try:
        described = convert_onnx.convert(request | {"task": "describe"}, folder)
        np.savez(
            folder / "samples.npz", **{f"0/in/{place}": drawn(one) for place, one in enumerate(described["inputs"])}
        )
        found = convert_onnx.convert(request | {"task": "convert"}, folder)
    except Refusal as refusal:
        found = {"refused": refusal.words}
    (folder / "answer.json").write_text(json.dumps({"protocol": 1, **found}))


if __name__ == "__main__":
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        for name, model in NETWORKS.items():
            convert(model, Path(sys.argv[2]) / name)
