"""Which weights litert-quantizer is told to store in which type."""

import pytest
from tiny_network import Network

from tflitekit.conversion import convert
from tflitekit.engines.weighted import exceptions
from tflitekit.schemes import Recipe
from tflitekit.tflite.graph import read_graph


def branches():
    """Two first layers and two last ones, of which one has the weights of a layer between."""
    net = Network(1, 8, 8, 16)
    left, right = net.conv(net.input, "left", 128), net.conv(net.input, "right", 16, 1)
    deep = net.depthwise(left, "deep", 1)
    shared = net.weights(32, 1, 1, 32)
    joined = net.conv(net.concatenate(net.conv(deep, "narrow", 16), right, "both"), "joined", 32, 1, weights=shared)
    middle = net.conv(joined, "middle", 32)
    return net.finish(net.conv(middle, "last", 32, 1, weights=shared), net.conv(joined, "other", 4))


def test_first_and_last_layers_and_whoever_shares_their_weights():
    found = exceptions(branches(), Recipe(weights="int4", first_last="int8"))
    assert set(found.int8) == {"left", "right", "last", "joined", "other"}
    assert found.floats == ()
    assert exceptions(branches(), Recipe(weights="int4")) == exceptions(branches(), Recipe(weights="int8"))


def test_small_weights_stay_float():
    assert set(exceptions(branches(), Recipe(weights="int8", smallest=1024)).floats) == {"right"}
    assert set(exceptions(branches(), Recipe(weights="int8", smallest=1025)).floats) == {"right", "joined", "last"}


def test_files_follow(tmp_path):
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")
    path = tmp_path / "float.tflite"
    path.write_bytes(branches())
    schemes = ["dynamic_range", "dynamic_int4:first_last=int8"]
    dynamic_range, int4 = convert(path, schemes=schemes, out=tmp_path / "out").variants
    assert (dynamic_range.error, int4.error) == (None, None)
    computed = {(op.name, op.compute): op.count for op in read_graph(dynamic_range.path).ops}
    # On float activations, with int8 weights: the kernel that quantizes them on the fly is slower and less accurate.
    assert computed["DEPTHWISE_CONV_2D", "float32"] == 1
    assert (computed["CONV_2D", "hybrid"], computed["CONV_2D", "float32"]) == (6, 1)
    depthwise = 3 * 3 * 128
    stored = read_graph(int4.path).weight_bytes_by_dtype
    assert stored["int4"] == (16 * 9 * 128 + 32 * 9 * 32) // 2
    assert stored["int8"] == 128 * 9 * 16 + 16 * 16 + 32 * 32 + 4 * 9 * 32 + depthwise
    assert any(text.startswith("Weights in int8, not int4: ") and "DEPTHWISE_CONV_2D" in text for text in int4.warnings)
