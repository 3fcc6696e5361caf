"""Training: what is minimized, seeds, resuming, reuse, controls and bad input, on small real models with few steps."""

import contextlib
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import interruptible
from edit_tflite import edit_constants

from tflitekit.conversion import convert
from tflitekit.core.arrays import read_arrays
from tflitekit.core.errors import ConversionError, DataError, ModelError, TflitekitError, UsageError
from tflitekit.core.process.crew import Crew
from tflitekit.core.progress import Progress
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import InputPipeline
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.engines.three_way import check_gap, compare_three, first_difference, layer_differences
from tflitekit.hardware import default_schemes, load_profile
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.training import TrainingOptions
from tflitekit.schemes import parse_request
from tflitekit.source.models import identify
from tflitekit.tflite.training_record import OutputDrift
from tflitekit.tflite.variant import read_sidecar
from tflitekit.training.run.plan import TrainingPlan

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[convert]'")

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


def saved(model, folder):
    """Returns the path of a model that is saved; what is saved again is another file."""
    path = folder / ("model.h5" if type(model).__module__.startswith("tf_keras") else "model.keras")
    model.save(path)
    return path


def run_here(call, arguments, label):
    """Trains a stage in this process."""
    from tflitekit.training.run.job import train_stage

    future = Future()
    try:
        future.set_result(train_stage(**json.loads(json.dumps(arguments))))
    except TflitekitError as error:
        future.set_exception(error)
    return future


def train(model, data, folder, scheme="finetuned", **how):
    """Runs the stages of a scheme."""
    return plan(model, data, folder, **how).train(parse_request(scheme))


def plan(
    model, data, folder, *, inputs=None, labels=None, seed=SEED, custom_objects=None, submit=run_here, **options
):  # fmt: skip
    if not isinstance(model, str | Path):
        model = saved(model, folder)
    source = identify(model)
    training = TrainingOptions(data=data, **({"epochs": 1, "batch_size": 20, "validation_split": 0.2} | options))
    inputs = inputs or [TensorSpec(name="features", shape=(1, FEATURES), dtype="float32")]
    return TrainingPlan(
        source,
        source_key=source.sha256,
        conversion=ConvertOptions(training=training, custom_objects=custom_objects, seed=seed, jobs=1),
        pipeline=InputPipeline(inputs, Preprocessing(name="raw")),
        labels=labels,
        work=folder / "work",
        submit=submit,
        progress=Progress(),
    )


def reference(trained):
    """Returns what training keeps of the validation samples: float outputs, trained outputs, and labels."""
    groups, facts = read_arrays(trained.folder / "reference.npz")
    index = facts["index"]
    return groups["float"][index], groups["trained"][index], groups["labels"][0]


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


def test_whole_numbers_can_be_values(tmp_path):
    import keras

    x, _ = features()
    prices = 1_000_000_000 + 7 * np.arange(SAMPLES)  # each of its own: no classes to hold a share of out
    trained = train(network(keras, outputs=1), (x, prices), tmp_path, learning_rate=TINY)
    output, _, labels = reference(trained)
    assert trained.record.loss == "mean_squared_error"
    assert trained.record.validation_samples == SAMPLES // 5
    assert trained.record.stages[0].history[0].val_loss == pytest.approx(
        np.mean((output[:, 0] - labels) ** 2), rel=1e-3
    )


def test_class_numbers_suit_a_model_that_was_compiled_for_vectors(tmp_path):
    import keras

    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    trained = train(network(keras, "softmax", loss=smoothed), features(), tmp_path, learning_rate=TINY)
    output, _, labels = reference(trained)
    wanted = np.eye(CLASSES)[labels] * 0.9 + 0.1 / CLASSES
    assert trained.record.stages[0].history[0].val_loss == pytest.approx(
        -(wanted * np.log(output)).sum(1).mean(), rel=1e-4
    )
    assert "smoothed by 0.1" in trained.record.loss
    (tmp_path / "b").mkdir()
    plain = train(
        network(keras, "softmax", loss="categorical_crossentropy"), features(), tmp_path / "b", learning_rate=TINY
    )
    assert plain.record.loss == "sparse_categorical_crossentropy"


def test_a_loss_keeps_its_settings_and_takes_class_numbers(tmp_path):
    import keras

    for number, (loss, expected) in enumerate((
        (keras.losses.CategoricalFocalCrossentropy(alpha=0.5, gamma=1.0), lambda p: -(0.5 * (1 - p) * np.log(p))),
        ("categorical_focal_crossentropy", lambda p: -(0.25 * (1 - p) ** 2 * np.log(p))),
    )):  # fmt: skip
        (tmp_path / str(number)).mkdir()
        model = network(keras, "softmax", loss=loss)
        trained = train(model, features(), tmp_path / str(number), learning_rate=TINY, class_weights="balanced")
        output, _, labels = reference(trained)
        found = trained.record.stages[0].history[0]
        of_label = output[np.arange(len(labels)), labels]
        assert found.val_loss == pytest.approx(expected(of_label).mean(), rel=1e-4)
        assert found.val_metric == pytest.approx(np.mean(output.argmax(1) == labels))


def test_a_loss_with_settings_is_a_mean_over_the_batch(tmp_path):
    import keras

    x, y = features(2)
    moved = []
    for number, loss in enumerate((keras.losses.BinaryFocalCrossentropy(gamma=2.0), "binary_focal_crossentropy")):
        (tmp_path / str(number)).mkdir()
        model = network(keras, "sigmoid", outputs=1, loss=loss)
        trained = train(model, (x, y), tmp_path / str(number), optimizer="sgd", learning_rate=0.1)
        moved.append(reference(trained)[1])
    np.testing.assert_allclose(*moved, atol=1e-6)  # a sum would make steps twenty times as long


