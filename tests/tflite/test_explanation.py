"""Where quantized files depart from their float originals: networks with one known flaw, and committed files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA
from edit_tflite import without_float_islands
from tiny_network import Network

from tflitekit.conversion import convert
from tflitekit.core.errors import ModelError, UsageError
from tflitekit.explanation import costs
from tflitekit.explanation.blame import judge
from tflitekit.explanation.constants import compare_weights
from tflitekit.explanation.explain import explain
from tflitekit.explanation.pairs import pair_steps, read_steps
from tflitekit.results import read_report
from tflitekit.results.explanation import Explanation, LayerCost
from tflitekit.tflite.runtime import Model

QUIET = 2.0 ** np.linspace(-8, 0, 8)
"""Sizes of channels that one grid cannot hold."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Random pictures; without labels."""
    path = tmp_path_factory.mktemp("pictures") / "x.npz"
    np.savez(path, x=np.random.default_rng(3).normal(size=(24, 8, 8, 4)).astype(np.float32))
    return path


@pytest.fixture
def quantized(tmp_path, pictures):
    """Returns a network's int8 file, made by litert-quantizer; its float original is beside it."""
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")

    def make(content):
        path = tmp_path / "network.tflite"
        path.write_bytes(content)
        made = convert(path, schemes=["float32", "int8"], calibration=pictures, out=tmp_path / "out").variants
        assert [one.error for one in made] == [None, None]
        return made[1].path

    return make


def plain(sizes=1.0, seed=0):
    """Three convolutions; the channels of the second have sizes that the third takes back: the outputs are the same."""
    net = Network(1, 8, 8, 4, seed=seed)
    first = net.conv(net.input, "first", 8)
    weights, bias, last = (net.random.normal(size=shape) / 6 for shape in ((8, 3, 3, 8), 8, (3, 3, 3, 8)))
    scaled = net.conv(
        first,
        "scaled",
        8,
        weights=net.tensor("w", (8, 3, 3, 8), weights * np.reshape(sizes, (-1, 1, 1, 1))),
        bias=net.tensor("b", (8,), bias * sizes),
    )
    out = net.conv(scaled, "last", 3, weights=net.tensor("v", (3, 3, 3, 8), last / sizes), activation="NONE")
    return net.finish(out)


def boxes_and_scores():
    """A detector's head: coordinates to some hundreds and scores to some units in one output."""
    net = Network(1, 8, 8, 4)
    body = net.conv(net.input, "body", 8)
    boxes = net.conv(body, "boxes", 4, weights=net.weights(4, 3, 3, 8, spread=100.0))
    return net.finish(net.concatenate(boxes, net.conv(body, "scores", 6, activation="NONE"), "detections"))


def dead():
    """The second convolution has a channel that is a large constant, which the third does not read."""
    net = Network(1, 8, 8, 4)
    weights, bias, last = (net.random.normal(size=shape) / 6 for shape in ((8, 3, 3, 8), 8, (3, 3, 3, 8)))
    weights[2], bias[2], last[..., 2] = 0, 3000, 0
    first = net.conv(net.input, "first", 8)
    stuck = net.conv(
        first, "stuck", 8, weights=net.tensor("w", (8, 3, 3, 8), weights), bias=net.tensor("b", (8,), bias)
    )
    return net.finish(net.conv(stuck, "last", 3, weights=net.tensor("v", (3, 3, 3, 8), last), activation="NONE"))


def test_a_clean_network_has_no_culprit(quantized, pictures):
    found = explain(quantized(plain()), data=pictures)
    assert found.culprits == ()
    assert found.samples == 24
    assert found.whole.explained > 0.95
    assert [layer.tensor for layer in found.layers] == ["input", "first", "scaled", "last"]
    assert all(layer.snr_db > 25 for layer in found.layers)
    assert all(layer.alone.explained >= found.whole.explained - 0.01 for layer in found.layers[1:])
    assert found.layers[2].others.explained >= found.whole.explained - 0.01


