"""Layers of ONNX and PyTorch models keep their names: what the converters recorded here left, and what must not be guessed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from conftest import run_json
from conversions import read_answer
from test_foreign import DATA, hand_out

from tflitekit.source.foreign.names import named_as_original
from tflitekit.tflite.graph import parse_graph
from tflitekit.tflite.layers import layer_names
from tflitekit.tflite.rename import with_names


@pytest.fixture
def left(tmp_path):
    """Returns a folder as a converter leaves it, by its name."""

    def of(name):
        return shutil.copytree(DATA / name, tmp_path / name)

    return of


def named(folder):
    """Returns the layers, and for each operator what it is, its layer and the tensor that it writes."""
    answer = read_answer(folder)
    names = {f"in{i}": spec.name for i, spec in enumerate(answer.inputs)}
    names |= {f"out{i}": name for i, name in enumerate(answer.outputs)}
    content = with_names((folder / "model.tflite").read_bytes(), names)
    content, layers = named_as_original(content, folder, [spec.name for spec in answer.inputs])
    graph = parse_graph(content, "named.tflite")
    shown = layer_names(graph.operators, layers)
    return layers, [
        (operator.name, layer, operator.outputs[0]) for operator, layer in zip(graph.operators, shown, strict=True)
    ]


def change_nodes(folder, change):
    path = folder / "nodes.json"
    nodes = json.loads(path.read_text())
    change(nodes)
    path.write_text(json.dumps(nodes))


def test_nodes_of_onnx_with_what_was_fused_into_them(left):
    layers, operators = named(left("onnx-conv"))
    assert layers == ("Conv c", "Conv map/out", "GlobalAveragePool g", "Gemm scores")
    assert operators == [
        ("PAD", "Conv c", "Conv c/1"),
        ("CONV_2D", "Conv c", "Conv c"),  # a batch normalization and a ReLU are in it
        ("CONV_2D", "Conv map/out", "map/out"),
        ("MEAN", "GlobalAveragePool g", "GlobalAveragePool g"),
        ("FULLY_CONNECTED", "Gemm scores", "scores"),
    ]


def test_modules_of_pytorch_with_what_they_were_split_into(left):
    layers, operators = named(left("torch-attention"))
    assert layers == (
        "t.self_attn", "t", "t.norm1", "t.linear1", "t.linear2", "t.norm2", "mean", "f",
    )  # fmt: skip
    assert [layer for kind, layer, _ in operators if kind == "FULLY_CONNECTED"] == [
        "t.self_attn", "t.self_attn", "t.linear1", "t.linear2", "f",
    ]  # fmt: skip
    assert [layer for kind, layer, _ in operators if kind == "SQUARED_DIFFERENCE"] == ["t.norm1", "t.norm2"]
    assert ("SOFTMAX", "t.self_attn") in [found[:2] for found in operators]
    assert len({tensor for *_, tensor in operators}) == len(operators)


@pytest.mark.parametrize(
    ("name", "kind", "layer"),
    [
        ("onnx-lstm", "WHILE", "LSTM y"),
        ("onnx-lstm", "RESHAPE", "Transpose t"),
        ("onnx-attention", "RSQRT", "LayerNormalization ln"),
        ("torch-conv", "TRANSPOSE", "d"),
    ],
)
def test_every_operator_has_its_layer(left, name, kind, layer):
    _, operators = named(left(name))
    assert all(shown for _, shown, _ in operators)
    assert [shown for found, shown, _ in operators if found == kind] == [layer]


def test_values_of_another_model_name_nothing(left):
    folder = left("onnx-conv")
    with np.load(folder / "reference.npz") as arrays:
        changed = {name: value + 0.1 if "/in/" in name else value for name, value in arrays.items()}
    np.savez(folder / "reference.npz", **changed)
    layers, operators = named(folder)
    assert layers == ()
    assert operators[0][2] == "model_3/tf.compat.v1.pad/Pad"


def test_of_two_nodes_that_compute_the_same_neither_is_named(left):
    folder = left("onnx-conv")

    def add_twin(nodes):
        (pooled,) = (node for node in nodes if node["layer"] == "GlobalAveragePool g")
        nodes.append(pooled | {"value": "twin", "layer": "Twin"})

    change_nodes(folder, add_twin)
    _, operators = named(folder)
    assert [found[1] for found in operators] == ["Conv c", "Conv c", "Conv map/out", "Gemm scores", "Gemm scores"]


def test_what_moves_a_value_is_no_twin_of_what_computed_it(left):
    folder = left("onnx-conv")

    def add_reshape(nodes):
        (pooled,) = (node for node in nodes if node["layer"] == "GlobalAveragePool g")
        nodes.append(pooled | {"value": "flat", "layer": "Flatten", "reads": [pooled["value"]]})

    change_nodes(folder, add_reshape)
    assert ("MEAN", "GlobalAveragePool g", "GlobalAveragePool g") in named(folder)[1]


def test_between_two_layers_with_weights_nothing_is_guessed(left):
    folder = left("onnx-conv")

    def forget(
        nodes,
    ):  # as where a scale went from one layer into the next, and the value between them is no longer there
        for node in nodes:
            if node["layer"] and not node["weights"]:
                node["signatures"] = [None, None]
            if node["layer"] == "Conv c":
                node["signatures"] = [None, None]

    change_nodes(folder, forget)
    layers, operators = named(folder)
    assert [found[1] for found in operators] == ["", "", "Conv map/out", "Gemm scores", "Gemm scores"]
    assert operators[0][2] == "model_3/tf.compat.v1.pad/Pad"
    assert "Conv c" not in layers


def test_names_from_the_original_to_the_explanation(tmp_path, cli):
    python = hand_out(tmp_path, "onnx", DATA / "onnx-conv")
    data, out = tmp_path / "data.npz", tmp_path / "out"
    np.savez(data, **{"picture:0": np.random.default_rng(0).standard_normal((16, 16, 16, 3)).astype(np.float32)})
    converted = run_json(cli(
        "convert", DATA / "conv.onnx", "--with", python, "--scheme", "float32,int8", "--calibration", data, "--preprocess", "raw",
        "--out", out, "--json",
    ))  # fmt: skip
    assert converted["variants"][1]["layers"] == ["Conv c", "Conv map/out", "GlobalAveragePool g", "Gemm scores"]
    found = run_json(cli("explain", out / "int8.tflite", "--data", data, "--json"))
    assert [layer["layer"] for layer in found["layers"]] == [
        "picture:0", "Conv c", "Conv c", "Conv map/out", "GlobalAveragePool g", "Gemm scores",
    ]  # fmt: skip
