"""Training: what is minimized, seeds, resuming, reuse, controls and bad input, on small real models with few steps."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from conftest import shape_arrays
from edit_tflite import edit_constants

from tflitekit.conversion import ConvertOptions, convert
from tflitekit.errors import ConversionError, DataError, ModelError, TflitekitError, UsageError
from tflitekit.files import content_hash
from tflitekit.preprocessing import Preprocessing
from tflitekit.progress import Progress
from tflitekit.schemes import parse_request
from tflitekit.source import identify
from tflitekit.tensor import TensorSpec
from tflitekit.training.checkpoint import read_arrays
from tflitekit.training.options import TrainingOptions
from tflitekit.training.plan import Trainer
from tflitekit.training.three_way import check_gap, compare_three, first_difference, layer_differences
from tflitekit.training_record import Score
from tflitekit.variant import read_sidecar

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[convert]'")
pytestmark = pytest.mark.convert

SEED = 20210
FEATURES, CLASSES, SAMPLES = 6, 3, 60


# -- what is minimized: stages run in this process, without a conversion ----------------------------------------------


def features(classes=CLASSES, count=SAMPLES, seed=0):
    """Returns samples ``(count, 6)`` whose class can be seen from one value, and their classes."""
    generator = np.random.default_rng(seed)
    y = np.arange(count) % classes
    x = generator.normal(size=(count, FEATURES)).astype(np.float32)
    x[np.arange(count), y] += 3
    return x, y


def network(package, head=None, *, outputs=CLASSES, **compiled):
    """A small dense network of Keras 3 or tf_keras, with weights from a seed."""
    layers = package.layers
    package.utils.set_random_seed(1)
    inputs = package.Input((FEATURES,), name="features")
    x = layers.Dense(16, activation="relu", name="hidden")(inputs)
    model = package.Model(inputs, layers.Dense(outputs, activation=head, name="answer")(x))
    if compiled:
        model.compile(optimizer="adam", **compiled)
    return model


def train(model, data, folder, scheme="finetuned", *, inputs=None, labels=None, seed=SEED, custom_objects=None, **options):
    """Runs the stages of a scheme in this process."""
    if not isinstance(model, str | Path):
        path = folder / "model.keras"
        if type(model).__module__.startswith("tf_keras"):
            path = folder / "model.h5"
        model.save(path)
        model = path

    def submit(call, arguments, label):
        from tflitekit.training.job import train_stage

        future = Future()
        try:
            future.set_result(train_stage(**json.loads(json.dumps(arguments))))
        except TflitekitError as error:
            future.set_exception(error)
        return future

    source = identify(model)
    trainer = Trainer(
        source_file=source,
        model=model,
        source_key=source.sha256,
        loading={"unsafe_load": False, "custom_objects": custom_objects},
        options=TrainingOptions(data=data, **({"epochs": 1, "batch_size": 20, "validation_split": 0.2} | options)),
        inputs=inputs or [TensorSpec(name="features", shape=(1, FEATURES), dtype="float32")],
        preprocessing=Preprocessing(name="raw"),
        labels=labels,
        batch=1,
        input_shapes={},
        seed=seed,
        work=folder / "work",
        tensorboard=folder / "tensorboard",
        submit=submit,
        jobs=1,
        progress=Progress(),
    )
    return trainer.train(parse_request(scheme))


def reference(trained):
    """Returns what training keeps of the validation samples: float outputs, trained outputs, and labels."""
    groups, _ = read_arrays(trained.folder / "reference.npz")
    return groups["float"][0], groups["trained"][0], groups["labels"][0]


def softmax(values):
    exponentials = np.exp(values - values.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def crossentropy(probabilities, labels):
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


TINY = 1e-12  # a learning rate that leaves the weights alone: the loss on validation data is that of the given model


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
@pytest.mark.parametrize("head", ["softmax", None, "sigmoid", "binary logits"])
def test_the_loss_follows_labels_and_output(package, head, tmp_path):
    binary = head in ("sigmoid", "binary logits")
    model = network(
        pytest.importorskip(package), None if head == "binary logits" else head, outputs=1 if binary else CLASSES
    )
    trained = train(model, features(2 if binary else CLASSES), tmp_path, learning_rate=TINY)
    output, _, labels = reference(trained)
    if head == "softmax":
        expected = crossentropy(output, labels)
    elif head is None:
        expected = crossentropy(softmax(output), labels)
    else:
        one = output[:, 0] if head == "sigmoid" else 1 / (1 + np.exp(-output[:, 0]))
        expected = crossentropy(np.stack([1 - one, one], axis=1), labels)
    epoch = trained.record.stages[0].history[0]
    assert epoch.val_loss == pytest.approx(expected, rel=1e-4)
    found = (output[:, 0] > (0.5 if head == "sigmoid" else 0)) if binary else output.argmax(1)
    assert epoch.val_metric == pytest.approx(np.mean(found == labels))
    assert trained.record.loss == ("binary_crossentropy" if binary else "sparse_categorical_crossentropy")
    assert trained.record.metric == "accuracy"


def test_values_are_learned_by_their_squared_error(models, tmp_path):
    inputs = [TensorSpec(name="features", shape=(1, 8), dtype="float32")]
    trained = train(models / "regression.keras", models / "regression.npz", tmp_path, inputs=inputs, learning_rate=TINY)
    output, _, targets = reference(trained)
    assert trained.record.loss == "mse"  # what the model was compiled with
    assert trained.record.metric is None
    epoch = trained.record.stages[0].history[0]
    assert epoch.val_loss == pytest.approx(np.mean((output[:, 0] - targets.reshape(-1)) ** 2), rel=1e-4)


def test_class_numbers_suit_a_model_that_was_compiled_for_vectors(tmp_path):
    import keras

    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    trained = train(network(keras, "softmax", loss=smoothed), features(), tmp_path, learning_rate=TINY)
    output, _, labels = reference(trained)
    wanted = np.eye(CLASSES)[labels] * 0.9 + 0.1 / CLASSES
    assert trained.record.stages[0].history[0].val_loss == pytest.approx(-(wanted * np.log(output)).sum(1).mean(), rel=1e-4)
    assert "smoothed by 0.1" in trained.record.loss
    (tmp_path / "b").mkdir()
    plain = train(
        network(keras, "softmax", loss="categorical_crossentropy"), features(), tmp_path / "b", learning_rate=TINY
    )
    assert plain.record.loss == "sparse_categorical_crossentropy"


OWN = '''
import tensorflow as tf
import tf_keras

def loss(y_true, y_pred):
    return 7.0 + 0.0 * tf.reduce_sum(y_pred, axis=-1)

def metric(y_true, y_pred):
    return 5.0 + 0.0 * tf.reduce_sum(y_pred, axis=-1)

class Count(tf_keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        with open("{folder}/batches", "a") as stream:
            stream.write("x")

def callbacks():
    return [Count()]

def optimizer(schedule):
    return tf_keras.optimizers.RMSprop(schedule)

def train(model, batches, validation, *, steps_per_epoch, epochs, initial_epoch, callbacks):
    with open("{folder}/own", "a") as stream:
        stream.write(f"{{steps_per_epoch}} {{initial_epoch}} {{epochs}};")
    model.fit(batches, validation_data=validation, steps_per_epoch=steps_per_epoch, epochs=epochs,
              initial_epoch=initial_epoch, callbacks=callbacks, verbose=0)

def train_alone(model, batches, validation, **options):
    for x, y in batches.take(2):
        model.train_on_batch(x, y)

def augment(x, seed):
    return x * 0.0

def explode(y_true, y_pred):
    return tf.reduce_sum(y_pred, axis=-1) * float("nan")

class Spoil(tf_keras.callbacks.Callback):
    """Makes the weights NaN in a step of the second epoch."""
    def on_train_batch_begin(self, batch, logs=None):
        if self.model.optimizer.iterations == 4:
            self.model.set_weights([w * float("nan") for w in self.model.get_weights()])

def spoil():
    return Spoil()

def pause(y_true=None, y_pred=None):
    import time
    time.sleep(0.5)

class Slow(tf_keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        import time
        if epoch:
            time.sleep(1.5)

def slow():
    return Slow()
'''


@pytest.fixture
def own(tmp_path):
    """The path of a file with functions of one's own."""
    path = tmp_path / "own_functions.py"
    path.write_text(OWN.format(folder=tmp_path))
    return path