def test_channels_that_share_a_grid_with_larger_ones(quantized, pictures):
    found = explain(quantized(plain(QUIET)), data=pictures)
    first = found.culprits[0]
    assert (first.layer, first.pattern) == ("scaled", "unlike-channels")
    quiet = found.layers[2].worst[0]
    assert quiet.steps < 10  # 1/256 of the range of the largest
    assert quiet.snr_db < 15
    # It is what reads the coarse grid that loses the outputs, and leaving that one out brings them back.
    assert found.layers[3].alone.explained < 0.9 < found.layers[3].others.explained


def test_a_channel_that_never_varies_and_takes_the_grid(quantized, pictures):
    first = explain(quantized(dead()), data=pictures).culprits[0]
    assert (first.layer, first.pattern) == ("stuck", "dead-channels")
    assert "Channel 2 of 8 is 3e+03 whatever the input" in first.message


def test_boxes_and_scores_in_one_output(quantized, pictures):
    found = explain(quantized(boxes_and_scores()), data=pictures)
    first = found.culprits[0]
    assert (first.layer, first.pattern) == ("detections", "joined-ranges")
    assert "'boxes'" in first.message
    assert "'scores'" in first.message
    assert found.layers[-1].snr_db > 30  # the mean error looks harmless


def turned(content_of):
    """A head with a few candidates, whose numbers come before them."""
    net = Network(1, 8, 8, 4)
    body = net.conv(net.conv(net.input, "body", 8), "neck", 8, stride=2)
    rows = net.reshape(content_of(net, body), "candidates", 1, 16, 10)
    return net.finish(net.transpose(rows, "turned", 0, 2, 1))


def joined_head(net, body):
    boxes = net.conv(body, "boxes", 4, weights=net.weights(4, 3, 3, 8, spread=100.0))
    return net.concatenate(boxes, net.conv(body, "scores", 6, activation="NONE"), "detections")


def single_head(net, body):
    sizes = np.reshape([100.0] * 4 + [0.5] * 6, (-1, 1, 1, 1))
    weights = net.tensor("w", (10, 3, 3, 8), net.random.normal(size=(10, 3, 3, 8)) / 8 * sizes)
    return net.conv(
        body, "detections", 10, weights=weights, bias=net.tensor("b", (10,), np.zeros(10)), activation="NONE"
    )


@pytest.mark.parametrize(
    ("head", "pattern"),
    [(joined_head, "joined-ranges"), (single_head, "output-mixes-ranges")],
    ids=["joined", "single"],
)
def test_a_head_with_its_numbers_before_a_few_candidates(quantized, pictures, head, pattern):
    found = explain(quantized(turned(head)), data=pictures)
    assert found.whole.lowest < 0.7
    assert found.layers[-1].channels == 10
    assert found.culprits[0].pattern == pattern
    assert found.culprits[0].layer == "detections"


def logits_of_a_map(net, body):
    return net.conv(body, "classes", 10, activation="NONE")


def probabilities(net, body):
    logits = logits_of_a_map(net, body)
    return net.add("SOFTMAX", [logits], net.shape(logits), "probable", options="SoftmaxOptions", beta=1.0)


@pytest.mark.parametrize("head", [logits_of_a_map, probabilities])
def test_an_output_of_one_kind_is_not_said_to_mix_ranges(quantized, pictures, head):
    found = explain(quantized(turned(head)), data=pictures)
    assert not [each for each in found.culprits if "ranges" in each.pattern]


def test_a_detector_is_explained_in_map_and_by_the_columns_of_its_reader(cli):
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")
    folder = DATA / "tasks" / "detection"
    code, out, _ = cli("explain", folder / "int8.tflite", "--data", folder / "scenes", "--preprocess", "0-1", "--reader", "yolov8", "--json")  # fmt: skip
    assert code == 0
    found = Explanation.model_validate_json(out)
    assert found.figure.metric == "map"
    assert found.drop.value == pytest.approx(found.float_figure.value - found.figure.value)
    assert {layer.layer for layer in found.layers} >= {"image", "detections"}
    first = found.culprits[0]
    assert (first.layer, first.pattern) == ("detections", "joined-ranges")
    assert "(center x, center y)" in first.message
    assert "(score of 'zero', score of 'one', score of 'two' and 7 others)" in first.message