@pytest.mark.parametrize("losses", [["mae", "mse"], {"first": "mae", "second": "mse"}])
def test_each_output_has_the_loss_that_it_was_compiled_with(losses, tmp_path):
    import keras

    inputs = keras.Input((FEATURES,), name="features")
    heads = [keras.layers.Dense(1, name=name)(inputs) for name in ("first", "second")]
    model = keras.Model(inputs, heads)
    model.compile("adam", loss=losses)
    x, _ = features()
    path = saved(model, tmp_path)
    for output, name in (("first", "mae"), ("second", "mse")):
        assert train(path, (x, x[:, 0]), tmp_path, output=output).record.loss == name


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

class Hold(tf_keras.callbacks.Callback):
    """Waits before an epoch as long as there is a file for it."""
    def on_epoch_begin(self, epoch, logs=None):
        import os, time
        while os.path.exists("{folder}/hold-" + str(epoch)):
            time.sleep(0.05)

def hold():
    return Hold()

class Enough(tf_keras.callbacks.Callback):
    """Stops after the first epoch."""
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True

def enough():
    return Enough()

class Unmeasured(tf_keras.callbacks.Callback):
    """Takes away what the first epoch reached on validation data."""
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            logs.update(val_loss=float("nan"), val_accuracy=float("nan"))

def unmeasured():
    return Unmeasured()

class Die(tf_keras.callbacks.Callback):
    """Ends the first run when all its epochs are done."""
    def on_train_end(self, logs=None):
        import os
        if not os.path.exists("{folder}/died"):
            open("{folder}/died", "w").close()
            raise KeyboardInterrupt

def die():
    return Die()
