"""What is minimized where labels are more than one class: pixels, boxes, keypoints, several classes; few steps on small models."""

import numpy as np
import pytest
from test_training_run import reference, train

from tflitekit.core.arrays import read_arrays
from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.annotations import Boxes, Mask, Poses
from tflitekit.data.samples import Dataset, Sample

tf_keras = pytest.importorskip("tf_keras", reason="TensorFlow is not installed: pip install '.[convert]'")

SIDE, COUNT = 8, 24
PICTURES = np.random.default_rng(2).uniform(0, 1, (COUNT, SIDE, SIDE, 3)).astype(np.float32)
INPUTS = [TensorSpec(name="image", shape=(1, SIDE, SIDE, 3), dtype="float32")]


class Labelled(Dataset):
    """Pictures as arrays, with one label each."""

    def __init__(self, labels):
        super().__init__("pictures in memory")
        self._labels = labels

    def __iter__(self):
        for number, (picture, label) in enumerate(zip(PICTURES, self._labels, strict=True)):
            yield Sample(str(number), label, lambda picture=picture: {"x": picture})

    def __len__(self):
        return COUNT

    def fingerprint(self):
        return None


def network(*heads):
    """A convolution, and what the heads make of it."""
    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(1)
    inputs = tf_keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="body")(inputs)
    outputs = [head(x) for head in heads]
    return tf_keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0])


def cells(name, channels):
    return lambda x: tf_keras.layers.Reshape((-1, channels), name=name)(
        tf_keras.layers.Conv2D(channels, 1, name=f"{name}_of_cells")(x)
    )


def pixels(classes, activation="softmax"):
    return tf_keras.layers.Conv2D(classes, 1, activation=activation, name="pixels")


def some_boxes():
    generator = np.random.default_rng(3)
    corners = [np.sort(generator.uniform(0, SIDE, (n % 3, 2, 2)), axis=1).reshape(-1, 4) for n in range(COUNT)]
    return [Boxes(c.astype(np.float32), np.arange(len(c), dtype=np.int32)) for c in corners]


def bright_pixels():
    """The class of a pixel says whether it is bright; the first row is not known."""
    masks = (PICTURES.mean(axis=-1) > 0.5).astype(np.uint8)
    masks[:, 0] = 255
    return [Mask(lambda mask=mask: mask, str(n), ignore=255) for n, mask in enumerate(masks)]


def history(trained):
    return trained.record.stages[-1].history


def fit(model, labels, folder, scheme="finetuned", **options):
    return train(model, Labelled(labels), folder, scheme, inputs=INPUTS, **options)


def test_boxes_without_a_loss_are_left_out_and_the_float_model_teaches(tmp_path):
    trained = fit(network(cells("found", 6)), some_boxes(), tmp_path, "qat")
    assert trained.record.loss == "squared difference from the float model's outputs"
    assert any(
        "The boxes took no part in training" in note and "--loss module:function" in note
        for note in trained.record.notes
    )
    assert history(trained)[0].val_loss > 0  # rounding has moved the outputs
    before, after, labels = reference(trained)
    assert np.square(after - before).mean() < 0.1 * before.var()
    assert labels.shape[1:] == (2, 5)


def test_all_outputs_are_taught_where_there_are_several(tmp_path):
    trained = fit(network(cells("places", 4), cells("scores", 2)), some_boxes(), tmp_path, "qat")
    assert history(trained)[0].loss > 0
    assert trained.record.loss.startswith("squared difference")


OWN = """
import tensorflow as tf

def one(y_true, y_pred):
    tf.debugging.assert_equal(tf.shape(y_true)[1:], [2, 5])
    real = tf.cast(y_true[..., 4] >= 0, tf.float32)
    return tf.reduce_mean(tf.square(y_pred - tf.reduce_sum(real)), axis=[1, 2])

def several(y_true, y_pred):
    assert sorted(y_pred) == ["places", "scores"], y_pred
    assert y_pred["places"].shape[1:] == (64, 4)
    return tf.reduce_mean(tf.square(y_pred["places"] - 30.0), axis=[1, 2])
"""


