"""Graphs of a shape that litert-quantizer stumbles over, or quantizes in part only: they are set right before and after it."""

import numpy as np
import pytest
from conftest import DATA
from tiny_network import Network

from tflitekit.conversion import convert
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model

pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")

SAMPLES = np.random.default_rng(0).normal(size=(40, 6, 6, 4)).astype(np.float32)


def odd_network():
    """Outputs that operators read, one that is given twice, one that is an input too, and parts that nothing reads."""
    net = Network(1, 6, 6, 4)
    first = net.conv(net.input, "first", 4)
    both = net.concatenate(first, net.conv(net.input, "other", 4), "both")
    second = net.conv(net.conv(both, "second", 4), "third", 4)
    parts = net.split(net.dense(net.reshape(second, "flat", 1, 144), "gates", 32), "parts", 4)
    return net.finish(first, both, second, second, net.input, net.join(parts[0], parts[3], "sums"))


def test_every_output_is_there_and_everything_is_integer(tmp_path):
    path = tmp_path / "float.tflite"
    path.write_bytes(odd_network())
    schemes = ["int8", "int8:io=int8", "int16x8"]
    made = convert(path, schemes=schemes, out=tmp_path / "out", calibration={"input": SAMPLES}).variants
    assert [variant.error for variant in made] == [None] * len(schemes)
    reference = Model(path)
    wanted = reference.run([SAMPLES[:1]])
    for variant in made:
        assert variant.integer_op_fraction == 1
        model = Model(variant.path)
        names = [spec.name for spec in model.outputs]
        assert sorted(names) == sorted(spec.name for spec in reference.outputs)
        values = model.run([SAMPLES[:1]])
        for spec, expected in zip(reference.outputs, wanted, strict=True):
            # Steps of 1/256 of a tensor's range, in up to seven tensors behind each other.
            np.testing.assert_allclose(values[names.index(spec.name)], expected, atol=np.ptp(expected) / 20)


def test_infinite_values_are_no_part_of_a_range(tmp_path):
    net = Network(1, 6, 6, 4)
    conv = net.conv(net.input, "first", 4)
    around = net.tensor("around", [4, 2], [[0, 0], [1, 1], [1, 1], [0, 0]], "int32")
    lowest = net.tensor("lowest", [], -np.inf)
    padded = net.add("PADV2", [conv, around, lowest], [1, 8, 8, 4], "padded", options="PadV2Options")
    pool = {"strideH": 1, "strideW": 1, "filterHeight": 3, "filterWidth": 3, "padding": 1}
    pooled = net.add("MAX_POOL_2D", [padded], [1, 6, 6, 4], "pooled", options="Pool2DOptions", **pool)
    path = tmp_path / "float.tflite"
    path.write_bytes(net.finish(net.conv(pooled, "last", 3)))
    (int8,) = convert(path, schemes=["int8"], out=tmp_path / "out", calibration={"input": SAMPLES}).variants
    assert int8.error is None
    expected = Model(path).run([SAMPLES[:1]])[0]
    np.testing.assert_allclose(Model(int8.path).run([SAMPLES[:1]])[0], expected, atol=np.ptp(expected) / 20)


def test_operators_without_integer_kernels_are_written_with_others(tmp_path):
    net = Network(1, 6, 6, 4)
    first = net.conv(net.input, "first", 8)
    second = net.conv(net.input, "second", 8, activation="NONE")
    shape = net.shape(first)
    apart = net.add("SQUARED_DIFFERENCE", [first, second], shape, "apart", options="SquaredDifferenceOptions")
    negative = net.add("NEG", [apart], shape, "negative", options="NegOptions")
    path = tmp_path / "float.tflite"
    path.write_bytes(net.finish(net.conv(negative, "last", 3)))
    made = convert(path, schemes=["int8", "int16x8"], out=tmp_path / "out", calibration={"input": SAMPLES}).variants
    expected = Model(path).run([SAMPLES[:1]])[0]
    for variant, steps in zip(made, (15, 40), strict=True):  # of 8 bits, and of 16 behind weights of 8
        assert (variant.error, variant.integer_op_fraction) == (None, 1)
        np.testing.assert_allclose(Model(variant.path).run([SAMPLES[:1]])[0], expected, atol=np.ptp(expected) / steps)


def test_weights_that_the_quantizer_stores_behind_the_flatbuffer_are_kept(tmp_path):
    """From 256 KiB on it does."""
    net = Network(1, 520)
    path = tmp_path / "large.tflite"
    path.write_bytes(net.finish(net.dense(net.dense(net.input, "first", 520), "second", 4)))
    x = np.random.default_rng(0).normal(size=(4, 520)).astype(np.float32)
    (made,) = convert(path, schemes=["int8"], calibration={"input": x}, out=tmp_path / "out").variants
    assert made.error is None
    assert read_graph(made.path).weight_bytes_by_dtype["int8"] > 256 * 1024
    assert abs(Model(made.path).run([x[:1]])[0] - Model(path).run([x[:1]])[0]).max() < 1


def test_tables_of_embeddings_are_as_small_as_other_weights(tmp_path):
    path = DATA / "converted" / "tokens" / "float32.tflite"
    tokens = np.load(DATA / "models" / "tokens.npz")["x"]
    schemes = ["float16", "weight_only_int8", "dynamic_int4", "dynamic_range"]
    made = convert(path, schemes=schemes, out=tmp_path).variants
    assert [variant.error for variant in made] == [None] * 4
    kinds = [{op.compute for op in read_graph(variant.path).ops if op.name == "GATHER"} for variant in made]
    assert kinds == [{"float32"}, {"int8"}, {"int8"}, {"float32"}]  # dynamic_range leaves small weights alone
    assert [read_graph(variant.path).weight_bytes_by_dtype.get("float32", 0) for variant in made[:3]] == [0] * 3
    assert any("Weights in int8, not int4: GATHER" in warning for warning in made[2].warnings)
    reference = Model(path)
    expected = np.concatenate([reference.run([row[None]])[0] for row in tokens])
    for variant, steps in zip(made, (500, 50, 5, 1e6), strict=True):
        model = Model(variant.path)
        found = np.concatenate([model.run([row[None]])[0] for row in tokens])
        assert np.abs(found - expected).max() <= np.ptp(expected) / steps


def test_an_input_of_open_size_is_calibrated_and_stays_open(tmp_path):
    path = DATA / "models" / "open.tflite"
    samples = np.random.default_rng(0).normal(size=(20, 6, 8, 3)).astype(np.float32)
    made = convert(path, schemes=["int8", "int16x8"], out=tmp_path, calibration={"image": samples}).variants
    other = np.random.default_rng(1).normal(size=(1, 9, 5, 3)).astype(np.float32)
    for variant in made:
        assert (variant.error, variant.contract.inputs[0].shape) == (None, (-1, -1, -1, 3))
        for values in (samples[:1], other):
            expected = Model(path).run([values])[0]
            np.testing.assert_allclose(Model(variant.path).run([values])[0], expected, atol=np.ptp(expected) / 20)
