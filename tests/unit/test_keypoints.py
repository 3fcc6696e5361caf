"""Keypoints: how outputs are read, PCK by its definition, and average precision equal to pycocotools'."""

import contextlib
import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tflitekit.accuracy.lints.wrong_reading import wrong_reading
from tflitekit.accuracy.metrics import metrics
from tflitekit.accuracy.metrics.oks import SIGMAS
from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.annotations import Boxes, Poses
from tflitekit.data.dataset import open_dataset
from tflitekit.data.frame import Frame
from tflitekit.options.tasks import TaskOptions
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import open_reader

RANDOM = np.random.default_rng(2)


def interface(*shape):
    inputs = (TensorSpec(name="x", shape=(1, 64, 64, 3), dtype="float32"),)
    return Interface(inputs, (TensorSpec(name="out", shape=(1, *shape), dtype="float32"),))


def opened(*shape, wanted=None):
    return open_reader(interface(*shape), task="keypoints", wanted=wanted)


FRAME = Frame((128, 96), (64, 64), (0.5, 0.5), (0.0, 8.0))  # padded above and below


@pytest.mark.parametrize("first", [False, True])
def test_heat_maps_have_a_point_in_the_middle_of_their_highest_cell(first):
    maps = RANDOM.random((16, 16, 5)).astype(np.float32) * 0.5
    for number in range(5):
        maps[number + 3, 2 * number, number] = 0.9
    found = opened(5, 16, 16) if first else opened(16, 16, 5)
    poses = found.read([np.moveaxis(maps, -1, 0) if first else maps], FRAME)
    cells = np.array([[2 * number + 0.5, number + 3.5] for number in range(5)]) * 4
    assert poses.points[0, :, :2] == pytest.approx((cells - [0, 8]) * 2)
    assert poses.points[0, :, 2] == pytest.approx(0.9)
    assert poses.boxes.scores == pytest.approx([0.9])
    assert found.describe()["layout"] == ("channels_first" if first else "channels_last")


def test_coordinates_are_shares_of_the_input_or_pixels():
    share = np.array([[0.25, 0.5], [0.5, 0.75], [1.0, 0.875]], np.float32)
    expected = [[32, 48], [64, 80], [128, 96]]
    assert opened(3, 2).read([share], FRAME).points[0, :, :2] == pytest.approx(np.array(expected))
    pixels = opened(3, 2, wanted="keypoints:unit=pixels").read([share * 64], FRAME)
    assert pixels.points[0, :, :2] == pytest.approx(np.array(expected))
    with pytest.raises(UsageError, match="'cm' is not a value of the option unit"):
        opened(3, 2, wanted="keypoints:unit=cm")


def test_movenet_has_y_before_x_and_several_people():
    one = np.tile(np.array([0.5, 0.25, 0.8], np.float32), (1, 17, 1))
    poses = opened(1, 17, 3).read([one], FRAME)
    assert poses.points[0, 4] == pytest.approx([32, 48, 0.8])
    several = np.zeros((6, 56), np.float32)
    several[:2, :51] = one.reshape(-1)
    several[:2, 51:] = [0.125, 0, 0.625, 0.5, 0.7]
    several[1, 55] = 0.05
    found = opened(6, 56)
    poses = found.read([several], FRAME)
    assert poses.points.shape == (1, 17, 3)
    assert poses.points[0, 3] == pytest.approx([32, 48, 0.8])
    assert poses.boxes.xyxy == pytest.approx(np.array([[0, 0, 64, 64]]))
    assert found.describe() == {
        "name": "keypoints", "outputs": ["out"], "order": "yx", "unit": "input", "several": True, "score": pytest.approx(0.1)
    }  # fmt: skip


@pytest.mark.parametrize("shape", [(10,), (17, 4), (1, 100)])
def test_other_outputs_are_refused(shape):
    with pytest.raises(DataError, match="no reader of keypoints fits them"):
        opened(*shape)


def poses_of(count, points=17, *, labels):
    """People, of whose points some are not annotated."""
    places = RANDOM.integers(0, 640, (count, points, 2)).astype(np.float32)
    seen = RANDOM.integers(0, 3, (count, points, 1)) if labels else RANDOM.random((count, points, 1))
    edges = np.concatenate([places.min(axis=1), places.max(axis=1) + 1], axis=1)
    scores = None if labels else (RANDOM.integers(1, 20, count) / 20).astype(np.float32)  # with ties
    areas = ((edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1]) / 2).astype(np.float32)
    crowd = RANDOM.random(count) < 0.2 if labels else None
    boxes = Boxes(edges, np.zeros(count, np.int32), scores, crowd, areas)
    return Poses(np.concatenate([places, seen], axis=2).astype(np.float32), boxes)


def made(name, labels, points=17):
    class Data:
        location = "here"

        def __iter__(self):
            return iter([type("Sample", (), {"label": labels[0]})])

    return metrics()[name].make(Data(), interface(points, 3), TaskOptions())