def test_the_same_twice(quantized, pictures):
    file = quantized(boxes_and_scores())
    assert explain(file, data=pictures, jobs=1) == explain(file, data=pictures, jobs=2)


@pytest.mark.parametrize("scheme", ["int8", "int8_float_fallback", "dynamic_range", "float16", "int16x8", "int4x8"])
def test_files_of_all_kinds_are_paired_with_the_float_one(variants, scheme):
    files = variants / "float32.tflite", variants / f"{scheme}.tflite"
    pairs = pair_steps(*map(read_steps, files), names=("float32", scheme))
    assert [pair.baseline.operator.name for pair in pairs] == [pair.variant.operator.name for pair in pairs]
    assert [pair.baseline.operator.name for pair in pairs].count("CONV_2D") == 2
    weights = compare_weights(files, pairs)
    assert len(weights) == 3
    least = {"int4x8": 15, "float16": 60}.get(scheme, 40)
    assert all(least < one.snr_db for one in weights)


def test_the_terminal_and_the_json_name_keras_layers(variants, shapes, cli):
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")
    code, out, _ = cli("explain", variants / "int8.tflite", "--data", shapes / "test", "--limit", 30)
    assert code == 0
    assert "global_average_pooling2d" in out
    assert "on 30 samples" in out
    assert "#" not in out  # no two rows look alike
    code, out, _ = cli("explain", variants / "int8.tflite", "--data", shapes / "test", "--limit", 30, "--json")
    found = json.loads(out)
    names = ["conv1", "max_pooling2d", "conv2", "global_average_pooling2d", "shape"]
    assert [layer["layer"] for layer in found["layers"]][1:6] == names
    assert found["culprits"] == []  # a class whose probability hardly varies is no harm


def test_what_few_samples_cannot_tell(quantized, pictures):
    found = explain(quantized(plain(QUIET)), data=pictures, limit=8)
    assert found.notes == ("8 samples are too few to tell: at least 20 are needed.",)


@pytest.mark.parametrize(
    ("agreement", "samples", "harmed", "doubtful"),
    [
        (1.0, 200, False, False),
        (0.97, 200, False, False),
        (0.90, 200, True, False),
        (0.94, 200, True, False),
        (1.0, 24, False, True),  # up to one in eight may have another class
        (23 / 24, 24, False, True),
        (0.5, 24, True, False),
    ],
)
def test_a_loss_is_one_only_beyond_its_sampling_error(agreement, samples, harmed, doubtful):
    verdict = judge(LayerCost(samples=samples, agreement=agreement, explained=0.99, lowest=0.98))
    assert (verdict.harmed, verdict.doubt is not None) == (harmed, doubtful)


def test_one_lost_column_of_many_is_harm():
    assert judge(LayerCost(samples=100, explained=0.99, lowest=-2.0)).harmed
    assert not judge(LayerCost(samples=100, explained=0.99, lowest=0.8)).harmed


def test_accuracy_of_the_worst_layers(quantized, pictures, tmp_path):
    """The true classes are what the float file says: whatever is lost is lost accuracy."""
    net = Network(1, 8, 8, 4)
    body = net.conv(net.input, "body", 8)
    features = net.reshape(net.conv(body, "narrow", 2, stride=4), "flat", 1, 8)
    content = net.finish(net.dense(features, "classes", 4))
    file = quantized(content)
    float32 = Model(file.with_name("float32.tflite"))
    x = np.load(pictures)["x"]
    answers = np.array([float32.run([row[None]])[0].argmax() for row in x])
    labelled = tmp_path / "labelled.npz"
    np.savez(labelled, x=x, y=answers)
    found = explain(file, data=labelled)
    assert found.whole.drop.n == 24
    assert found.whole.drop.value == pytest.approx(1 - found.whole.agreement)
    tried = [layer for layer in found.layers if layer.operator != "INPUT"]
    assert all(layer.alone.drop.value == pytest.approx(1 - layer.alone.agreement) for layer in tried)