def test_a_loss_of_ones_own_gets_boxes_in_rows_and_all_outputs_by_name(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(OWN)
    for name, heads in {"one": [cells("found", 6)], "several": [cells("places", 4), cells("scores", 2)]}.items():
        folder = tmp_path / name
        folder.mkdir()
        trained = fit(network(*heads), some_boxes(), folder, loss=f"{own}:{name}", epochs=3, learning_rate=0.02)
        losses = [epoch.loss for epoch in history(trained)]
        assert losses[-1] < losses[0]
        assert trained.record.loss == name


def test_a_loss_of_keras_cannot_compare_keypoints(tmp_path):
    poses = [Poses(np.ones((1, 3, 3), np.float32))] * COUNT
    with pytest.raises(UsageError, match="The loss 'mse' cannot compare keypoints with the model's outputs"):
        fit(network(cells("found", 6)), poses, tmp_path, loss="mse")


@pytest.mark.parametrize(("classes", "name"), [(2, "categorical"), (1, "binary")])
def test_pixels_have_a_crossentropy_each(tmp_path, classes, name):
    model = network(pixels(classes, "softmax" if classes > 1 else "sigmoid"))
    trained = fit(model, bright_pixels(), tmp_path, epochs=20, learning_rate=0.05)
    assert trained.record.loss == f"{name} cross-entropy of each pixel"
    _, after, labels = reference(trained)
    assert (labels[:, 0] == -1).all()
    found = after.argmax(axis=-1) if classes > 1 else (after[..., 0] > 0.5)
    assert (found == labels)[:, 1:].mean() > 0.65  # a constant answer has about half


def test_unknown_pixels_and_padding_count_for_nothing():
    from tflitekit.training.run.task_losses import of_known_pixels, pixel_crossentropy

    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), (2, 4, 4)).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 3, (2, 4, 4)).astype(np.int16)
    labels[0, :2] = -1
    labels[1] = -1
    picked = np.take_along_axis(probabilities[0, 2:], labels[0, 2:, :, None].astype(int), axis=-1)
    found = pixel_crossentropy(3, probabilities=True)(labels, probabilities).numpy()
    assert found == pytest.approx([-np.log(picked).mean(), 0], rel=1e-5)
    squared = of_known_pixels(tf_keras.losses.mean_squared_error, 3)(labels, probabilities).numpy()
    wanted = np.square(np.eye(3)[labels[0, 2:]] - probabilities[0, 2:]).mean()
    assert squared == pytest.approx([wanted, 0], rel=1e-5)


def test_masks_are_fitted_to_a_smaller_output():
    from tflitekit.training.run.task_losses import pixel_crossentropy

    labels = np.kron(np.arange(4).reshape(2, 2), np.ones((2, 2))).astype(np.int16)[None]
    right = np.eye(4, dtype=np.float32)[np.arange(4).reshape(1, 2, 2)]
    assert pixel_crossentropy(4, probabilities=True)(labels, right).numpy() == pytest.approx([0], abs=1e-6)


def test_masks_that_do_not_fit_the_output(tmp_path):
    masks = [Mask(lambda: np.full((SIDE, SIDE), 3, np.uint8), "a.png")] * COUNT
    with pytest.raises(DataError, match="have the class 3, and the model's output 'pixels' has 2 classes"):
        fit(network(pixels(2)), masks, tmp_path)
    with pytest.raises(DataError, match=r"are masks, and the model's output 'found' has \[64, 6\]"):
        fit(network(cells("found", 6)), masks, tmp_path)


def test_zeros_and_ones_for_each_class(tmp_path):
    layers = tf_keras.layers
    labels = np.eye(3, dtype=np.float32)[np.arange(COUNT) % 3]
    labels = np.maximum(labels, np.roll(labels, 1, axis=1))
    model = network(lambda x: layers.Dense(3, "sigmoid", name="answer")(layers.GlobalAveragePooling2D()(x)))
    assert fit(model, list(labels), tmp_path).record.loss == "binary_crossentropy"


