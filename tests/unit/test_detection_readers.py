"""How the outputs of detectors become boxes in the picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tflitekit.accuracy.coco.matching import box_overlaps
from tflitekit.accuracy.metric_choice import choose_metric
from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.annotations import Boxes
from tflitekit.data.dataset import open_dataset
from tflitekit.data.frame import Frame
from tflitekit.options.evaluate import ScoringOptions
from tflitekit.tasks import readers as readers_module
from tflitekit.tasks.anchors import generated_anchors
from tflitekit.tasks.found import CANDIDATES, _highest
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import Reader, columns_of, open_reader, readers

pytest.importorskip("cv2", reason="OpenCV is not installed: '.[tasks]'")

SIDE = 64
# Left, top, right and bottom in a picture of twice the input's width and half its height.
BOXES = np.asarray([[20, 4, 60, 12], [90, 8, 120, 24]], np.float32)
CLASSES = np.asarray([2, 0])
SCORES = np.asarray([0.9, 0.6], np.float32)
FRAME = Frame((2 * SIDE, SIDE // 2), (SIDE, SIDE), (0.5, 2.0))
INSIDE = BOXES * np.asarray([0.5, 2, 0.5, 2], np.float32)  # in pixels of the input


def _interface(*outputs: tuple[str, tuple[int, ...]], classes: int | None = None, **rest: Any) -> Interface:
    specs = tuple(TensorSpec(name=name, shape=(1, *shape), dtype="float32") for name, shape in outputs)
    picture = TensorSpec(name="image", shape=(1, SIDE, SIDE, 3), dtype="float32")
    names = None if classes is None else tuple(f"class {number}" for number in range(classes))
    return Interface((picture,), specs, classes=names, **rest)


def _centered(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def _scores(rows: int, classes: int) -> np.ndarray:
    """Returns scores whose first rows are those of the boxes, each of which comes a second time with a lower one."""
    values = np.zeros((rows, classes), np.float32)
    values[np.arange(2), CLASSES] = SCORES
    values[np.arange(2) + 2, CLASSES] = SCORES / 2
    return values


def _rows(boxes: np.ndarray, count: int) -> np.ndarray:
    """Returns the boxes twice, and others that have no score."""
    return np.concatenate([boxes, boxes, np.full((count - 4, 4), boxes.max())]).astype(np.float32)


def _check(reader: Reader, *outputs: np.ndarray, boxes: np.ndarray = BOXES, classes: Any = CLASSES) -> None:
    found = reader.read(outputs, FRAME)
    assert isinstance(found, Boxes) and found.scores is not None
    assert found.xyxy.dtype == found.scores.dtype == np.float32 and found.classes.dtype == np.int32
    np.testing.assert_allclose(found.xyxy, boxes, atol=2e-3)
    np.testing.assert_array_equal(found.classes, classes)
    np.testing.assert_allclose(found.scores, SCORES[: len(boxes)], rtol=1e-5)
    assert json.loads(json.dumps(reader.describe()))["name"] == reader.name


@pytest.mark.parametrize("classes", [3, None])
@pytest.mark.parametrize("normalized", [True, False])
def test_yolov8(normalized: bool, classes: int | None) -> None:
    rows = np.concatenate([_centered(_rows(INSIDE, 10)) / (SIDE if normalized else 1), _scores(10, 3)], axis=1)
    reader = open_reader(_interface(("out", (7, 10)), classes=classes), task="detection", wanted=None)
    assert reader.name == "yolov8"
    _check(reader, rows.T)


def test_yolov8_with_the_candidates_first() -> None:
    rows = np.concatenate([_centered(_rows(INSIDE, 10)), _scores(10, 3)], axis=1)
    reader = open_reader(_interface(("out", (10, 7)), classes=3), task="detection", wanted=None)
    assert reader.name == "yolov8"
    _check(reader, rows)


@pytest.mark.parametrize(("classes", "wanted"), [(3, None), (None, "yolov5")])
def test_yolov5_multiplies_by_the_score_of_an_object(classes: int | None, wanted: str | None) -> None:
    objects = np.full((10, 1), 0.5, np.float32)
    rows = np.concatenate([_centered(_rows(INSIDE, 10)), objects, _scores(10, 3) * 2], axis=1)
    reader = open_reader(_interface(("out", (10, 8)), classes=classes), task="detection", wanted=wanted)
    assert reader.name == "yolov5"
    _check(reader, rows)


@pytest.mark.parametrize(
    ("names", "telling"),
    [
        (("boxes", "classes", "scores", "number"), False),
        (("boxes", "classes", "scores", "number"), True),
        (("scores", "boxes", "number", "classes"), False),
        (("number", "classes", "scores", "boxes"), True),
    ],
)
def test_four_outputs_in_any_order(names: tuple[str, ...], telling: bool) -> None:
    values = {
        "boxes": (_rows(INSIDE / SIDE, 10)[:, [1, 0, 3, 2]]),
        "classes": np.concatenate([CLASSES, np.zeros(8)]).astype(np.float32),
        "scores": np.concatenate([SCORES, np.full(8, 0.5)]).astype(np.float32),
        "number": np.float32(2),
    }
    shown = names if telling else [f"out:{index}" for index in range(4)]
    interface = _interface(*((show, values[name].shape) for show, name in zip(shown, names, strict=True)))
    reader = open_reader(interface, task="detection", wanted=None)
    assert reader.name == "tflite-detection"
    by_output = dict(zip(shown, (values[name] for name in names), strict=True))
    _check(reader, *(by_output[name] for name in reader.outputs))


def test_the_order_of_four_outputs_can_be_named() -> None:
    interface = _interface(("a", ()), ("b", (10,)), ("c", (10,)), ("d", (10, 4)))
    assert open_reader(interface, task="detection", wanted="tflite-detection:order=nscb").outputs == (
        "d",
        "c",
        "b",
        "a",
    )
    with pytest.raises(UsageError, match="four letters"):
        open_reader(interface, task="detection", wanted="tflite-detection:order=boxes")


def test_end_to_end() -> None:
    rows = np.zeros((300, 6), np.float32)
    rows[:2] = np.concatenate([INSIDE, SCORES[:, None], CLASSES[:, None]], axis=1)
    reader = open_reader(_interface(("out", (300, 6)), classes=3), task="detection", wanted=None)
    assert reader.name == "end-to-end"
    _check(reader, rows)


def test_detr_takes_the_best_class_of_each_query_and_leaves_out_no_object() -> None:
    logits = np.zeros((20, 4), np.float32)
    logits[:, 3] = 30
    share = np.stack([np.where(np.arange(4) == place, 0, -30) for place in CLASSES])
    logits[:2] = share
    logits[np.arange(2), 3] = np.log((1 - SCORES) / SCORES)
    reader = open_reader(_interface(("boxes", (20, 4)), ("logits", (20, 4)), classes=3), task="detection", wanted=None)
    assert reader.name == "detr"
    _check(reader, _rows(_centered(INSIDE / SIDE), 20), logits)


def _offsets(anchors: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    wanted = _centered(boxes / SIDE)
    place = (wanted[:, :2] - anchors[: len(wanted), :2]) / anchors[: len(wanted), 2:] / 0.1
    size = np.log(wanted[:, 2:] / anchors[: len(wanted), 2:]) / 0.2
    return np.concatenate([place[:, ::-1], size[:, ::-1]], axis=1).astype(np.float32)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".json"])
def test_ssd_with_anchors_from_a_file(tmp_path: Path, suffix: str) -> None:
    generator = np.random.default_rng(0)
    anchors = generator.uniform(0.2, 0.6, (12, 4)).astype(np.float32)
    path = tmp_path / f"anchors{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps(anchors.tolist()))
    else:
        (np.save if suffix == ".npy" else np.savez)(path, anchors)
    offsets = np.zeros((12, 4), np.float32)
    offsets[:4] = _offsets(anchors, np.concatenate([INSIDE, INSIDE]))
    interface = _interface(("boxes", (12, 4)), ("scores", (12, 4)), classes=3, meanings={"scores": "probabilities"})
    reader = open_reader(interface, task="detection", wanted=f"ssd:anchors={path}")
    scores = np.concatenate([np.zeros((12, 1), np.float32), _scores(12, 3)], axis=1)  # the background comes first
    _check(reader, offsets, scores)


def test_ssd_with_anchors_by_rule() -> None:
    anchors = generated_anchors("ssd", (300, 300))
    assert anchors.shape == (1917, 4)  # as every SSD MobileNet of 300 pixels has
    # The first and the last as in TensorFlow's own file box_priors.txt.
    np.testing.assert_allclose(anchors[0], [0.5 / 19, 0.5 / 19, 0.1, 0.1], atol=1e-6)
    np.testing.assert_allclose(anchors[-1], [0.5, 0.5, np.sqrt(0.95), np.sqrt(0.95)], atol=1e-6)
    retina, efficient = (generated_anchors(rule, (320, 320)) for rule in ("retina", "efficientdet"))
    assert retina.shape == efficient.shape == (19206, 4)  # as EfficientDet-Lite0 has
    side = 32 / 320
    np.testing.assert_allclose(
        retina[:4, 2], [side, side * 2 ** (1 / 3), side * 2 ** (2 / 3), side * 2**0.5], rtol=1e-5
    )
    np.testing.assert_allclose(efficient[:4, 2], [side, side * 2**0.5, side * 0.5**0.5, side * 2 ** (1 / 3)], rtol=1e-5)
    made = generated_anchors("ssd", (SIDE, SIDE))
    interface = _interface(("boxes", (len(made), 4)), ("scores", (len(made), 3)), classes=3)
    offsets = np.zeros((len(made), 4), np.float32)
    offsets[:4] = _offsets(made, np.concatenate([INSIDE, INSIDE]))
    scores = np.clip(_scores(len(made), 3), 1e-6, None)
    reader = open_reader(interface, task="detection", wanted="ssd")
    _check(reader, offsets, np.log(scores / (1 - scores)))  # a sigmoid's, as there is no background


def test_boxes_as_they_are() -> None:
    interface = _interface(("boxes", (10, 4)), ("scores", (10, 3)), classes=3, meanings={"scores": "probabilities"})
    reader = open_reader(interface, task="detection", wanted="boxes:box=xywh")
    rows = np.concatenate([INSIDE[:, :2], INSIDE[:, 2:] - INSIDE[:, :2]], axis=1)
    _check(reader, _rows(rows, 10), _scores(10, 3))


def test_boxes_of_unlike_classes_suppress_each_other_only_when_asked() -> None:
    rows = np.zeros((300, 6), np.float32)
    rows[:2] = [[-60, -60, 40, 40, 0.9, 1], [-60, -60, 40, 40, 0.8, 0]]
    columns = np.concatenate([_centered(rows[:2, :4]), np.eye(2)[[1, 0]] * rows[:2, 4:5]], axis=1).astype(np.float32)
    interface = _interface(("out", (6, 2)), classes=2)
    apart = open_reader(interface, task="detection", wanted="yolov8").read([columns.T], Frame.whole(SIDE, SIDE))
    assert apart.classes.tolist() == [1, 0] and apart.xyxy.min() == 0  # cut off at the picture's edge
    together = open_reader(interface, task="detection", wanted="yolov8:agnostic=true")
    assert together.read([columns.T], Frame.whole(SIDE, SIDE)).classes.tolist() == [1]


def test_what_is_no_number_is_no_box() -> None:
    rows = np.concatenate([_centered(_rows(INSIDE, 10)), _scores(10, 3)], axis=1)
    rows[0, 0], rows[1, 4 + CLASSES[1]] = np.nan, np.nan
    reader = open_reader(_interface(("out", (7, 10)), classes=3), task="detection", wanted="yolov8:score=0.4")
    found = reader.read([rows.T], FRAME)
    np.testing.assert_allclose(found.scores, SCORES[:1] / 2)  # only the second box at the first place is left


def test_of_many_candidates_the_best_are_kept_as_if_all_were_looked_at() -> None:
    generator = np.random.default_rng(5)
    place, size = generator.uniform(0, SIDE, (4000, 2)), generator.uniform(4, 30, (4000, 2))
    scores = generator.integers(1, 200, (4000, 3)) / 200
    rows = np.concatenate([place, size, scores], axis=1).astype(np.float32)
    interface = _interface(("out", (7, 4000)), classes=3)
    found = open_reader(interface, task="detection", wanted="yolov8:iou=0.3,most=50").read(
        [rows.T], Frame.whole(SIDE, SIDE)
    )
    candidates = np.argsort(-rows[:, 4:].reshape(-1), kind="stable")[:1000]
    kept: list[int] = []
    edges = np.concatenate([place - size / 2, place + size / 2], axis=1).astype(np.float32)
    for candidate in candidates:  # greedy, as non-maximum suppression is defined
        same = [other for other in kept if other % 3 == candidate % 3]
        if not (box_overlaps(edges[[candidate // 3]], edges[[other // 3 for other in same]]) > 0.3).any():
            kept.append(candidate)
    kept = kept[:50]
    np.testing.assert_array_equal(found.classes, [candidate % 3 for candidate in kept])
    np.testing.assert_allclose(found.scores, [rows[candidate // 3, 4 + candidate % 3] for candidate in kept])


def test_a_candidate_far_outside_makes_no_pixels_of_shares() -> None:
    rows = np.zeros((200, 7), np.float32)
    rows[:2, :4] = _centered(INSIDE) / SIDE
    rows[np.arange(2), 4 + CLASSES] = SCORES
    rows[2, :5], rows[3, 2] = (0.5, 0.5, 9.0, 9.0, 0.0005), 1e30
    reader = open_reader(_interface(("out", (200, 7)), classes=3), task="detection", wanted="yolov8")
    _check(reader, rows)


def test_nothing_is_found_in_an_output_of_zeros() -> None:
    interface = _interface(("out", (7, 10)), classes=3)
    assert len(open_reader(interface, task="detection", wanted=None).read([np.zeros((7, 10), np.float32)], FRAME)) == 0


def test_no_reader_and_several() -> None:
    with pytest.raises(DataError, match=r"'out' \[10\], and no reader of detection fits") as none:
        open_reader(_interface(("out", (10,))), task="detection", wanted=None)
    assert "yolov8" in str(none.value)
    assert "cells" not in str(none.value)
    with pytest.raises(
        DataError, match=r"(?s)need a decoding that this model leaves to the app.*--reader my_reader\.py:read"
    ):
        open_reader(_interface(("heat", (24, 24, 3)), ("size", (24, 24, 2))), task="detection", wanted=None)
    with pytest.raises(DataError, match="end-to-end, yolov8 and yolov5 can read, each otherwise"):
        open_reader(_interface(("out", (300, 6))), task="detection", wanted=None)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("yolov8:score=2", "option score is 2"),
        ("yolov8:most=0", "option most is 0"),
        ("yolov8:box=corners", "option box is 'corners'"),
        ("yolov8:coordinates=percent", "option coordinates is 'percent'"),
        ("yolov8:threshold=1", "no option 'threshold'"),
    ],
)
def test_options_that_cannot_be(wanted: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_reader(_interface(("out", (7, 10)), classes=3), task="detection", wanted=wanted)


def test_anchors_that_cannot_be(tmp_path: Path) -> None:
    interface = _interface(("boxes", (12, 4)), ("scores", (12, 3)), classes=3)
    (tmp_path / "a.json").write_text("[[1, 2]]")
    np.save(tmp_path / "b.npy", np.zeros((9, 4)))
    np.savez(tmp_path / "c.npz", a=np.zeros((12, 4)), b=np.zeros(3))
    for name, message in (
        ("a.json", r"shape \[1, 2\]"),
        ("b.npy", "has 9 anchors"),
        ("c.npz", "a, b"),
        ("no.npy", "No such file"),
    ):
        with pytest.raises(DataError, match=message):
            open_reader(interface, task="detection", wanted=f"ssd:anchors={tmp_path / name}")


def test_every_reader_of_detection_says_what_it_reads() -> None:
    for kind in readers("detection").values():
        assert (kind.open.__doc__ or "").startswith("Reads ")


def test_a_reader_as_contributing_shows() -> None:
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = [block.split("```")[0] for block in text.split("```python\n") if "@reader(" in block.split("```")[0]]
    exec(compile(code, "faces", "exec", dont_inherit=True), {"__name__": "faces"})
    try:
        one = open_reader(_interface(("out", (50, 5))), task="detection", wanted="faces:score=0.5")
    finally:
        readers_module._registry._things.pop("faces")
    rows = np.zeros((50, 5), np.float32)
    rows[:2] = np.concatenate([INSIDE, SCORES[:, None]], axis=1)
    _check(one, rows, classes=[0, 0])


def test_why_a_reader_does_not_fit_is_told_of_several_outputs_too(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4]}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(DataError) as error:
        choose_metric(
            open_dataset(tmp_path), _interface(("boxes", (100, 4)), ("scores", (100, 2))), ScoringOptions(reader="ssd")
        )
    assert "does not fit the outputs 'boxes' [100, 4], 'scores' [100, 2]" in error.value.what
    assert "offsets from anchors" in str(error.value.why)  # and not the outputs again


@pytest.mark.parametrize(
    ("reader", "outputs", "axes", "names"),
    [
        ("yolov8", [("out", (7, 9))], [1], "center x, center y, width, height, score of 'a', score of 'b', score of 'c'"),
        ("yolov5:box=xyxy", [("out", (9, 8))], [2], "left, top, right, bottom, score of an object, score of 'a', score of 'b', score of 'c'"),
        ("end-to-end:box=yxyx", [("out", (9, 6))], [2], "top, left, bottom, right, score, class"),
        ("boxes:box=xywh", [("boxes", (9, 4)), ("scores", (9, 3))], [2, 2], "left, top, width, height, score of 'a', score of 'b', score of 'c'"),
    ],
)  # fmt: skip
def test_readers_know_what_each_column_is(reader, outputs, axes, names):
    interface = replace(_interface(*outputs, classes=3), classes=("a", "b", "c"))
    found = columns_of(open_reader(interface, task="detection", wanted=reader), interface.classes)
    assert [each.axis for each in found.values()] == axes
    assert ", ".join(name for each in found.values() for name in each.names) == names
    for (_, shape), each in zip(outputs, found.values(), strict=True):
        assert len(each.names) == shape[each.axis - 1]


@pytest.mark.parametrize("levels", [0, 3, 256])
@pytest.mark.parametrize("least", [0.001, 0.5])
def test_the_highest_scores_are_those_of_sorting_all_of_them(levels, least):
    generator = np.random.default_rng(levels)
    values = generator.random(40_003, np.float32)
    if levels:  # quantized scores have many equal ones
        values = np.floor(values * levels).astype(np.float32) / np.float32(levels)
    values[generator.integers(0, len(values), 2000)] = np.nan
    for some in (values, values[:900], values[:20_000] * np.float32(0.6)):
        places = np.flatnonzero(some >= least)
        expected = np.sort(places[np.argsort(-some[places], kind="stable")[:CANDIDATES]])
        np.testing.assert_array_equal(_highest(some, least), expected)