def test_functions_of_ones_own(own, tmp_path):
    import keras

    model = network(keras, "softmax")
    trained = train(
        model, features(), tmp_path, "qat", epochs=4, loss=f"{own}:loss", metric=f"{own}:metric",
        callbacks=f"{own}:callbacks", optimizer=f"{own}:optimizer", function=f"{own}:train",
    )  # fmt: skip
    record = trained.record
    assert (record.loss, record.metric, record.optimizer) == ("loss", "metric", "RMSprop")
    assert {epoch.val_loss for epoch in record.stages[0].history} == {7.0}
    assert {epoch.val_metric for epoch in record.stages[0].history} == {5.0}
    assert (tmp_path / "batches").read_text() == "x" * 8  # 48 samples to train on: 2 steps of 20, 4 epochs
    assert (tmp_path / "own").read_text() == "2 0 3;2 3 4;"  # the last quarter has fixed ranges
    changed = own.read_text().replace("7.0", "8.0")
    own.write_text(changed)
    again = train(model, features(), tmp_path, "qat", epochs=4, loss=f"{own}:loss")
    assert again.key != trained.key


def test_a_training_function_without_callbacks_keeps_its_last_weights(own, tmp_path):
    import keras

    trained = train(network(keras, "softmax"), features(), tmp_path, function=f"{own}:train_alone", learning_rate=0.1)
    before, after, _ = reference(trained)
    assert np.abs(before - after).max() > 1e-3
    assert trained.record.stages[0].history == ()


