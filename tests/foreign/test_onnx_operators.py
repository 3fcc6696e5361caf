"""Small ONNX networks of many operators: each is converted for real and computes what it did, or is refused in a sentence."""

import os
import subprocess
from pathlib import Path

import pytest
from conversions import compared, read_answer

from tflitekit.environments import find_environment
from tflitekit.source.foreign.converters import SCRIPTS
from tflitekit.tflite.graph import read_graph

EQUAL = (
    "lstm-1", "gru-1", "rnn-1", "lstm-2", "gelu-late", "gelu-early", "erf", "float16", "latent", "convolution-1d", "convolution-3d",
    "transposed", "depthwise", "resize", "reflection", "normalization", "einsum", "top", "tokens", "names", "pixels", "opset-9", "opset-13", "opset-21",
)  # fmt: skip
REFUSED = {
    "determinant": "TensorFlow Lite has no operator for Det ('head/det').",
    "quantized": "is already quantized: it has DequantizeLinear ('y'), QuantizeLinear ('first').",
    "custom": "has operators of its own: my.own::Mine ('layer/mine').",
}


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    """The folder of all conversions."""
    environment = find_environment("onnx")
    if environment.status().state != "ready":
        absent = "The environment for ONNX is not ready: bash scripts/test_foreign.sh onnx"
        (pytest.fail if os.environ.get("CI", "").lower() == "true" else pytest.skip)(absent)
    folder = tmp_path_factory.mktemp("networks")
    script = Path(__file__).with_name("onnx_operators.py")
    subprocess.run([environment.python, "-E", script, SCRIPTS, folder], check=True)
    return folder


@pytest.mark.parametrize("name", EQUAL)
def test_networks_that_compute_the_same(onnx, name):
    answer = read_answer(onnx / name)
    assert answer.refused is None
    found = compared(onnx / name)
    assert found.samples == 1 and found.relative < 1e-5  # the same sums in another order
    if name.startswith("gelu"):
        assert [op.name for op in read_graph(onnx / name / "model.tflite").ops] == ["GELU"]


@pytest.mark.parametrize("name", REFUSED)
def test_networks_that_are_refused(onnx, name):
    assert read_answer(onnx / name).refused.what.endswith(REFUSED[name])