'''


@pytest.fixture
def own(tmp_path):
    """The path of a file with functions of one's own."""
    path = tmp_path / "own_functions.py"
    path.write_text(OWN.format(folder=tmp_path))
    return path


def test_functions_of_ones_own(own, tmp_path):
    import keras

    model = saved(network(keras, "softmax"), tmp_path)
    names = ("loss", "metric", "callbacks", "optimizer")
    options = {"epochs": 4, **{name: f"{own}:{name}" for name in names}, "function": f"{own}:train"}
    trained = train(model, features(), tmp_path, "qat", **options)
    record = trained.record
    assert (record.loss, record.metric, record.optimizer) == ("loss", "metric", "RMSprop")
    assert {epoch.val_loss for epoch in record.stages[0].history} == {7.0}
    assert {epoch.val_metric for epoch in record.stages[0].history} == {5.0}
    assert (tmp_path / "batches").read_text() == "x" * 8  # 48 samples to train on: 2 steps of 20, 4 epochs
    assert (tmp_path / "own").read_text() == "2 0 3;2 3 4;"  # the last quarter has fixed ranges
    assert train(model, features(), tmp_path, "qat", **options).key == trained.key
    own.write_text(own.read_text().replace("7.0", "8.0"))
    again = train(model, features(), tmp_path, "qat", **options)
    assert again.record.stages[0].history[0].val_loss == 8.0  # changed code trains again


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
    (tmp_path / "weights.json").write_text("[1, 2]")
    with pytest.raises(UsageError, match="holds 2 class weights, but there are 3 classes"):
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


def test_outputs_without_labels_are_held_to_the_float_model(tmp_path):
    import keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((FEATURES,), name="features")
    x = keras.layers.Dense(16, activation="relu")(inputs)
    kind, amount = keras.layers.Dense(CLASSES, name="kind")(x), keras.layers.Dense(2, name="amount")(x)
    model = keras.Model(inputs, [kind, amount, keras.ops.argmax(amount, axis=-1)])
    labels = np.random.default_rng(0).permutation(features()[1])  # which nothing in the shared layer helps with
    trained = train(model, (features()[0], labels), tmp_path, epochs=10, learning_rate=3e-2, output="kind")
    groups, facts = read_arrays(trained.folder / "reference.npz")
    assert facts["outputs"][:2] == ["kind", "amount"]
    kinds, amounts = zip(*(groups[key][:2] for key in ("float", "trained")), strict=True)
    moved = [np.sqrt(np.mean((b - a) ** 2)) / np.std(a) for a, b in (kinds, amounts)]
    assert moved[0] > 0.5  # it did train
    assert moved[1] < 0.3


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


def test_a_callback_of_ones_own_stops_all_phases(own, tmp_path):
    import keras

    model = saved(network(keras, "softmax"), tmp_path)
    for scheme in ("qat", "finetuned"):
        (stage,) = train(model, features(), tmp_path, scheme, callbacks=f"{own}:enough", epochs=4).record.stages
        assert (len(stage.history), stage.best_epoch, stage.stopped) == (1, 1, "early stopping")
    (stage,) = train(model, features(), tmp_path, callbacks=f"{own}:enough", epochs=1).record.stages
    assert stage.stopped is None  # there was nothing left to do


def test_a_training_that_was_killed_after_it_stopped_early_does_not_go_on(own, tmp_path):
    import keras

    model, (x, y) = saved(network(keras, "softmax"), tmp_path), features()
    options = {"callbacks": f"{own}:die", "patience": 1, "epochs": 9, "learning_rate": 0.05}
    with pytest.raises(KeyboardInterrupt):
        train(model, (x, (y + 1) % CLASSES), tmp_path, validation=features(seed=5), **options)
    (kept,) = (tmp_path / "work").glob("trained-*/checkpoint.npz")
    history = read_arrays(kept)[1]["history"]
    (stage,) = train(
        model, (x, (y + 1) % CLASSES), tmp_path, validation=features(seed=5), **options
    ).record.stages  # fmt: skip
    assert [epoch.model_dump() for epoch in stage.history] == history
    assert (stage.stopped, stage.resumed_at) == ("early stopping", (len(history),))


def test_an_epoch_without_a_figure_is_never_the_best(own, tmp_path):
    import keras

    (stage,) = train(
        network(keras, "softmax"), features(), tmp_path, callbacks=f"{own}:unmeasured", epochs=3, learning_rate=TINY
    ).record.stages
    assert stage.best_epoch == 2


def test_without_validation_data_the_last_epoch_is_kept(tmp_path):
    import keras

    trained = train(network(keras, "softmax"), features(), tmp_path, validation_split=0, epochs=2)
    stage = trained.record.stages[0]
    assert (trained.record.validation, trained.record.validation_samples) == ("none", 0)
    assert (stage.best_epoch, stage.history[1].val_loss) == (2, None)
    assert read_arrays(trained.folder / "reference.npz")[1]["part"] == "train"
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


def test_a_model_object_is_trained_in_this_process(shapes, tmp_path):
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    model = tf_keras.Sequential([
        tf_keras.Input((12, 12, 1), name="image"), layers.Rescaling(1 / 255), layers.Conv2D(8, 3, activation="relu"),
        layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    before = model.get_weights()
    (variant,) = convert(
        model,
        schemes=["qat"],
        out=tmp_path,
        options=ConvertOptions(training=TrainingOptions(data=shapes / "train", epochs=1)),
    ).variants
    assert variant.status == "ok", variant.error
    assert variant.training.stages[0].history[0].loss > 0
    assert variant.integer_op_fraction == 1.0
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)  # the user's model is as it was


# -- bad input --------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_given(tmp_path):
    import keras

    def my_loss(y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_pred))

    with pytest.raises(UsageError, match=r"(?s)compiled with the loss 'my_loss'.*--loss module:function"):
        train(network(keras, loss=my_loss), features(), tmp_path)
    with pytest.raises(UsageError, match="Keras has no loss 'crossentropie'"):
        train(network(keras), features(), tmp_path, loss="crossentropie")


def test_classes_that_do_not_fit(shapes, models, tmp_path):
    import keras

    model = network(keras)
    with pytest.raises(
        DataError, match=r"(?s)arrays in memory have 2 classes, fewer than the model's 3 outputs.*--labels"
    ):
        train(model, features(2), tmp_path)
    with pytest.raises(DataError, match="have 5 classes, more than the model's 3 outputs"):
        train(model, features(5), tmp_path)
    x, y = features()
    for wrong in (3, 2000):  # as many classes as outputs, and still a number too large
        with pytest.raises(DataError, match=f"have the label {wrong}, and the model has 3 outputs"):
            train(model, (x, np.where(y == 2, wrong, y)), tmp_path)
    with pytest.raises(DataError, match="have the label 3, and the model has 3 outputs"):
        train(model, (x, y), tmp_path, validation=(x, y + 1))
    with pytest.raises(DataError, match=r"(?s)have the shape \[\], and .* 'answer' has \[3\].*classes as integers"):
        train(model, (x, y.astype(np.float32)), tmp_path)  # would be compared with all three outputs
    np.savez(tmp_path / "two.npz", x=x[y != 2], y=y[y != 2])
    with pytest.raises(DataError, match=r"two\.npz have 2 classes"):
        train(model, tmp_path / "two.npz", tmp_path)
    for name in ("circle", "square"):
        shutil.copytree(shapes / "train" / name, tmp_path / "two" / name)
    image = [TensorSpec(name="image", shape=(1, 12, 12, 1), dtype="float32")]
    with pytest.raises(DataError, match=r"two have 2 classes, fewer than the model's 3 outputs"):
        train(models / "shapes.keras", tmp_path / "two", tmp_path, inputs=image)
    trained = train(
        models / "shapes.keras", tmp_path / "two", tmp_path, inputs=image, labels=("circle", "square", "stripe")
    )
    assert any("no samples of 1 of 3 classes" in note for note in trained.record.notes)


def test_a_loss_that_becomes_nan(own, tmp_path):
    import keras

    model = network(keras, "softmax")
    with pytest.raises(ConversionError, match=r"(?s)NaN at step 1 \(epoch 1\).*--learning-rate"):
        train(model, features(), tmp_path, loss=f"{own}:explode")
    with pytest.raises(ConversionError, match=r"(?s)NaN at step \d \(epoch 1\).*highest learning rate was 1e\+30"):
        train(model, features(), tmp_path, learning_rate=1e30, epochs=2)
    trained = train(model, features(), tmp_path, callbacks=f"{own}:spoil", epochs=3)
    (stage,) = trained.record.stages
    assert stage.stopped == "loss became NaN at step 5"  # 2 steps an epoch, and the fifth step of all is spoiled
    assert stage.best_epoch in (1, 2)
    assert np.isfinite(reference(trained)[1]).all()


def test_packages_that_are_not_installed(tmp_path):
    import keras
    import tf_keras

    with pytest.raises(
        UsageError, match=r"(?s)optimizer 'nopackage:make' cannot be loaded.*Install the package.*nopackage"
    ):
        train(network(keras), features(), tmp_path, optimizer="nopackage:make")
    (tmp_path / "newer.py").write_text("import keras\n\ndef make(rate):\n    return keras.optimizers.Adam()\n")
    with pytest.raises(UsageError, match=r"(?s)returned keras\.\S*Adam.*tf_keras\.optimizers"):
        train(network(keras), features(), tmp_path, optimizer=f"{tmp_path / 'newer.py'}:make")
    with pytest.raises(UsageError, match="no optimizer 'adamm'"):
        train(network(keras), features(), tmp_path, optimizer="adamm")

    @tf_keras.utils.register_keras_serializable("Addons")
    class WeightNormalization(tf_keras.layers.Layer):
        pass

    path = tmp_path / "addons.h5"
    tf_keras.Sequential([tf_keras.Input((FEATURES,)), WeightNormalization(), tf_keras.layers.Dense(3)]).save(path)
    del tf_keras.saving.get_custom_objects()["Addons>WeightNormalization"]
    with pytest.raises(ModelError, match=r"(?s)Addons>WeightNormalization.*--custom-objects"):
        train(path, features(), tmp_path)


def test_strict_refuses_layers_that_would_stay_float(models, tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 10, 4)).astype(np.float32)
    data, inputs = (x, np.arange(40) % 2), [TensorSpec(name="input_layer", shape=(1, 10, 4), dtype="float32")]
    trained = train(models / "lstm.keras", data, tmp_path, "qat", inputs=inputs)
    assert trained.record.left_float == ("lstm",)
    with pytest.raises(ModelError, match=r"(?s)Layers would stay float: lstm.*preflight.*without --strict"):
        train(models / "lstm.keras", data, tmp_path, "qat", inputs=inputs, strict=True)


def test_options_that_cannot_be():
    for options, words in (
        ({"epochs": 0}, "epochs cannot be 0"),
        ({"learning_rate": 0.0}, "learning_rate cannot be 0.0"),
        ({"validation_split": 1.0}, "validation_split cannot be 1.0"),
        ({"distill": 2.0}, "distill cannot be 2.0"),
        ({"strategy": "tpu"}, "strategy cannot be 'tpu'"),
        ({"patience": 2, "validation_split": 0.0}, "--validation"),
    ):
        with pytest.raises(UsageError, match=words):
            TrainingOptions(data="x", **options)


def test_training_without_data_or_layers(models, shapes, tmp_path, cli):
    code, _, err = cli("convert", models / "shapes.keras", "--scheme", "qat", "--out", tmp_path)
    assert code == 2
    assert "qat needs training data" in err
    assert "--train DATA" in err
    code, _, err = cli("convert", models / "shapes.keras", "--scheme", "float16", "--epochs", 4, "--out", tmp_path)
    assert code == 2
    assert "--epochs is an option of training" in err
    assert "convert: --data DATA, optimize: --train DATA" in err
    code, _, err = cli(
        "convert", models / "shapes.keras", "--scheme", "qat", "--data", "a", "--train", "b", "--out", tmp_path
    )
    assert code == 2
    assert "more than once: a, b" in err
    code, _, err = cli(
        "convert", models / "shapes_saved_model", "--scheme", "qat", "--data", shapes / "train", "--out", tmp_path
    )
    assert code == 2
    assert "is a SavedModel folder, which no longer has layers" in err
    assert "model.save(" in err


def test_unreadable_training_samples_are_named(models, shapes, tmp_path):
    for copy in range(3):  # one in a hundred may be unreadable
        for path in (shapes / "train").glob("*/*"):
            target = tmp_path / "data" / path.parent.name / f"{copy}{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    first, *_, last = sorted((tmp_path / "data").glob("*/*.png"))
    first.write_bytes(first.read_bytes()[:40])
    last.write_bytes(b"not a picture")
    spec = TensorSpec(name="image", shape=(1, 12, 12, 1), dtype="float32")
    trained = train(models / "shapes.keras", str(tmp_path / "data"), tmp_path, inputs=[spec], batch_size=240)
    (note,) = [note for note in trained.record.notes if "unreadable" in note]
    assert note.startswith("2 unreadable training samples were skipped: ")
    assert first.name in note
    assert last.name in note


@pytest.mark.slow
def test_a_subclassed_model_is_explained(shapes, tmp_path, cli):
    module = tmp_path / "subclassing.py"
    module.write_text("""
from pathlib import Path

import keras

@keras.saving.register_keras_serializable("subclassing")
class Mine(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.dense = keras.layers.Dense(3)

    def call(self, inputs):
        return self.dense(keras.ops.mean(inputs, axis=(1, 2)))

custom_objects = {"Mine": Mine}

if __name__ == "__main__":
    import numpy as np
    model = Mine()
    model(np.zeros((1, 12, 12, 1), "float32"))
    model.save(Path(__file__).with_suffix(".keras"))
""")
    runpy.run_path(str(module), run_name="__main__")
    code, out, err = cli(
        "convert", module.with_suffix(".keras"), "--scheme", "float32,qat", "--data", shapes / "train",
        "--custom-objects", module, "--input-shape", "12,12,1", "--out", tmp_path / "o", "--json",
    )  # fmt: skip
    assert code == 1, err
    float32, qat = json.loads(out)["variants"]
    assert float32["status"] == "ok"
    assert qat["status"] == "failed"
    assert "Mine" in qat["error"]
    assert "Functional" in qat["error"]


# -- processes: seeds, resuming, reuse --------------------------------------------------------------------------------


def command(*arguments):
    return [sys.executable, "-m", "tflitekit", *map(str, arguments)]


def run(*arguments, **options):
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, **options)


class Street:
    """One conversion, which tests repeat, interrupt and change; nothing trains twice that has the same key."""

    def __init__(self, folder, models, shapes):
        self.own = folder / "own_functions.py"
        self.own.write_text(OWN.format(folder=folder))
        self.folder, self.models, self.shapes = folder, models, shapes

    def arguments(self, out, *extra, scheme="qat"):
        return (
            "convert", self.models / "shapes.keras", "--scheme", scheme, "--data", self.shapes / "train",
            "--validation", self.shapes / "test", "--epochs", 4, "--batch-size", 16, "--callbacks", f"{self.own}:hold",
            "--out", out, "--json", *extra,
        )  # fmt: skip

    def convert(self, out, *extra, scheme="qat"):
        done = run(*self.arguments(out, *extra, scheme=scheme))
        assert done.returncode == 0, done.stderr + done.stdout
        return {v["name"]: v for v in json.loads(done.stdout)["variants"]}

    def again(self, cli, out, *, scheme="qat"):
        """The same in this process, whose workers have TensorFlow already."""
        code, shown, error = cli(*self.arguments(out, scheme=scheme))
        assert code == 0, error + shown
        return {v["name"]: v for v in json.loads(shown)["variants"]}

    @contextlib.contextmanager
    def held(self, epochs):
        """Lets no training go on that has so many epochs."""
        hold = self.folder / f"hold-{epochs}"
        hold.touch()
        try:
            yield
        finally:
            hold.unlink()

    def interrupt(self, out, how, epochs):
        """Starts a conversion and sends a signal when so many epochs are kept; returns how it ended."""
        with self.held(epochs):
            process = subprocess.Popen(
                interruptible(*self.arguments(out)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            while kept_epochs(out) < epochs:
                assert process.poll() is None, process.communicate()
                time.sleep(0.2)
            process.send_signal(how)
            _, error = process.communicate()
        return process.returncode, error

    def disturb(self, cli, out, act, *, scheme):
        """The same as `again`, but something happens to it when its first epoch is kept; returns how it ended."""

        over = threading.Event()

        def wait_and_act():
            with self.held(1):
                while not kept_epochs(out) and not over.wait(0.2):
                    pass
                act()

        with ThreadPoolExecutor() as pool:
            acted = pool.submit(wait_and_act)
            try:
                ended = cli(*self.arguments(out, scheme=scheme))
            finally:
                over.set()
            acted.result()
        return ended


@pytest.fixture(scope="module")
def street(tmp_path_factory, models, shapes):
    return Street(tmp_path_factory.mktemp("street"), models, shapes)


@pytest.fixture(scope="module")
def whole(street):
    """The folder of an undisturbed training, and its variant."""
    out = street.folder / "whole"
    return out, street.convert(out)["qat"]


def checkpoints(out):
    """Returns those of trainings that go on."""
    return list((out / ".tflitekit").glob("trained-*/checkpoint.npz"))


def kept_epochs(out):
    """How many epochs the checkpoint of an unfinished training has."""
    found = checkpoints(out)
    return len(read_arrays(found[0])[1]["history"]) if found else 0


def weights(out):
    (path,) = (out / ".tflitekit").glob("trained-*/weights.npz")
    return read_arrays(path)[0]["weights"]


class OfTwo(Crew):
    """This machine as a cluster of two; what a real one adds, tests/tflite/test_cluster.py has."""

    spread = 2


def test_workers_train_at_the_same_time_and_the_same_seed_gives_the_same_file(
    street, whole, tmp_path, cli, monkeypatch
):
    monkeypatch.setattr("tflitekit.conversion.crew_of", lambda *given, **named: contextlib.nullcontext(OfTwo()))
    together = threading.Event()

    def release_both():
        with street.held(1):
            for _ in range(4000):
                if len(checkpoints(tmp_path)) == 2:
                    return together.set()
                time.sleep(0.1)

    with ThreadPoolExecutor() as pool:
        released = pool.submit(release_both)
        again = street.again(cli, tmp_path, scheme="qat,finetuned")["qat"]
        released.result()
    assert together.is_set()
    assert again["sha256"] == whole[1]["sha256"]
    assert again["training"]["seed"] == SEED


def test_another_seed_gives_another_file(tmp_path):
    import keras

    found = []
    for number, seed in enumerate((1, 1, 2)):
        (tmp_path / str(number)).mkdir()
        trained = train(network(keras), features(), tmp_path / str(number), seed=seed, learning_rate=0.1)
        found.append(read_arrays(trained.folder / "weights.npz")[0]["weights"])
    assert all(np.array_equal(one, two) for one, two in zip(found[0], found[1], strict=True))
    assert not any(np.array_equal(one, two) for one, two in zip(found[0], found[2], strict=True))


def test_a_run_that_was_interrupted_and_then_killed_continues_its_training(street, whole, tmp_path, cli):
    code, error = street.interrupt(tmp_path, signal.SIGINT, 1)
    assert code == 130
    assert "a training from its last checkpoint" in error
    assert "Traceback" not in error
    code, _ = street.interrupt(tmp_path, signal.SIGKILL, 2)
    assert code == -signal.SIGKILL
    assert not (tmp_path / "qat.tflite").exists()
    found = street.again(cli, tmp_path)["qat"]
    (stage,) = found["training"]["stages"]
    (undisturbed,) = whole[1]["training"]["stages"]
    assert stage["resumed_at"] == [1, 2]
    assert undisturbed["resumed_at"] == []
    assert [e["epoch"] for e in stage["history"]] == [1, 2, 3, 4]
    # Weights, optimizer and order of the samples are those of the checkpoint, so only float32's rounding is left: a
    # step traced anew may add in another order.
    for one, two in zip(weights(tmp_path), weights(whole[0]), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(stage["history"], undisturbed["history"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)


def test_a_killed_worker_is_a_failure_and_the_next_run_continues(street, tmp_path, cli):
    import psutil

    def kill_trainer():
        (trainer,) = (child for server in psutil.Process().children() for child in server.children())
        trainer.kill()

    code, output, _ = street.disturb(cli, tmp_path, kill_trainer, scheme="finetuned")
    assert code == 1
    assert "killed by SIGKILL" in json.loads(output)["variants"][0]["error"]
    raw = tmp_path / ".tflitekit" / "training-data" / "0.raw"
    assert raw.exists()  # what is to be continued is not decoded anew
    path = next((tmp_path / ".tflitekit").glob("trained-*/checkpoint.npz"))
    path.write_bytes(path.read_bytes()[:-100])  # a damaged checkpoint is no reason to fail, and is told
    found = street.again(cli, tmp_path, scheme="finetuned")["finetuned"]
    assert found["training"]["stages"][0]["resumed_at"] == []
    assert any("checkpoint of an earlier run was damaged" in warning for warning in found["warnings"])
    assert not list(raw.parent.glob("*.raw"))


def test_stages_that_are_finished_are_not_trained_again(street, tmp_path, cli):
    street.again(cli, tmp_path, scheme="pruned")
    (first,) = (tmp_path / ".tflitekit").glob("trained-*/stage.json")
    stamp = first.stat().st_mtime_ns
    found = street.again(cli, tmp_path, scheme="pruned_qat,pruned")
    assert first.stat().st_mtime_ns == stamp  # pruned is the first stage of pruned_qat
    assert [s["kind"] for s in found["pruned_qat"]["training"]["stages"]] == ["prune", "quantize"]
    assert found["pruned"]["training"]["stages"][0] == found["pruned_qat"]["training"]["stages"][0]


def test_what_is_trained_is_reused(street, whole, cli):
    out, first = whole
    stages = {p: p.stat().st_mtime_ns for p in (out / ".tflitekit").glob("trained-*/stage.json")}
    assert not list((out / ".tflitekit" / "training-data").glob("*.raw"))  # nothing needs them
    found = street.again(cli, out, scheme="qat,qat:io=int8")
    assert found["qat"]["reused"] is True
    assert found["qat"]["sha256"] == first["sha256"]
    assert found["qat-io-int8"]["reused"] is False
    assert found["qat-io-int8"]["contract"]["inputs"][0]["dtype"] == "int8"
    assert found["qat-io-int8"]["training"]["stages"] == first["training"]["stages"]
    assert {p: p.stat().st_mtime_ns for p in (out / ".tflitekit").glob("trained-*/stage.json")} == stages
    assert not list((out / ".tflitekit" / "training-data").glob("*.raw"))


def test_what_two_schemes_share_is_trained_once_also_at_the_same_time(tmp_path):
    import keras

    trained = []

    def submit(call, arguments, label):
        trained.append(arguments["stage"]["kind"])
        return run_here(call, arguments, label)

    trainer = plan(network(keras), features(), tmp_path, submit=submit)
    with ThreadPoolExecutor() as pool:
        one, two = pool.map(trainer.train, map(parse_request, ("finetuned", "finetuned:rounds=2")))
    assert trained == ["finetune", "finetune"]
    assert two.record.stages[0] == one.record.stages[0]


def test_a_changed_option_trains_again(own, tmp_path):
    import keras

    model, data = saved(network(keras), tmp_path), features()
    first = train(model, data, tmp_path)
    stamp = (first.folder / "stage.json").stat().st_mtime_ns

    class Trains(Exception):
        """A stage is about to be trained."""

    def refuse(call, arguments, label):
        raise Trains

    assert train(model, data, tmp_path, submit=refuse).key == first.key
    again = train(model, data, tmp_path, epochs=2)
    assert again.folder != first.folder
    assert (again.folder / "stage.json").is_file()
    (tmp_path / "weights.json").write_text("[1, 2, 1]")
    for options in (
        {"epochs": 3}, {"batch_size": 10}, {"learning_rate": 0.01}, {"optimizer": "sgd"}, {"validation_split": 0.3},
        {"class_weights": str(tmp_path / "weights.json")}, {"loss": "sparse_categorical_crossentropy"},
        {"metric": f"{own}:metric"}, {"augment": f"{own}:augment"}, {"distill": 0.5}, {"limit": 50}, {"seed": 1},
    ):  # fmt: skip
        with pytest.raises(Trains):
            train(model, data, tmp_path, submit=refuse, **options)
    assert (first.folder / "stage.json").stat().st_mtime_ns == stamp


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_at_a_checkpoint(street, tmp_path, cli):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        code, _, error = street.disturb(cli, tmp_path, lambda: fill_disk(tmp_path), scheme="finetuned")
        assert code == 2
        assert "The disk is full" in error
        assert "same command again" in error
        assert "Traceback" not in error
        (tmp_path / "ballast").unlink()
        found = street.again(cli, tmp_path, scheme="finetuned")["finetuned"]
        assert found["training"]["stages"][0]["resumed_at"] == [1]
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def fill_disk(out):
    """Writes until nothing more fits."""
    with contextlib.suppress(OSError), (out / "ballast").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


# -- the finished file against what was trained -----------------------------------------------------------------------


def test_what_was_trained_outlives_a_later_failure(tmp_path, monkeypatch, install):
    import keras

    from tflitekit import schemes

    install(Path(__file__).parents[1] / "plugins" / "crashing", schemes._registry)
    monkeypatch.setenv("FAILS_LATER", str(tmp_path / "cause"))
    (tmp_path / "cause").write_text("later")
    np.savez(tmp_path / "data.npz", x=features()[0], y=features()[1])
    path = saved(network(keras), tmp_path)

    def run():
        options = ConvertOptions(training=TrainingOptions(data=tmp_path / "data.npz", epochs=1))
        (variant,) = convert(path, schemes=["fails_later"], out=tmp_path / "o", options=options).variants
        (stage,) = (tmp_path / "o" / ".tflitekit").glob("trained-*/stage.json")
        return variant, stage, stage.stat().st_mtime_ns

    failed, stage, stamp = run()
    assert failed.status == "failed"
    assert "out of luck" in failed.error
    assert f"What was trained is kept in {stage.parent}" in failed.error
    (tmp_path / "cause").unlink()
    variant, _, again = run()
    assert (variant.status, variant.error) == ("ok", None)
    assert again == stamp


def test_what_cannot_be_converted_is_not_trained(tmp_path):
    import keras

    from tflitekit.training.preflight import examine_model

    inputs = keras.Input((4,), name="features")
    model = keras.Model(inputs, keras.ops.erfinv(keras.layers.Dense(2, activation="tanh")(inputs)))
    assert "ERFINV" in (examine_model(model).problem or "").upper()
    np.savez(tmp_path / "data.npz", x=np.zeros((40, 4), np.float32), y=np.arange(40) % 2)
    options = ConvertOptions(training=TrainingOptions(data=tmp_path / "data.npz", epochs=1))
    (variant,) = convert(saved(model, tmp_path), schemes=["qat"], out=tmp_path / "o", options=options).variants
    assert variant.status == "failed"
    assert "Found before training" in variant.error
    assert not list((tmp_path / "o").glob(".tflitekit/trained-*/*.npz"))


def test_a_lost_output_without_labels_is_a_failure(finished):
    variant, kept = finished
    found = variant.training.three_way.model_copy(
        update={"others": (OutputDrift(output="boxes", training=0.1, conversion=0.9),)}
    )
    with pytest.raises(ConversionError, match="'boxes' of the finished file differs from the trained one by 90%"):
        check_gap("qat", found, variant.path, kept)


@pytest.fixture
def finished(whole):
    """A file of quantization-aware training, its contract, and what training kept."""
    (kept,) = (whole[0] / ".tflitekit").glob("trained-*/reference.npz")
    return read_sidecar(whole[0] / "qat.tflite"), kept


def test_an_untouched_file_computes_what_was_trained(finished):
    variant, kept = finished
    differences = dict(layer_differences(variant.path, kept))
    assert list(differences) == ["rescaling", "re_lu", "conv2", "global_average_pooling2d", "shape"]
    assert max(differences.values()) < 0.05  # the rounding of int8
    assert first_difference(variant.path, kept) is None
    found, _ = compare_three(variant.path, variant.contract, kept, "shape")
    assert found == variant.training.three_way
    assert found.samples == 120
    check_gap("qat", found, variant.path, kept)


@pytest.mark.parametrize(
    ("layer", "scope"), [("conv2", "quant_conv2"), ("re_lu", "quant_conv1"), ("shape", "quant_shape")]
)
def test_a_file_that_computes_something_else_names_the_layer(finished, layer, scope, tmp_path):
    variant, kept = finished

    def negate(name, values):
        return -values if f"/{scope}/" in name and values.dtype == np.int8 else values

    path = edit_constants(variant.path, tmp_path / "broken.tflite", negate)
    assert first_difference(path, kept) == layer
    found, _ = compare_three(path, variant.contract, kept, "shape")
    assert found.gap > 0.1
    with pytest.raises(
        ConversionError, match=rf"(?s)qat: .*top1.* as \.tflite \(120 .*start to differ at the layer '{layer}'"
    ):
        check_gap("qat", found, path, kept)


def test_a_training_that_ruins_the_model_says_so(models, shapes, tmp_path):
    training = TrainingOptions(data=shapes / "train", epochs=1, learning_rate=3.0, validation=shapes / "test")
    options = ConvertOptions(training=training)
    (variant,) = convert(models / "shapes.keras", schemes=["finetuned"], out=tmp_path, options=options).variants
    compared = variant.training.three_way
    assert compared.float_model.value > 0.9 and compared.fake_quantized.value < 0.7
    assert any(
        "made the model worse, by" in warning and "120 validation samples" in warning for warning in variant.warnings
    )


def test_small_differences_everywhere_name_no_layer(finished, tmp_path):
    variant, kept = finished

    def roughen(name, values):
        if values.dtype != np.int8:
            return values
        return np.clip(values + np.random.default_rng(0).integers(-2, 3, values.shape), -127, 127)

    path = edit_constants(variant.path, tmp_path / "rough.tflite", roughen)
    assert first_difference(path, kept) is None


@pytest.mark.slow
def test_three_way_of_another_output_and_of_several_inputs(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    left, right = keras.Input((FEATURES,), name="z-left"), keras.Input((4,), name="a-right")
    x = keras.layers.Concatenate()([keras.layers.Dense(16, "relu", name="dense")(left), right])
    model = keras.Model(
        [left, right], [keras.layers.Dense(3, "softmax", name="kind")(x), keras.layers.Dense(1, name="alarm")(x)]
    )
    model.save(tmp_path / "two.keras")
    x, y = features(2)
    extra = np.random.default_rng(1).normal(size=(SAMPLES, 4)).astype(np.float32)
    np.savez(tmp_path / "data.npz", **{"z-left": x, "a-right": extra, "y": y})
    options = TrainingOptions(data=tmp_path / "data.npz", epochs=1, validation_split=0.5, learning_rate=TINY)
    (variant,) = convert(
        tmp_path / "two.keras",
        schemes=["qat"],
        out=tmp_path / "o",
        output="alarm",
        options=ConvertOptions(training=options),
    ).variants
    assert variant.status == "ok", variant.error
    (kept,) = (tmp_path / "o").glob(".tflitekit/trained-*/reference.npz")
    groups, facts = read_arrays(kept)
    order = [facts["inputs"].index(name) for name in ("z-left", "a-right")]
    alarm = model([groups["inputs"][i] for i in order])[1].numpy()
    assert len({float(value > 0) == float(value > 0.5) for value in alarm[:, 0]}) == 2  # logits, and it matters
    found = variant.training.three_way
    expected = np.mean((alarm[:, 0] > 0) == groups["labels"][0])
    assert found.float_model.value == pytest.approx(expected)
    assert abs(found.tflite.value - expected) <= 0.1  # rounding turns a few that lie near zero
    assert max(value for _, value in layer_differences(variant.path, kept)) < 0.05
    (other,) = found.others
    assert other.output == "kind"
    assert max(other.training, other.conversion) < 0.1


# -- control and optimize ---------------------------------------------------------------------------------------------


def test_schemes_that_optimize_takes():
    phone = load_profile("phone")
    plain = default_schemes(phone, training=False)
    assert plain == ["float16", "dynamic_range", "int8", "int8_float_fallback", "int16x8"]
    assert default_schemes(phone, training=True) == [*plain, "qat", "pruned", "clustered"]


def test_controls_have_as_many_stages():
    from tflitekit.conversion import with_controls

    names = [r.name for r in with_controls([parse_request("qat"), parse_request("pruned_qat")])]
    assert names == [
        "qat", "pruned_qat", "int8", "finetuned", "finetuned-then-int8", "finetuned-rounds-2",
        "finetuned-rounds-2-then-int8",
    ]  # fmt: skip
    assert [r.name for r in with_controls([parse_request("float16")])] == ["float16"]


@pytest.mark.slow
def test_trained_variants_stand_beside_their_control(street, models, shapes, tmp_path):
    from tflitekit import optimize

    training = TrainingOptions(data=shapes / "train", epochs=1, batch_size=16, control=True)
    report = optimize(
        models / "shapes.keras", data=shapes / "test", schemes=["pruned_qat"], out=tmp_path,
        options=ConvertOptions(training=training),
    )  # fmt: skip
    assert [v.status for v in report.variants] == ["ok"] * 5
    trained, control = report.variant("pruned_qat"), report.variant("finetuned-rounds-2")
    assert trained.training.steps == control.training.steps == 2 * (81 // 16)
    assert trained.control == "finetuned-rounds-2"
    assert trained.drop_from_control.n == 120
    difference = control.accuracy.value - trained.accuracy.value
    assert trained.drop_from_control.value == pytest.approx(difference)
    assert report.variant("finetuned-rounds-2-then-int8").integer_op_fraction == 1.0


@pytest.mark.slow
def test_what_cannot_be_trained_does_not_stop_the_rest(models, shapes, tmp_path, cli):
    training = ["--train", shapes / "train", "--epochs", 1, "--limit", 30]
    code, out, err = cli(
        "optimize", models / "shapes_saved_model", "--data", shapes / "test", "--out", tmp_path, "--json", *training
    )
    assert code == 0, err
    variants = {v["name"]: v for v in json.loads(out)["variants"]}
    assert {name for name, v in variants.items() if v["status"] == "skipped"} == {"qat", "pruned", "clustered"}
    assert "is a SavedModel folder, which no longer has layers" in variants["qat"]["error"]
    assert variants["int8"]["status"] == "ok"  # calibrated on the training data


@pytest.mark.slow
def test_a_layer_that_cannot_be_rebuilt_does_not_stop_the_rest(shapes, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("""
import keras

@keras.saving.register_keras_serializable("mine")
class Scale(keras.layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, inputs):
        return inputs * self.factor

if __name__ == "__main__":
    layers = keras.layers
    model = keras.Sequential([keras.Input((12, 12, 1)), Scale(name="my_scale"), layers.Flatten(), layers.Dense(3)])
    model.layers[-1].set_weights([weights * 0 for weights in model.layers[-1].get_weights()])  # always the first class
    model.save("m.keras")
""")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("mine.py", run_name="__main__")
    base = ("m.keras", "--data", shapes / "test", "--train", shapes / "train", "--epochs", 1, "--custom-objects", "mine",
            "--limit", 30, "--out", "o", "--max-accuracy-drop", 100, "--json",
            "--scheme", "float32,qat,pruned")  # fmt: skip
    done = run("optimize", *base, cwd=tmp_path)
    assert done.returncode == 1, done.stderr  # a model that says the same of each picture is no better than chance
    variants = {v["name"]: v for v in json.loads(done.stdout)["variants"]}
    assert {n for n, v in variants.items() if v["status"] == "failed"} == {"qat", "pruned"}
    assert "my_scale" in variants["qat"]["error"]
    assert variants["float32"]["status"] == "ok"
