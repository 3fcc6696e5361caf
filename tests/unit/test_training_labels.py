"""Labels as training stores them: in pixels of the model's input, in rows of one length."""

import numpy as np
import pytest

from tflitekit.core.errors import DataError, UsageError
from tflitekit.data.annotations import Boxes, Mask, Poses
from tflitekit.data.frame import Frame
from tflitekit.data.samples import Dataset
from tflitekit.training.data.augmentation import check_labels_follow
from tflitekit.training.data.labels import stack_labels, stored_label

FRAME = Frame((8, 4), (4, 4), (0.5, 0.5), (0.0, 1.0))
"""A picture of 8 x 4 pixels, halved, with a bar of one pixel above and below."""


def boxes(*rows, crowd=None):
    table = np.asarray(rows, np.float32).reshape(-1, 5)
    return Boxes(table[:, :4], table[:, 4].astype(np.int32), crowd=crowd)


def test_boxes_lie_in_the_input_and_those_around_crowds_are_left_out():
    label = boxes((2, 0, 4, 2, 7), (0, 0, 8, 4, 1), crowd=np.array([False, True]))
    assert stored_label(label, lambda: FRAME).tolist() == [[1, 1, 2, 2, 7]]


def test_keypoints_lie_in_the_input_and_keep_their_visibility():
    label = Poses(np.array([[[2, 2, 2], [0, 0, 0]]], np.float32))
    assert stored_label(label, lambda: FRAME).tolist() == [[[1, 2, 2], [0, 1, 0]]]


def test_a_mask_has_the_class_under_each_pixel_and_nothing_beyond_the_picture():
    mask = np.arange(32, dtype=np.uint8).reshape(4, 8)
    mask[3, 7] = 255
    found = stored_label(Mask(lambda: mask, "a.png", ignore=255), lambda: FRAME)
    assert found.tolist() == [[-1] * 4, [9, 11, 13, 15], [25, 27, 29, -1], [-1] * 4]
    assert found.dtype == np.int16


def test_a_value_that_is_given_is_ignored_in_masks_and_in_arrays_that_may_be_some():
    mask = Mask(lambda: np.full((4, 8), 7, np.uint8), "a.png")
    assert set(stored_label(mask, lambda: FRAME, 7).ravel().tolist()) == {-1}
    assert stored_label(np.array([[1, 255]], np.uint8), lambda: FRAME, 255).tolist() == [[1, -1]]
    for other in (255, np.float32([[255]]), np.array([255, 3])):
        assert stored_label(other, lambda: FRAME, 255) is other


def test_a_mask_of_another_size_is_named():
    with pytest.raises(DataError, match=r"The mask a\.png has 3 x 2 pixels, and its picture 8 x 4"):
        stored_label(Mask(lambda: np.zeros((2, 3), np.uint8), "a.png"), lambda: FRAME)


def test_samples_with_fewer_boxes_are_filled_up():
    samples = [boxes((0, 0, 1, 1, 3), (0, 0, 2, 2, 4)), boxes(), boxes((0, 0, 4, 4, 5))]
    stored = [stored_label(label, lambda: Frame.whole(4, 4)) for label in samples]
    found, kind = stack_labels([*stored, None], samples[0], Dataset("here"))
    assert kind == "boxes"
    assert found.shape == (4, 2, 5)
    assert found[..., 4].tolist() == [[3, 4], [-1, -1], [5, -1], [-1, -1]]


def test_samples_without_any_box_have_one_row():
    found, _ = stack_labels([stored_label(boxes(), lambda: Frame.whole(4, 4))] * 2, boxes(), Dataset("here"))
    assert found.tolist() == [[[-1] * 5]] * 2


@pytest.mark.parametrize("kind", ["mask", "boxes", "poses"])
def test_what_moves_pixels_is_refused_where_labels_would_stay_behind(kind):
    with pytest.raises(
        UsageError, match=r"'flip' moves the pixels of pictures, and labels that are \w+ would not follow"
    ):
        check_labels_follow("flip", kind, (4, 5), own_loss=True)


def test_what_moves_pixels_is_taken_where_labels_take_no_part_or_name_the_whole_picture():
    check_labels_follow("flip", "boxes", (4, 5), own_loss=False)
    check_labels_follow("flip", "class", (), own_loss=True)
    check_labels_follow("flip", "values", (3,), own_loss=False)
    check_labels_follow("own.py:colors", "mask", (4, 4), own_loss=True)
    with pytest.raises(UsageError, match="pictures or maps"):
        check_labels_follow("crop", "values", (8, 8, 1), own_loss=False)
