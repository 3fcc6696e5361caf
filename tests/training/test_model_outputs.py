"""What stands right before the outputs of a model that is trained: their columns, and joins of values of unlike ranges."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[convert]'")

import keras
import tf_keras

from tflitekit.training.model.outputs import column_axes, unlike_joins
from tflitekit.training.model.rebuild import rebuild
from tflitekit.training.quantize.annotate import annotate_model

SAMPLES = [np.random.default_rng(0).random((8, 8, 8, 3), np.float32)]


def detector(reach, *, first):
    """Boxes that reach so far and scores to 1, of 64 candidates; in one output, with the numbers first or last."""
    layers = tf_keras.layers
    x = image = tf_keras.Input((8, 8, 3), name="image")
    boxes = layers.Reshape((64, 4))(layers.Conv2D(4, 1, activation="sigmoid")(x))
    boxes = layers.Rescaling(reach, name="pixels")(boxes)
    scores = layers.Reshape((64, 5))(layers.Conv2D(5, 1, activation="sigmoid")(x))
    out = layers.Concatenate(name="detections")([boxes, scores])
    return tf_keras.Model(image, layers.Permute((2, 1), name="turned")(out) if first else out)


@pytest.mark.parametrize(("first", "axis", "left"), [(False, 2, {"detections"}), (True, 1, {"detections", "turned"})])
def test_boxes_and_scores_are_joined_in_float_so_that_each_has_its_scale(first, axis, left):
    model = rebuild(detector(96.0, first=first)).model
    assert column_axes(model) == [axis]
    assert unlike_joins(model, SAMPLES) == left
    annotated = annotate_model(model, samples=SAMPLES)
    assert {row.layer for row in annotated.layers if row.treatment == "left float"} == left
    whole = annotate_model(model, samples=SAMPLES, part_joins=False)
    assert {row.treatment for row in whole.layers} == {"quantized"}


def test_parts_of_one_range_are_joined_in_integers():
    assert unlike_joins(rebuild(detector(1.0, first=False)).model, SAMPLES) == frozenset()


def test_columns_are_followed_through_operations():
    x = image = keras.Input((8, 8, 3))
    rows = keras.ops.reshape(keras.layers.Conv2D(5, 1)(x), (-1, 64, 5))
    turned = keras.ops.transpose(rows, (0, 2, 1))
    model = keras.Model(image, [rows, turned, keras.layers.Reshape((5, 16, 4))(turned)])
    assert column_axes(rebuild(model).model) == [2, 1, 1]