def two_outputs():
    """A class and four numbers, which cells cannot tell apart, of one body; and what both are of the pictures."""
    layers = tf_keras.layers
    model = network(
        lambda x: layers.Dense(2, "softmax", name="kind")(layers.GlobalAveragePooling2D()(x)),
        lambda x: layers.Dense(3, name="color")(layers.GlobalAveragePooling2D()(x)),
    )
    colors = PICTURES.mean(axis=(1, 2))
    kinds = (colors[:, 0] > np.median(colors[:, 0])).astype(int)
    return model, [{"kind": int(kind), "color": color} for kind, color in zip(kinds, colors, strict=True)]


def test_each_output_with_labels_is_trained_by_a_loss_of_its_own(tmp_path):
    model, labels = two_outputs()
    trained = fit(model, labels, tmp_path, epochs=30, learning_rate=0.05, validation_split=0)
    assert trained.record.loss == "kind: sparse_categorical_crossentropy, color: mean_squared_error"
    assert (trained.output, trained.record.metric) == ("kind", "accuracy")
    assert trained.labelled == ("kind", "color")  # which training may move
    groups, _ = read_arrays(trained.folder / "reference.npz")
    wanted = np.array([one["color"] for one in labels])
    before, after = (np.square(groups[name][1] - wanted).mean() for name in ("float", "trained"))
    assert after < 0.1 * before


def test_losses_have_names_and_weights_by_output(tmp_path):
    model, labels = two_outputs()
    options = {"epochs": 1, "output": "kind=1,color=3", "loss": ["color=mae"]}
    trained = fit(model, labels, tmp_path / "a", **options)
    assert trained.record.loss == "color: 0.75 x mae, kind: 0.25 x sparse_categorical_crossentropy"
    assert trained.output == "color"
    model.compile("sgd", {"kind": "sparse_categorical_crossentropy", "color": "mae"}, loss_weights={"color": 4.0})
    trained = fit(model, labels, tmp_path / "b", epochs=1, distill=0.5)
    assert trained.record.loss == "kind: 1 x sparse_categorical_crossentropy, color: 4 x mae"


def test_boxes_beside_other_labels_are_left_to_the_float_model(tmp_path):
    labels = [{"scores": np.zeros((64, 2), np.float32), "places": one} for one in some_boxes()]
    trained = fit(network(cells("places", 4), cells("scores", 2)), labels, tmp_path)
    assert (trained.output, trained.record.loss) == ("scores", "mean_squared_error")
    assert any("The boxes took no part in training" in note for note in trained.record.notes)


def test_labels_by_output_belong_to_outputs(tmp_path):
    model, labels = two_outputs()
    with pytest.raises(DataError, match="have labels for kind and color, and none for 'size'"):
        fit(model, labels, tmp_path, output="size")
    with pytest.raises(DataError, match="have labels for 'size', and the model has no output of that name"):
        fit(model, [one | {"size": 1.5} for one in labels], tmp_path)
    with pytest.raises(UsageError, match="--loss names 'color', which is not trained"):
        fit(model, labels, tmp_path, output="kind", loss="color=mae")
    with pytest.raises(UsageError, match="Class weights are for one output, and kind, color are trained"):
        fit(model, labels, tmp_path, class_weights="balanced")
    with pytest.raises(DataError, match="one label a sample, and --output names 2 outputs"):
        fit(model, [one["kind"] for one in labels], tmp_path, output="kind=1,color=1")


def test_labels_of_one_output_are_taken_for_it(tmp_path):
    both = [{"places": np.zeros((64, 4), np.float32), "scores": np.zeros((64, 2), np.float32)}] * COUNT
    model = network(cells("places", 4), cells("scores", 2))
    assert reference(fit(model, both, tmp_path, output="scores"))[2].shape[1:] == (64, 2)
    single = [{"scores": np.zeros((64, 2), np.float32)}] * COUNT
    assert reference(fit(model, single, tmp_path))[2].shape[1:] == (64, 2)