def scored(metric, found, truth):
    return metric.score_decoded(found, truth) | {"finite": np.ones(len(truth), bool)}


def pictures(case):
    truth, found = [], []
    for _ in range(12):
        labels = poses_of(0 if case == "nobody" and RANDOM.random() < 0.4 else RANDOM.integers(1, 4), labels=True)
        if case == "no points":
            labels.points[:1, :, 2] = 0
        near = labels.points[..., :2] + RANDOM.normal(0, 25, (*labels.points.shape[:2], 2)).round()
        extra = poses_of(RANDOM.integers(0, 25 if case == "many" else 3), labels=False)
        points = np.concatenate([near, np.ones_like(near[..., :1])], axis=-1)
        both = np.concatenate([points, extra.points]).astype(np.float32)
        scores = np.concatenate([RANDOM.integers(1, 20, len(points)) / 20, extra.boxes.scores]).astype(np.float32)
        if case == "nothing found":
            both, scores = both[:0], scores[:0]
        truth.append(labels)
        found.append(Poses(both, Boxes(np.zeros((len(both), 4), np.float32), np.zeros(len(both), np.int32), scores)))
    return truth, found


def reference(truth, found):
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    data = {
        "images": [{"id": i} for i in range(len(truth))],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [],
    }
    for picture, labels in enumerate(truth):
        for number in range(len(labels)):
            left, top, right, bottom = labels.boxes.xyxy[number].tolist()
            data["annotations"].append(
                {
                    "id": len(data["annotations"]) + 1, "image_id": picture, "category_id": 1, "area": float(labels.boxes.areas[number]),
                    "bbox": [left, top, right - left, bottom - top], "iscrowd": int(labels.boxes.crowd[number]),
                    "keypoints": labels.points[number].reshape(-1).tolist(), "num_keypoints": int((labels.points[number, :, 2] > 0).sum()),
                }
            )  # fmt: skip
    results = [
        {
            "image_id": picture,
            "category_id": 1,
            "keypoints": one.points[n].reshape(-1).tolist(),
            "score": float(one.boxes.scores[n]),
        }
        for picture, one in enumerate(found)
        for n in range(len(one))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = data
        known.createIndex()
        judged = COCOeval(known, known.loadRes(results) if results else COCO(), "keypoints")
        assert judged.params.kpt_oks_sigmas == pytest.approx(SIGMAS)
        if not results:
            return 0.0
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return judged.stats[0]


@pytest.mark.parametrize("case", ["some", "many", "nobody", "no points", "nothing found"])
def test_average_precision_is_that_of_pycocotools(case):
    truth, found = pictures(case)
    metric = made("oks-ap", [poses_of(1, labels=True)])
    scores = scored(metric, found, truth)
    precision, *further = metric.summarize(scores)
    assert precision.value == pytest.approx(reference(truth, found), abs=1e-6)
    if case == "nothing found":
        assert precision.low is None  # draws that are all alike are not certain
    else:
        assert precision.low <= precision.value <= precision.high
    assert further[0].metric == "pck"
    perfect = [
        Poses(one.points, Boxes(one.boxes.xyxy, one.boxes.classes, np.ones(len(one), np.float32))) for one in truth
    ]
    before = scored(metric, perfect, truth)
    drop = metric.drop(before, scores, None)
    assert drop.value == pytest.approx(metric.summarize(before)[0].value - precision.value)
    assert drop.verdict.startswith("drops")


def test_right_points_are_near_in_the_size_of_their_person():
    truth = [
        np.array([[10, 10], [110, 10], [10, 60]], np.float32),
        np.array([[0, 0, 0], [50, 0, 2], [0, 40, 1]], np.float32),
    ]
    found = [
        Poses(np.array([[[30, 10, 1], [110, 31, 1], [10, 60, 1]]], np.float32)),  # 20, 21 and 0 of 100 pixels
        Poses(np.array([[[99, 99, 1], [50, 10, 1], [0, 40.0, 1]]], np.float32)),  # not annotated, 10 and 0 of 50 pixels
    ]
    metric = made("pck", truth, 3)
    scores = scored(metric, found, truth)
    pck, distance = metric.summarize(scores)
    assert pck.value == pytest.approx(4 / 5)
    assert distance.value == pytest.approx(((0.2 + 0.21) / 3 + 0.2 / 2) / 2)
    rows = metric.details(scores, None, max_class_drop=None)["per_class"]
    assert [(row.label, row.value, row.n) for row in rows] == [
        ("point 0", 1.0, 1),
        ("point 1", 0.5, 2),
        ("point 2", 1.0, 2),
    ]
    assert metric.told(scores, 0) == "2 of 3 points right"
    nothing = scored(metric, [Poses(np.zeros((0, 3, 3), np.float32))] * 2, truth)
    assert metric.summarize(nothing)[0].value == 0
    assert metric.losses(nothing, scores) == pytest.approx([2 / 3, 1])
    assert metric.drop(scores, nothing, None).value == pytest.approx(4 / 5)


def test_names_of_keypoints_are_those_of_the_data(tmp_path):
    names = [{"id": 1, "name": "hand", "keypoints": ["thumb", "wrist"]}]
    path = coco_file(tmp_path / "d")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"categories": names}))
    data = open_dataset(path)
    metric = metrics()["pck"].make(data, interface(2, 2), TaskOptions())
    scores = scored(metric, [sample.label for sample in data], [sample.label for sample in data])
    assert [row.label for row in metric.details(scores, None, max_class_drop=None)["per_class"]] == ["thumb"]


