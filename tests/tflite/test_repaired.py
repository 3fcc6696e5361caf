"""Searches for the smallest change that repairs a quantized file, on small networks that the runtime runs."""

import importlib.util

import numpy as np
import pytest
from tiny_network import Network

from tflitekit import ConvertOptions
from tflitekit.conversion import convert
from tflitekit.core.errors import UsageError
from tflitekit.engines.clipping import narrowed
from tflitekit.engines.equalization import equalized
from tflitekit.engines.ranges import measure_ranges
from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.schemes import parse_request
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model

quantizer = pytest.mark.skipif(
    importlib.util.find_spec("litert_quantizer") is None, reason="litert-quantizer is not installed: '.[quantize]'"
)
SAMPLES = np.random.default_rng(0).normal(size=(232, 8, 8, 3)).astype(np.float32)
CALIBRATED, UNSEEN = 100, SAMPLES[-32:]


def detector():
    """Boxes to a few hundred and scores from 0 to 1 in one output."""
    net = Network(1, 8, 8, 3)
    hidden = net.conv(net.conv(net.input, "first", 8), "second", 8, stride=2)
    large, small = (net.random.normal(size=(count, 1, 1, 8)) * size for count, size in ((4, 60), (3, 0.2)))
    boxes = net.conv(hidden, "boxes", 4, 1, activation="NONE", weights=net.tensor("of_boxes", (4, 1, 1, 8), large))
    scores = net.conv(hidden, "scores", 3, 1, activation="NONE", weights=net.tensor("of_scores", (3, 1, 1, 8), small))
    probabilities = net.add("LOGISTIC", [scores], net.shape(scores), "probabilities")
    return net.finish(net.concatenate(boxes, probabilities, "both"))


def classifier(factors):
    """Channels between two layers are multiplied by these factors and divided by them again."""
    net = Network(1, 8, 8, 3)
    draw = net.random.normal
    first = draw(size=(8, 3, 3, 3)) * 0.4 * factors[:, None, None, None]
    bias = net.tensor("bias", (8,), draw(size=8) * 0.1 * factors)
    hidden = net.conv(net.input, "first", 8, weights=net.tensor("to", (8, 3, 3, 3), first), bias=bias)
    back = net.tensor("from", (8, 3, 3, 8), draw(size=(8, 3, 3, 8)) * 0.2 / factors)
    flat = net.reshape(net.conv(hidden, "second", 8, stride=2, weights=back), "flat", 1, 128)
    last = net.tensor("last", (4, 128), draw(size=(4, 128)) * 0.15)
    scores = net.dense(flat, "scores", 4, weights=last)
    return net.finish(net.add("SOFTMAX", [scores], net.shape(scores), "classes", options="SoftmaxOptions", beta=1.0))