def test_class_weights(tmp_path):
    import keras

    x, y = features(count=90)
    keep = np.flatnonzero((y != 0) | (np.arange(90) % 9 == 0))  # class 0 is three times as rare
    x, y = x[keep], y[keep]
    (tmp_path / "weights.json").write_text(json.dumps([0, 0, 1]))
    outcomes = {}
    for name in (None, "balanced", str(tmp_path / "weights.json")):
        folder = tmp_path / f"{len(outcomes)}"
        folder.mkdir()
        trained = train(
            network(keras, "softmax"), (x, y), folder, class_weights=name, learning_rate=0.1, epochs=4,
            validation=features(seed=1),
        )  # fmt: skip
        outcomes[name] = np.bincount(reference(trained)[1].argmax(1), minlength=CLASSES)
        assert trained.record.class_weights == name
    assert outcomes["balanced"][0] > outcomes[None][0]
    assert outcomes[str(tmp_path / "weights.json")].tolist() == [0, 0, SAMPLES]  # nothing else counts
    with pytest.raises(UsageError, match="holds 2 class weights, and there are 3 classes"):
        (tmp_path / "weights.json").write_text("[1, 2]")
        train(network(keras, "softmax"), (x, y), tmp_path, class_weights=str(tmp_path / "weights.json"))


@pytest.mark.parametrize("head", ["softmax", None, "sigmoid"])
def test_distillation_keeps_the_outputs_of_the_float_model(head, tmp_path):
    import keras

    # SGD: Adam would make whole steps of the rounding noise in gradients that should be zero.
    outputs = 1 if head == "sigmoid" else CLASSES
    x, y = features(2 if outputs == 1 else CLASSES)
    wrong = (y + 1) % (y.max() + 1)
    moved = {}
    for share in (None, 1.0):
        folder = tmp_path / str(share)
        folder.mkdir()
        model = network(keras, head, outputs=outputs)
        trained = train(model, (x, wrong), folder, distill=share, optimizer="sgd", learning_rate=0.05, epochs=3)
        before, after, _ = reference(trained)
        moved[share] = np.abs(before - after).max()
        assert trained.record.distill == share
    assert moved[1.0] < 1e-5 < 0.05 < moved[None]  # the teacher is the model itself, so there is nothing to learn


def test_augmentation_changes_what_is_trained_on_and_not_what_is_validated_on(own, tmp_path):
    import keras

    trained = train(network(keras, "softmax"), features(), tmp_path, augment=f"{own}:augment", learning_rate=TINY)
    output, _, labels = reference(trained)
    epoch = trained.record.stages[0].history[0]
    assert epoch.val_loss == pytest.approx(crossentropy(output, labels), rel=1e-4)
    assert epoch.loss == pytest.approx(np.log(CLASSES), rel=1e-4)  # zeros in, the same probability for each class out
    assert trained.record.augmentation == f"{own}:augment"