def test_files_that_do_not_belong_together(variants, tmp_path, pictures):
    other = tmp_path / "other.tflite"
    other.write_bytes(plain())
    with pytest.raises(UsageError, match=r"other\.tflite is not quantized"):
        explain(other, data=pictures)
    with pytest.raises(UsageError, match="cannot be compared with itself"):
        explain(other, data=pictures, against=other)
    shutil.copy(other, tmp_path / "float32.tflite")
    with pytest.raises(UsageError, match=r"float32\.tflite is not quantized"):
        explain(tmp_path / "float32.tflite", data=pictures)
    detector = tmp_path / "detector.tflite"
    detector.write_bytes(boxes_and_scores())
    with pytest.raises(ModelError, match=r"detector\.tflite and other\.tflite are not of one model"):
        explain(detector, data=pictures, against=other)
    with pytest.raises(ModelError, match="their inputs differ") as caught:
        explain(variants / "int8.tflite", data=pictures, against=other)
    assert "[1, 12, 12, 1]" in caught.value.why
    assert "[1, 8, 8, 4]" in caught.value.why


def test_the_same_network_with_other_weights(quantized, tmp_path, pictures):
    other, file = tmp_path / "trained_again.tflite", quantized(plain())
    other.write_bytes(plain(seed=1))
    with pytest.raises(ModelError, match="other weights") as caught:
        explain(file, data=pictures, against=other)
    assert "have nothing in common" in caught.value.why


def test_outputs_beyond_a_bound_stay_on_disk(tmp_path, monkeypatch):
    path = tmp_path / "plain.tflite"
    path.write_bytes(plain())
    rows = [[np.random.default_rng(seed).normal(size=(1, 8, 8, 4)).astype(np.float32)] for seed in range(6)]
    model = Model(path)
    monkeypatch.setattr(costs, "_IN_MEMORY_BYTES", 2 * 8 * 8 * 3 * 4)
    found = costs.Reference.of(model, rows, tmp_path)
    assert [isinstance(values, Path) for (values,) in found.values] == [False] * 2 + [True] * 4
    assert found.cost(model, rows).explained == 1.0


def test_what_is_inside_a_loop_is_not_looked_at(tmp_path):
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")
    data = tmp_path / "x.npz"
    np.savez(data, in0=np.random.default_rng(0).normal(size=(24, 10, 6)).astype(np.float32))
    model = DATA / "foreign" / "onnx-lstm" / "model.tflite"
    made = convert(model, schemes=["float32", "dynamic_range"], preprocess="raw", out=tmp_path / "out").variants
    found = explain(made[1].path, data=data)
    assert "What is inside 'rnn' (WHILE) was not looked at, only what it gives." in found.notes
    assert [layer.operator for layer in found.layers if layer.layer == "rnn"] == ["WHILE"]


def test_rows_that_look_alike_are_numbered(quantized, tmp_path, pictures, cli):
    net = Network(1, 8, 8, 4)
    body = net.conv(net.input, "m/one/stem/Conv", 8)
    twice = net.conv(net.conv(body, "m/one/twice/Conv", 8), "m/one/twice/Conv_1", 8)
    file = quantized(net.finish(net.conv(twice, "m/two/twice/Conv", 6, activation="NONE")))
    code, out, _ = cli("explain", file, "--data", pictures, "--against", file.with_name("float32.tflite"))
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["2", "one/twice", "CONV_2D"] in [line[:3] for line in lines]
    assert ["3", "one/twice", "CONV_2D"] in [line[:3] for line in lines]


def test_without_the_float_original(quantized, tmp_path, pictures):
    alone = tmp_path / "alone"
    alone.mkdir()
    for content, culprits in [(plain(), []), (boxes_and_scores(), [("detections", "joined-ranges")])]:
        file = quantized(content).rename(alone / "int8.tflite")
        found = explain(file, data=pictures)
        assert found.baseline is None
        assert [(one.layer, one.pattern) for one in found.culprits] == culprits
        assert found.notes == (
            "What each layer costs alone was not measured: the float file that it was made from is not here; name it with --against.",
        )
        assert all(layer.snr_db is layer.outside is layer.alone is None for layer in found.layers)
        assert all(layer.grid_used > 0.5 for layer in found.layers if layer.layer != "scores")


