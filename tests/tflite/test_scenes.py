"""The scenes of the quickstart, and the small files in tests/data/tasks that were trained on them."""

import json

import numpy as np
import pytest
from conftest import DATA
from PIL import Image

from tflitekit.optimization.quickstart.digits import LABELS
from tflitekit.optimization.quickstart.scene_files import MASK_LABELS, write_coco, write_masks
from tflitekit.optimization.quickstart.scenes import scenes
from tflitekit.optimization.quickstart.segmenter import labels_of
from tflitekit.tflite.runtime import Model

TASKS = DATA / "tasks"


@pytest.fixture(scope="module")
def composed():
    return list(scenes("test", 12, 64))


def test_a_scene_depends_on_its_number_alone(composed):
    again = list(scenes("test", 3, 64))
    for one, other in zip(again, composed, strict=False):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.boxes, other.boxes)
    [of_training] = scenes("train", 1, 64)
    assert not np.array_equal(of_training.image, composed[0].image)


def test_boxes_and_masks_show_the_same(composed):
    for scene in composed:
        assert len(scene.boxes) == len(scene.digits) >= 1
        for (left, top, right, bottom), digit in zip(scene.boxes.astype(int), scene.digits, strict=True):
            assert 0 <= left < right <= 64
            assert 0 <= top < bottom <= 64
            assert (scene.mask[top:bottom, left:right] == digit + 1).any()
        assert set(np.unique(scene.mask)) <= {0, *(scene.digits + 1)}


def test_labels_of_two_by_two_pixels_say_how_much_a_digit_covers(composed):
    mask = np.zeros((4, 4), np.uint8)
    mask[0, 1], mask[2:, 2:] = 8, 3
    covered, digits = np.moveaxis(labels_of(mask), -1, 0)
    assert covered.tolist() == [[0.25, 0], [0, 1]]
    assert digits[0, 0] == 7 and digits[1, 1] == 2
    assert labels_of(composed[0].mask)[..., 0].mean() == pytest.approx((composed[0].mask > 0).mean())


def test_files_hold_what_was_composed(composed, tmp_path):
    write_coco(tmp_path, composed)
    write_masks(tmp_path, composed)
    content = json.loads((tmp_path / "annotations.json").read_text())
    assert [category["name"] for category in content["categories"]] == list(LABELS)
    first = [entry for entry in content["annotations"] if entry["image_id"] == 0]
    left, top, right, bottom = composed[0].boxes[0]
    assert first[0]["bbox"] == [left, top, right - left, bottom - top]
    assert first[0]["category_id"] == composed[0].digits[0] + 1
    assert np.array_equal(np.asarray(Image.open(tmp_path / "images" / "0003.png")), composed[3].image)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "masks" / "0003.png")), composed[3].mask)


@pytest.mark.parametrize(("task", "output"), [("detection", (1, 64, 14)), ("segmentation", (1, 64, 64, 11))])
def test_committed_files_are_what_their_readme_says(task, output, composed):
    for name in ("float32", "int8"):
        path = TASKS / task / f"{name}.tflite"
        assert path.stat().st_size < 50_000
        assert tuple(Model(path).outputs[0].shape) == output
    labels = (TASKS / task / "labels.txt").read_text().split()
    assert tuple(labels) == (LABELS if task == "detection" else MASK_LABELS)
    for number, scene in enumerate(composed):
        picture = Image.open(TASKS / task / "scenes" / "images" / f"{number:04d}.png")
        assert np.array_equal(np.asarray(picture), scene.image)


def test_the_committed_detector_finds_digits(composed):
    """Most of its surest cells lie on a digit of the class that they name."""
    model = Model(TASKS / "detection" / "float32.tflite")
    right = 0
    for scene in composed:
        cells = model.run([scene.image[None] / np.float32(255)])[0][0]
        best = cells[cells[:, 4:].max(axis=1).argmax()]
        left, top, right_edge, bottom = scene.boxes[scene.digits == best[4:].argmax()].T
        right += bool(((left < best[0]) & (best[0] < right_edge) & (top < best[1]) & (best[1] < bottom)).any())
    assert right >= 7  # of 12; by chance one or none


def test_the_committed_network_tells_digits_from_the_background(composed):
    model = Model(TASKS / "segmentation" / "float32.tflite")
    found = [model.run([scene.image[None] / np.float32(255)])[0][0].argmax(axis=-1) for scene in composed]
    pairs = [
        ((mask > 0) & (scene.mask > 0), (mask > 0) | (scene.mask > 0))
        for mask, scene in zip(found, composed, strict=True)
    ]
    assert sum(both.sum() for both, _ in pairs) > 0.6 * sum(either.sum() for _, either in pairs)