def test_people_are_assigned_and_not_counted_twice():
    points = RANDOM.integers(0, 100, (3, 4, 2)).astype(np.float32)
    labels = Poses(np.concatenate([points, np.full((3, 4, 1), 2)], -1).astype(np.float32))
    metric = made("pck", [labels], 4)
    assert metric.summarize(scored(metric, [Poses(labels.points[::-1])], [labels]))[0].value == 1
    lone = metric.summarize(scored(metric, [Poses(np.repeat(labels.points[:1], 3, 0))], [labels]))[0].value
    assert lone < 1
    with pytest.raises(DataError, match="The model gives 3 keypoints, and the labels have 4"):
        scored(metric, [Poses(labels.points[:, :3])], [labels])
    with pytest.raises(DataError, match=r"A label has the shape \[5\], and keypoints are arrays"):
        made("pck", [np.zeros(5)])


def test_without_labels_points_are_near_the_baselines():
    metric = made("keypoint-agreement", [None])
    points = RANDOM.integers(0, 100, (1, 17, 3)).astype(np.float32)
    points[..., 2] = 0  # a low score is no missing point
    moved = points.copy()
    moved[0, :3, 0] += 500
    scores = metric.compare_decoded([Poses(moved)], [Poses(points)]) | {"finite": np.ones(1, bool)}
    likeness = metric.likeness(scores, ())
    assert likeness.figure.value == pytest.approx(14 / 17)
    assert metric.losses(scores)[0] > 0.5


def coco_file(root, **changes):
    root.mkdir()
    Image.new("RGB", (20, 10)).save(root / "a.jpg")
    Image.new("RGB", (20, 10)).save(root / "b.jpg")
    person = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [1, 2, 10, 5],
        "area": 30,
        "iscrowd": 0,
        "keypoints": [3, 4, 2, 0, 0, 0],
    }
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    categories = [{"id": 1, "name": "person", "keypoints": ["nose", "tail"]}]
    content = {"images": images, "annotations": [person | changes], "categories": categories}
    (root / "points.json").write_text(json.dumps(content))
    return root / "points.json"


def test_cocos_keypoints_are_data(tmp_path):
    data = open_dataset(coco_file(tmp_path / "d"))
    assert (data.kind, len(data)) == ("poses", 1)
    (sample,) = data
    assert sample.label.points.tolist() == [[[3, 4, 2], [0, 0, 0]]]
    assert sample.label.boxes.xyxy.tolist() == [[1, 2, 11, 7]]
    assert sample.label.boxes.areas.tolist() == [30]
    assert sample.read().size == (20, 10)
    assert len(data.fingerprint()) == 64


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keypoints": [1, 2]}, "has 2 numbers of keypoints"),
        ({"keypoints": "all"}, "has no 'keypoints' that is made of numbers"),
        ({"bbox": [1, None, 2, 3]}, "has no 'bbox' that is made of numbers"),
        ({"image_id": 7}, "is of the image 7, which is not listed"),
    ],
)
def test_broken_keypoints_are_told_by_entry(tmp_path, changes, words):
    with pytest.raises(DataError, match=f"The entry 0 of annotations in .*{words}"):
        open_dataset(coco_file(tmp_path / "d", **changes))


def test_pictures_of_keypoints_exist_below_their_folder(tmp_path):
    path = coco_file(tmp_path / "d")
    (tmp_path / "d" / "a.jpg").rename(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"1 of 1 annotated pictures at .* are not in .*: a\.jpg"):
        open_dataset(path)
    assert len(open_dataset(f"{path}:images={tmp_path}")) == 1
    path.write_text(path.read_text().replace("a.jpg", "../a.jpg"))
    with pytest.raises(DataError, match="names 1 file outside of"):
        open_dataset(path)


def test_points_that_are_nowhere_are_told():
    truth = [poses_of(1, labels=True) for _ in range(4)]
    metric = made("pck", truth)
    far = [Poses(np.concatenate([one.points[..., :2] / 640, one.points[..., 2:]], -1)) for one in truth]
    metric.open = lambda interface: opened(17, 3)
    run = SimpleNamespace(interface=None, contract=SimpleNamespace(preprocessing=SimpleNamespace(name="raw")))
    (finding,) = wrong_reading(run, scored(metric, far, truth), metric)
    assert re.match(r"The baseline finds \d\.\d% of \d+ keypoints; half of the pictures", finding.message)
    assert "--reader" in finding.advice
    assert wrong_reading(run, scored(metric, truth, truth), metric) == []
