"""Networks with the interface of published ones, by the first command that a user gives: right figures, or the one flag that is missing."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from published import labelmap, ssd, ssd_scenes
from tiny_network import Network

from tflitekit import evaluate, load_variant
from tflitekit.bundling.metadata import with_metadata
from tflitekit.bundling.tolerances import tolerances
from tflitekit.data.dataset import InputPipeline, open_dataset
from tflitekit.data.preprocessing import PRESETS, Preprocessing
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model
from tflitekit.tflite.told import Told, told_by

pytest.importorskip("cv2", reason="OpenCV is not installed: '.[tasks]'")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return ssd_scenes(tmp_path_factory.mktemp("scenes") / "coco")


def figure(found):
    return round(found.variants[0].accuracy.value, 6)


def kinds(found):
    return {warning.kind for warning in found.warnings}


@pytest.mark.parametrize(
    ("labels", "shapes"), [(labelmap(), False), (labelmap("background"), True), (labelmap()[1:], True)]
)
def test_labels_with_and_without_a_line_for_the_background_are_one(tmp_path, scenes, labels, shapes):
    found = evaluate(ssd(tmp_path / "detect.tflite", shapes=shapes), data=scenes, labels=labels)
    assert figure(found) == 1
    assert not kinds(found) & {"class-numbers", "chance", "constant-output"}


def test_ids_with_gaps_are_told_by_the_annotations(tmp_path, scenes):
    file = ssd(tmp_path / "detect.tflite")
    found = evaluate(file, data=scenes)
    assert 0.01 < figure(found) < 0.5  # no zero that would be seen
    (said,) = [warning for warning in found.warnings if warning.kind == "class-numbers"]
    flag = f"{scenes / 'annotations.json'}:ids=category-1"
    assert f"--data {flag}" in said.advice and "100%" in said.message
    assert found.unfit == said
    named = evaluate(file, data=flag)
    assert figure(named) == 1 and "class-numbers" not in kinds(named)


def test_classes_in_another_order_are_told(tmp_path, scenes):
    names = labelmap()[1:]
    found = evaluate(ssd(tmp_path / "detect.tflite"), data=scenes, labels=names[::-1])
    (said,) = [warning for warning in found.warnings if warning.kind == "class-numbers"]
    assert "another order: it says 0 for 'person'" in said.message and "--labels FILE" in said.advice


def test_two_flags_that_are_missing_are_named_at_once(tmp_path, scenes):
    file = ssd(tmp_path / "float.tflite", quantized=False)
    (said,) = [warning for warning in evaluate(file, data=scenes).warnings if warning.kind == "class-numbers"]
    flag = f"{scenes / 'annotations.json'}:ids=category-1"
    assert said.advice == f"Run the same command with --preprocess -1-1 and --data {flag}."
    assert figure(evaluate(file, data=flag, preprocess="-1-1")) > 0.99


def test_what_the_operator_does_not_write_is_zero(tmp_path, scenes):
    model = Model(ssd(tmp_path / "detect.tflite", shapes=False))
    assert [spec.shape for spec in model.outputs] == [(1, 6, 4), (1, 6), (1, 6), (1,)]
    pixels = Preprocessing(name="stored", mean=(128.0,), std=(128.0,))
    variant, _ = load_variant(model.path, preprocessing=pixels)
    sample = next(iter(open_dataset(str(scenes))))
    (rows,) = InputPipeline(variant.contract.inputs, pixels).prepare(sample.read(), sample.key)
    for _ in range(3):
        boxes, classes, scores, number = model.run([rows[None]])
        assert number == 3 and not boxes[0, 3:].any() and not classes[0, 3:].any() and not scores[0, 3:].any()


def plain(path):
    network = Network(1, 8, 8, 3)
    path.write_bytes(network.finish(network.reshape(network.input, "out", 1, 192)))
    return path


@pytest.mark.parametrize("preset", ["0-1", "-1-1", "imagenet-torch", "raw"])
def test_metadata_tell_preprocessing(tmp_path, preset):
    file = plain(tmp_path / "net.tflite")
    graph = read_graph(file)
    made = with_metadata(
        file.read_bytes(),
        graph,
        name="Net",
        preprocessing=PRESETS[preset],
        labels=[f"l{i}" for i in range(192)],
        task="classification",
    )
    file.write_bytes(made)
    told = told_by(file)
    assert told.labels == tuple(f"l{i}" for i in range(192))
    assert told.preprocessing == PRESETS[preset]
    contract = load_variant(file)[0].contract
    assert contract.preprocessing == PRESETS[preset] and contract.labels == told.labels
    assert load_variant(file, labels=("own",))[0].contract.labels == ("own",)


@pytest.mark.parametrize(("name", "write"), [("metadata.json", json.dumps), ("temp_meta.txt", str)])
def test_dictionaries_of_an_exporter_tell_names_and_letterbox(tmp_path, name, write):
    file = plain(tmp_path / "yolo.tflite")
    names = {0: "cat", 1: "dog", 10: "cow"} | {i: f"c{i}" for i in range(2, 10)}
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, write({"stride": 32, "task": "detect", "imgsz": [8, 8], "names": names}))
    told = told_by(file)
    assert told.labels == ("cat", "dog", *(f"c{i}" for i in range(2, 10)), "cow")
    assert told.preprocessing.fit == "pad" and told.preprocessing.divisor == 255


@pytest.mark.parametrize("text", ["{", "{1: __import__('os')}", "{'names': 3}", "{'names': {5: 'a'}}", "\ud800", "[]"])
def test_strange_files_behind_a_model_tell_nothing_or_no_names(tmp_path, text):
    file = plain(tmp_path / "net.tflite")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("metadata.json", text.encode("utf-8", "surrogatepass"))
    assert told_by(file).labels is None
    (tmp_path / "none.tflite").write_bytes(b"\0" * 40)
    assert told_by(tmp_path / "none.tflite") == told_by(tmp_path / "missing.tflite") == told_by(object()) == Told()


def foreground(path):
    """A map of logits that is right for pixels from 0 to 1, and all foreground for pixels to 255 that are not black."""
    network = Network(1, 8, 8, 3)
    weights = network.tensor("w", [1, 1, 1, 3], np.full(3, 10 / 3))
    bias = network.tensor("b", [1], [-5.0])
    path.write_bytes(
        network.finish(network.conv(network.input, "map", 1, weights=weights, bias=bias, activation="NONE"))
    )
    return path


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Pictures of two greys, and black and white masks."""
    folder = tmp_path_factory.mktemp("halves")
    generator = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for number in range(8):
        bright = generator.random((8, 8)) > 0.5
        Image.fromarray(np.where(bright, 200, 60).astype(np.uint8)).convert("RGB").save(folder / f"images/{number}.png")
        Image.fromarray(np.where(bright, 255, 0).astype(np.uint8)).save(folder / f"masks/{number}.png")
    return folder