def test_node_data_for_model_explorer(variants, shapes, tmp_path, cli):
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")
    file = tmp_path / "nodes.json"
    code, _, _ = cli(
        "explain", variants / "int8.tflite", "--data", shapes / "test", "--limit", 20, "--model-explorer", file
    )
    assert code == 0
    written = json.loads(file.read_text(encoding="utf-8"))
    assert set(written) == {"results", "thresholds"}
    tensors = {name for step in read_steps(variants / "int8.tflite") for name in step.operator.outputs}
    assert tensors - {"serving_default_image:0"} <= set(written["results"])
    assert all(set(one) == {"value"} and -100 <= one["value"] <= 100 for one in written["results"].values())


def test_optimize_explains_what_lost_more_than_the_limit(tmp_path, pictures, cli):
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")
    hostile = "<b>[red]wide"
    net = Network(1, 8, 8, 4)
    body = net.conv(net.input, "body", 8)
    boxes = net.conv(body, hostile, 4, weights=net.weights(4, 3, 3, 8, spread=100.0))
    path = tmp_path / "detector.tflite"
    path.write_bytes(net.finish(net.concatenate(boxes, net.conv(body, "scores", 6, activation="NONE"), "detections")))
    _, out, _ = cli(
        "optimize", path, "--data", pictures, "--calibration", pictures, "--scheme", "int8", "--scheme", "float16",
        "--explain", "--out", tmp_path / "out",
    )  # fmt: skip
    assert "Where they depart from float" in out
    assert f"'{hostile}', whose values reach" in " ".join(out.split())
    report = read_report(tmp_path / "out" / "report.json")
    found = {row.name: row.explanation for row in report.variants}
    assert found["float32"] is found["float16"] is None
    assert found["int8"].culprits[0].layer == "detections"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Error along the network" in page
    assert "&lt;b&gt;[red]wide" in page
    assert "<b>[red]" not in page


def test_an_operator_that_the_quantizer_leaves_in_float_is_not_tried_alone(pictures, tmp_path):
    """As in a file of TensorFlow's converter, which has integers for more operators."""
    pytest.importorskip("litert_quantizer", reason="litert-quantizer is not installed: '.[quantize]'")
    net = Network(1, 8, 8, 4)
    first = net.conv(net.input, "first", 8)
    elu = net.add("ELU", [first], net.shape(first), "elu")
    (tmp_path / "network.tflite").write_bytes(net.finish(net.conv(elu, "last", 3)))
    (made,) = convert(
        tmp_path / "network.tflite", schemes=["int8_float_fallback"], calibration=pictures, out=tmp_path / "out"
    ).variants
    integers = without_float_islands(made.path, tmp_path / "integers.tflite", "ELU")
    found = explain(integers, data=pictures, against=tmp_path / "network.tflite")
    assert found.notes == ("Not tried alone: elu (litert-quantizer leaves ELU in float).",)
    tried = {layer.layer: layer.alone is not None for layer in found.layers if layer.operator != "INPUT"}
    assert tried == {"first": True, "elu": False, "last": True}


def test_answers_of_several_labels_are_those_above_a_half():
    rows = [np.float32([[0.99, 0.98, 0.1]]), np.float32([[0.2, 0.1, 0.4]])]
    moved = [np.float32([[0.98, 0.99, 0.1]]), np.float32([[0.2, 0.1, 0.51]])]
    assert not costs._sums_to_one(rows) and costs._sums_to_one([np.float32([[0.5, 0.49]])])
    several = costs.Reference([], 0, frozenset([0]), [1], several=True)
    same = [bool((several._answers(one) == several._answers(two)).all()) for one, two in zip(rows, moved, strict=True)]
    assert same == [True, False]  # the highest score of the first moved, and says nothing