SPOILT = 10.0 ** np.linspace(-2, 2, 8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "samples.npz"
    np.savez(path, x=SAMPLES[:-32])
    return path


def made(content, data, folder, *schemes, drop=None, **changes):
    (folder / "model.tflite").write_bytes(content)
    options = ConvertOptions(calibration_limit=CALIBRATED, jobs=2, **changes)
    result = convert(
        folder / "model.tflite", schemes=schemes, calibration=data, out=folder, max_accuracy_drop=drop, options=options
    )
    assert [variant.error for variant in result.variants] == [None] * len(schemes)
    return result.variants


def outputs(path):
    model = Model(path)
    return np.concatenate([model.run([sample[None]])[0] for sample in UNSEEN])


@quantizer
def test_scores_that_share_a_grid_with_boxes_have_their_own_up_to_a_join_in_int16(data, tmp_path):
    repaired, plain = made(detector(), data, tmp_path, "repaired", "int8")
    record = repaired.search
    assert record.judged_by == "fidelity" and record.met and not record.labels
    kept = [change for change in record.changes if change.kept]
    assert [change.change for change in kept] == ["'both' in int16"]
    assert kept[0].before > 0.5 > record.limit > kept[0].loss
    assert [layer.name for layer in record.layers if layer.type == "int16"] == ["both"]
    assert read_graph(repaired.path).integer_op_fraction == 1.0
    wanted, found, broken = (outputs(path)[..., 4:] for path in (tmp_path / "model.tflite", repaired.path, plain.path))
    assert np.square(found - wanted).mean() < 0.05 * wanted.var() < np.square(broken - wanted).mean()
    assert abs(repaired.size_bytes - plain.size_bytes) < 200


@quantizer
def test_the_join_is_in_float_where_int16_is_too_coarse(data, tmp_path):
    [repaired] = made(detector(), data, tmp_path, "repaired", drop=1.5)
    record = repaired.search
    assert record.met and record.limit == 0.015
    assert [(each.change, each.kept) for each in record.changes[-2:]] == [
        ("'both' in int16", False),
        ("'both' in float32", True),
    ]
    assert [layer.name for layer in record.layers if layer.type == "float32"] == ["both"]


@quantizer
def test_in_one_integer_output_boxes_and_scores_share_a_scale_whatever_is_done(data, tmp_path):
    """The promise of integers at the outputs is kept by files that have operators in int16 and float."""
    [repaired] = made(detector(), data, tmp_path, "repaired:io=int8")
    record, graph = repaired.search, read_graph(repaired.path)
    assert {spec.dtype for spec in (*graph.inputs, *graph.outputs)} == {"int8"}
    assert not record.met and record.failed == 0
    assert record.following.startswith("io=float32, or outputs of its own for each part that 'both' joins")


@quantizer
def test_channels_of_unlike_ranges_are_equalized_and_other_cures_are_taken_back(data, tmp_path):
    repaired, plain = made(classifier(SPOILT), data, tmp_path, "repaired:of=int8", "int8")
    record = repaired.search
    assert record.judged_by == "accuracy" and record.met
    assert record.tried == len(record.path) and record.changes[0].before > 5 * record.limit
    kept = [change.change for change in record.changes if change.kept]
    assert "channels equalized across layers" in kept
    rest = [words for words in kept if not words.startswith("without")]
    assert sorted(f"without {words}" for words in rest if words != "channels equalized across layers") == sorted(
        words for words in kept if words.startswith("without")
    )
    assert read_graph(repaired.path).integer_op_fraction == 1.0
    assert repaired.size_bytes == plain.size_bytes
    wanted, found, broken = (outputs(path) for path in (tmp_path / "model.tflite", repaired.path, plain.path))
    assert np.abs(found - wanted).mean() < 0.2 * np.abs(broken - wanted).mean()


@quantizer
def test_what_is_good_enough_is_not_changed_and_what_would_come_next_is_said(data, tmp_path):
    repaired, plain = made(classifier(np.ones(8)), data, tmp_path, "repaired", "int8")
    assert repaired.search.changes == () and repaired.search.met and repaired.search.tried == 1
    assert repaired.path.read_bytes() == plain.path.read_bytes()
    assert repaired.search.following == "ranges of activations by mean squared error"


@quantizer
def test_a_limit_that_only_float_keeps(data, tmp_path):
    """No operator is left in int8 where nothing at all may be lost."""
    [repaired] = made(detector(), data, tmp_path, "repaired", drop=0.0001)
    record = repaired.search
    assert not record.met or {layer.type for layer in record.layers} != {"int8"}
    assert record.high == min(point.high for point in record.path) or record.met
    last = record.changes[-1].change
    assert last.endswith("in float32")
    assert any(change.change.endswith("in int16") for change in record.changes)


def test_an_equalized_file_computes_the_same_with_channels_more_alike():
    content = classifier(SPOILT)
    samples = [{"input": sample[None]} for sample in SAMPLES[:16]]
    found = equalized(content, samples)
    assert equalized(detector_without_pairs(), samples) is None

    def channels(file):
        model = EditableModel(file)
        weights = model.constant(int(model.graph.operators[0].inputs[1]))
        return np.abs(weights).max(axis=(1, 2, 3))

    before, after = channels(content), channels(found)
    assert before.max() / before.min() > 1e3 and after.max() / after.min() < 10
    for sample in samples[:4]:
        one, two = (run(file, sample["input"]) for file in (content, found))
        assert two == pytest.approx(one, abs=1e-5)


def detector_without_pairs():
    net = Network(1, 8, 8, 3)
    first = net.conv(net.input, "first", 4, activation="RELU6")  # which no factor goes through
    return net.finish(net.conv(first, "second", 4))


def run(content, sample):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy()


def test_ranges_leave_out_rare_extremes():
    net = Network(1, 4, 4, 3)
    content = net.finish(net.conv(net.input, "first", 4, activation="NONE"))
    random = np.random.default_rng(1)
    samples = [{"input": random.normal(size=(1, 4, 4, 3)).astype(np.float32)} for _ in range(400)]
    samples[7]["input"][0, 0, 0, 0] = 300.0
    widest = measure_ranges(content, samples)
    by_error, by_share = (narrowed(content, samples, widest, rule, 8) for rule in ("mse", "percentile"))
    assert widest["input"]["max"][0] == 300.0
    values = np.concatenate([sample["input"].reshape(-1) for sample in samples])

    def error(found):
        low, high = (float(found["input"][end][0]) for end in ("min", "max"))
        step = (high - low) / 255
        rounded = np.clip(np.rint((values - low) / step), 0, 255) * step + low
        return np.square(rounded - values).mean()

    assert error(by_error) < error(widest)
    assert by_share["input"]["max"][0] < 10
    assert by_share["input"]["min"][0] >= widest["input"]["min"][0]
    grid = np.linspace(0.05, 1, 96)
    best = min(
        error({"input": {"min": widest["input"]["min"], "max": widest["input"]["max"] * factor}}) for factor in grid
    )
    assert error(by_error) < 1.1 * best


def test_options_that_cannot_be():
    for text, words in (("repaired:of=dynamic_range,io=int8", "io=float32"), ("repaired:of=int8,io=int16", "io=uint8")):
        with pytest.raises(UsageError) as refused:
            parse_request(text)
        assert words in refused.value.fix
    assert parse_request("repaired:of=int16x8,io=int16").name == "repaired-io-int16-of-int16x8"