def test_the_preprocessing_of_masks_is_told_by_the_annotations(tmp_path, halves):
    file = foreground(tmp_path / "selfie.tflite")
    found = evaluate(file, data=halves)
    (said,) = [warning for warning in found.warnings if warning.kind == "other-preprocessing"]
    assert figure(found) < 0.4 and "--preprocess 0-1" in said.advice and found.unfit == said
    named = evaluate(file, data=halves, preprocess="0-1")
    assert figure(named) == 1 and "other-preprocessing" not in kinds(named)
    assert "other-preprocessing" not in kinds(evaluate(file, data=halves, preprocess="raw"))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("metadata.json", '{"names": ["background", "person"]}')
    assert figure(evaluate(file, data=halves)) == 1  # the exporter's pixels are from 0 to 1


def test_a_custom_operator_that_only_one_set_of_kernels_has_leaves_the_other_without_a_limit(tmp_path):
    graph = read_graph(ssd(tmp_path / "detect.tflite"))
    outputs = [[np.ones((1, *spec.shape[1:]), np.float32) for spec in graph.outputs]]
    for found in tolerances(graph, outputs, None):
        assert found.cpu_builtin.max_difference is None and "TFLite_Detection_PostProcess" in found.cpu_builtin.reason
        assert found.cpu.max_difference is not None


def part(number, content):
    """A field of a protocol buffer that holds bytes of up to 127."""
    return bytes([number << 3 | 2, len(content)]) + content


def test_properties_of_onnx_files_tell_names(tmp_path):
    file = tmp_path / "yolo.onnx"
    names = part(14, part(1, b"names") + part(2, b"{0: 'cat', 1: 'dog'}"))
    content = (
        b"\x08\x08"
        + part(2, b"pytorch")
        + part(7, bytes(100))
        + part(14, part(1, b"task") + part(2, b"detect"))
        + names
    )
    file.write_bytes(content)
    assert told_by(file).labels == ("cat", "dog") and told_by(file).preprocessing.fit == "pad"
    for end in range(len(content)):
        file.write_bytes(content[:end])
        assert told_by(file) == Told()


@given(st.binary(max_size=60))
def test_any_bytes_are_read_as_an_onnx_file_without_an_error(content):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "any.onnx"
        file.write_bytes(content)
        assert told_by(file).labels is None
