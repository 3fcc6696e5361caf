"""Detectors, from their files and annotated pictures to figures: models that say what the picture's own pixels say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from coco_reference import average_precision
from conftest import DATA
from PIL import Image
from tiny_network import Network

from tflitekit import Constraints, evaluate, open_dataset
from tflitekit.accuracy.evaluation import Evaluation
from tflitekit.accuracy.score_store import ScoreStore
from tflitekit.core.errors import DataError, UsageError
from tflitekit.data.frame import Frame
from tflitekit.options.tasks import TaskOptions
from tflitekit.results import VariantReport
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import open_reader
from tflitekit.tflite.runtime import Model
from tflitekit.tflite.variant import load_variant

pytest.importorskip("cv2", reason="OpenCV is not installed: '.[tasks]'")

CELLS, NUMBERS = 12, 9  # center, size and the scores of five classes, of each cell: the pixels of 9 x 4 x 3
NAMES = ("cat", "dog", "cow", "hen", "bee")  # only the first two are ever seen
PICTURES = 24


def _model(path: Path, shift: float = 0.0, tilt: float = 1.0) -> Path:
    """Writes a network that gives its input as ``(cells, numbers)``, centers moved and scores of the second class multiplied."""
    network = Network(1, 4, 9, 3)
    rows = network.reshape(network.input, "rows", 1, CELLS, NUMBERS)
    moved = np.zeros((1, 1, NUMBERS), np.float32)
    moved[..., :2] = shift
    rows = network.add(
        "ADD", [rows, network.tensor("shift", moved.shape, moved)], [1, CELLS, NUMBERS], "moved", options="AddOptions"
    )
    factor = np.ones((1, 1, NUMBERS), np.float32)
    factor[..., 5] = tilt
    scaled = network.add(
        "MUL",
        [rows, network.tensor("factor", factor.shape, factor)],
        [1, CELLS, NUMBERS],
        "boxes",
        options="MulOptions",
    )
    path.write_bytes(network.finish(scaled))
    return path


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose pixels are boxes and scores in 255ths, and annotations of the same boxes."""
    folder = tmp_path_factory.mktemp("scenes")
    generator = np.random.default_rng(1)
    images, annotations = [], []
    for number in range(PICTURES):
        rows = np.zeros((CELLS, NUMBERS), np.uint8)
        for cell in range(int(generator.integers(0, 4))):
            rows[cell, :4] = [45 + 80 * cell, generator.integers(60, 195), *generator.integers(45, 70, 2)]
            kind = int(generator.integers(0, 2))
            rows[cell, 4 + kind] = generator.integers(100, 255)
            center, side = rows[cell, :2] / 255 * (9, 4), rows[cell, 2:4] / 255 * (9, 4)
            box = [*(center - side / 2), *side]
            annotations.append({"image_id": number, "category_id": 1 + 2 * kind, "bbox": box})
        Image.fromarray(rows.reshape(4, 9, 3)).save(folder / f"{number:02}.png")
        images.append({"id": number, "file_name": f"{number:02}.png", "width": 9, "height": 4})
    categories = [{"id": 1 + 2 * place, "name": name} for place, name in enumerate(NAMES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [
        _model(folder / "float32.tflite"),
        _model(folder / "moved.tflite", 0.01),
        _model(folder / "dim.tflite", tilt=0.0),
    ]


def _evaluate(files: list[Path], data: Path | str, **options: object) -> Evaluation:
    return evaluate(files, data=data, **({"preprocess": "0-1", "jobs": 1} | options))


def _figures(row: VariantReport) -> dict[str, float]:
    assert row.accuracy is not None
    return {one.metric: one.value for one in (row.accuracy, *row.other_metrics)}


def test_figures_and_what_they_lose(files: list[Path], scenes: Path) -> None:
    found = _evaluate(files, scenes, baseline="float32")
    exact, moved, dim = found.variants
    assert _figures(exact) == {"map": 1, "ap50": 1, "ap75": 1, "ap-small": 1, "ar100": 1}
    assert found.dataset.task == "detection" and found.dataset.reader is not None
    assert found.dataset.reader["name"] == "yolov8" and found.dataset.reader["classes"] == 5
    assert _figures(moved)["ap50"] == 1 and 0.5 < _figures(moved)["map"] < 0.95
    assert moved.drop is not None and moved.drop.verdict.startswith("drops") and "points" in moved.drop.verdict
    assert (
        moved.drop.low is not None
        and moved.drop.low > 0
        and moved.drop.value == pytest.approx(1 - _figures(moved)["map"])
    )
    assert moved.accuracy is not None and moved.accuracy.low is not None
    assert moved.accuracy.low < moved.accuracy.value < (moved.accuracy.high or 0)
    cat, dog = dim.per_class
    assert (cat.label, cat.value, dog.label, dog.value) == ("cat", 1, "dog", 0) and cat.metric == "ap"
    assert cat.drop is not None and cat.drop.value == 0 and dog.drop is not None and dog.drop.value == 1
    assert _figures(dim)["map"] == 0.5 and not [w for w in found.warnings if w.kind == "chance"]
    with pytest.raises(UsageError, match="mAP is a figure of all samples together"):
        _evaluate(files, scenes, baseline="float32", until_certain=True)


def test_limits_on_the_drop(files: list[Path], scenes: Path) -> None:
    found = _evaluate(files, scenes, baseline="float32", constraints=Constraints(max_accuracy_drop=1.0))
    assert any("moved" in text for text in map(str, found.broken))


def test_without_labels_boxes_are_compared_with_the_baselines(files: list[Path], scenes: Path, tmp_path: Path) -> None:
    for path in scenes.glob("*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = _evaluate(files, tmp_path, baseline="float32", task="detection", labels=NAMES)
    assert found.dataset.reference == "baseline" and found.dataset.task == "detection"
    _, moved, dim = found.variants
    assert moved.likeness is not None and moved.likeness.metric == "box-f1" and moved.likeness.value == 1
    (overlap,) = moved.other_metrics
    assert overlap.metric == "box-iou" and 0.5 < overlap.value < 0.95
    assert dim.likeness is not None and dim.likeness.low is not None and 0 < dim.likeness.low < dim.likeness.value < 1
    assert dim.other_metrics[0].value == 1


def test_next_to_nothing_is_found_where_outputs_are_read_wrongly(files: list[Path], scenes: Path) -> None:
    found = _evaluate(files[:2], scenes, baseline="float32", reader="yolov8:coordinates=pixels")
    (told,) = [warning for warning in found.warnings if warning.kind == "chance"]
    assert "read by 'yolov8'" in told.message and "--reader" in (told.advice or "")


def test_classes_that_the_model_does_not_have(files: list[Path], scenes: Path, tmp_path: Path) -> None:
    content = json.loads((scenes / "annotations.json").read_text())
    content["categories"] += [{"id": 90, "name": "bird"}]
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content))
    with pytest.raises(
        DataError, match="have 6 classes, and the model has scores for 5 as yolov8 reads them or 4 as yolov5"
    ):
        _evaluate(files, f"{path}:images={scenes}", baseline="float32")


def test_a_reader_of_ones_own(files: list[Path], scenes: Path, tmp_path: Path) -> None:
    own = tmp_path / "own_reader.py"
    own.write_text(
        "import numpy as np\n"
        "from tflitekit.data.annotations import Boxes\n"
        "def read(outputs, frame):\n"
        "    rows = outputs['boxes']\n"
        "    rows = rows[rows[:, 4:].max(axis=1) > 0.1]\n"
        "    place, side = rows[:, :2] * frame.input, rows[:, 2:4] * frame.input\n"
        "    boxes = np.concatenate([place - side / 2, place + side / 2], axis=1).astype(np.float32)\n"
        "    return Boxes(frame.boxes_to_source(boxes), rows[:, 4:].argmax(axis=1).astype(np.int32), rows[:, 4:].max(axis=1))\n"
        "def wrong(outputs, frame):\n"
        "    return outputs['boxes']\n"
    )
    found = _evaluate(files[:1], scenes, reader=f"{own}:read")
    assert _figures(found.variants[0])["map"] > 0.99
    with pytest.raises(DataError, match="returned ndarray for a picture, not boxes"):
        _evaluate(files[:1], scenes, reader=f"{own}:wrong")


def test_scores_are_not_taken_from_those_of_other_anchors(tmp_path: Path, files: list[Path]) -> None:
    variant = load_variant(files[0])[0]
    anchors = tmp_path / "anchors.json"
    keys = set()
    for content in ("[[0, 0, 1, 1]]", "[[0, 0, 2, 2]]"):
        anchors.write_text(content)
        task = TaskOptions(reader=f"ssd:anchors={anchors}")
        keys.add(ScoreStore(tmp_path, "data", "map", None, None, None, task=task)._path(variant))
    assert len(keys) == 2 and None not in keys


def test_the_quickstarts_detector_is_judged_as_by_pycocotools_and_int8_harms_it() -> None:
    folder = DATA / "tasks" / "detection"
    files = [folder / "float32.tflite", folder / "int8.tflite"]
    found = _evaluate(files, folder / "scenes", baseline="float32")
    dataset = open_dataset(folder / "scenes")
    for path, row in zip(files, found.variants, strict=True):
        model = Model(path)
        reader = open_reader(
            Interface(model.inputs, model.outputs, classes=dataset.classes), task="detection", wanted=None
        )
        boxes, labels = [], []
        for sample in dataset:
            picture = np.asarray(sample.read(), np.float32)[None] / np.float32(255)
            boxes.append(reader.read([model.run([picture])[0][0]], Frame.whole(64, 64)))
            labels.append(sample.label)
        precision = average_precision(boxes, labels, 10)["precision"]
        expected = {"map": precision, "ap50": precision[:1], "ap75": precision[5:6]}
        figures = _figures(row)
        for name, values in expected.items():
            assert figures[name] == pytest.approx(np.nanmean(values[..., 0]), abs=1e-6)
        assert figures["ap-small"] == pytest.approx(np.nanmean(precision[..., 1]), abs=1e-6)
    exact, rounded = (_figures(row)["map"] for row in found.variants)
    assert rounded < exact
    assert any("the output mixes ranges" in finding.message for finding in found.variants[1].warnings)
    worst = found.variants[1].examples[0]
    assert re.fullmatch(
        r"\d of \d objects found, \d+ wrong box(es)?; before: \d of \d objects found, \d+ wrong box(es)?", worst.text
    )
    assert [picture.title for picture in worst.pictures] == ["truth", "float32", "int8"]


def test_a_limit_on_each_class_is_one_of_its_average_precision() -> None:
    folder = DATA / "tasks" / "detection"
    files = [folder / "float32.tflite", folder / "int8.tflite"]
    limits = Constraints(max_class_drop=5)
    broken = _evaluate(files, folder / "scenes", baseline="float32", constraints=limits).broken
    assert [one.name for one in broken] == ["int8"]
    assert re.match(r"the AP of '\w+' falls from \d+\.\d% to \d+\.\d%, by \d+\.\d points", broken[0].reasons[0])