def test_patience_stops_and_the_best_epoch_is_kept(tmp_path):
    import keras

    x, y = features()
    validation = features(seed=5)
    trained = train(
        network(keras, "softmax"), (x, (y + 1) % CLASSES), tmp_path, validation=validation, patience=2, epochs=9,
        learning_rate=0.05,
    )  # fmt: skip  # what is learned is wrong, so the longer the worse
    stage = trained.record.stages[0]
    assert stage.stopped == "early stopping"
    assert len(stage.history) == stage.best_epoch + 2 < 9
    best = max(stage.history, key=lambda epoch: (epoch.val_metric, -epoch.val_loss))
    assert stage.best_epoch == best.epoch
    assert crossentropy(reference(trained)[1], reference(trained)[2]) == pytest.approx(best.val_loss, rel=1e-4)
    assert trained.record.validation == "arrays in memory"
    assert trained.record.steps == 9 * 3  # what was asked for: a control with the same budget is its control


def test_without_validation_data_the_last_epoch_is_kept(tmp_path):
    import keras

    trained = train(network(keras, "softmax"), features(), tmp_path, validation_split=0, epochs=2)
    stage = trained.record.stages[0]
    assert (trained.record.validation, trained.record.validation_samples) == ("none", 0)
    assert (stage.best_epoch, stage.history[1].val_loss) == (2, None)
    assert len(reference(trained)[2]) == SAMPLES  # parity is looked at on what was trained on


def test_tensorboard(tmp_path):
    import keras

    trained = train(network(keras, "softmax"), features(), tmp_path, "qat", tensorboard=True, epochs=2)
    (events,) = (tmp_path / "tensorboard" / "qat" / "1").rglob("events.out.tfevents*")
    import tensorflow as tf

    written = [(v.tag, e.step) for e in tf.compat.v1.train.summary_iterator(str(events)) for v in e.summary.value]
    names = {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert set(written) == {(name, epoch) for name in names for epoch in (1, 2)}
    assert trained.record.tensorboard == str(tmp_path / "tensorboard")


def test_several_inputs_and_outputs(models, tmp_path):
    generator = np.random.default_rng(0)
    data = {
        "left": generator.normal(size=(40, 4)).astype(np.float32),
        "a-right": generator.normal(size=(40, 3)).astype(np.float32),
        "y": np.arange(40) % 5,
    }
    inputs = [
        TensorSpec(name="left", shape=(1, 4), dtype="float32"),
        TensorSpec(name="a-right", shape=(1, 3), dtype="float32"),
    ]
    trained = train(models / "two_inputs.keras", data, tmp_path, inputs=inputs, output="alpha", learning_rate=TINY)
    assert trained.output == "alpha"
    output, after, labels = reference(trained)
    assert output.shape == (8, 5)  # a fifth of each of 5 classes, rounded
    assert trained.record.stages[0].history[0].val_loss == pytest.approx(
        crossentropy(softmax(output), labels), rel=1e-4
    )
    np.testing.assert_allclose(output, after, atol=1e-5)
    with pytest.raises(UsageError, match=r"(?s)no output 'beta'.*zeta, alpha"):
        train(models / "two_inputs.keras", data, tmp_path, inputs=inputs, output="beta")
    distilled = train(models / "two_inputs.keras", data, tmp_path, "qat", inputs=inputs, output="alpha", distill=0.5)
    assert np.isfinite(distilled.record.stages[0].history[0].loss)


def test_integer_inputs(models, tmp_path):
    inputs = [TensorSpec(name="tokens", shape=(1, 20), dtype="int32")]
    x = np.random.default_rng(0).integers(0, 50, (40, 20))
    trained = train(models / "tokens.keras", (x, np.arange(40) % 2), tmp_path, "qat", inputs=inputs)
    assert trained.record.loss == "binary_crossentropy"
    assert trained.record.stages[0].steps == 1


def test_sequential_and_nested_models(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((16,)), keras.layers.Dense(8, "relu", name="inside")], name="block")
    outer = keras.Sequential(
        [keras.Input((FEATURES,), name="features"), keras.layers.Dense(16), inner, keras.layers.Dense(CLASSES)]
    )
    trained = train(outer, features(), tmp_path, "qat")
    assert "block/inside" in trained.paths.values()
    before, after, _ = reference(trained)
    assert np.mean(before.argmax(1) == after.argmax(1)) > 0.8  # two small steps of training, and int8
