"""Makes the models and the ``.tflite`` files that the tests read: ``python tests/make_models.py`` writes them to tests/data.

They are committed, so that a test which only reads one needs no TensorFlow. Whoever changes this file or another version of
TensorFlow runs it again, which `unit/test_committed_models.py` asks for; `convert/test_schemes.py` compares the files with
those that the converter makes today.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
import tf_keras

sys.path.insert(0, str(Path(__file__).parent))
from conftest import DATA, made_from, shape_arrays, write_shapes

from tflitekit import ConvertOptions, TrainingOptions, convert
from tflitekit.schemes import available


def classifier(package, *, channels: int = 1, outputs: int = 3):
    """A small convolutional network that takes raw pixels, for Keras 3 or tf_keras."""
    layers = package.layers
    inputs = package.Input((12, 12, channels), name="image")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(16, 3, padding="same", name="conv1")(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(24, 3, padding="same", activation="relu", name="conv2")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(outputs, activation="softmax", name="shape")(x)
    return package.Model(inputs, x, name="shapes")


def worse(model):
    """The same classifier with two thirds of a layer's filters cut out: as fast and as large, but often wrong."""
    changed = keras.models.clone_model(model)
    changed.set_weights(model.get_weights())
    kernel, bias = changed.get_layer("conv2").get_weights()
    kernel[..., ::3], kernel[..., 1::3] = 0, 0
    changed.get_layer("conv2").set_weights([kernel, bias])
    return changed


def slower(model):
    """The same classifier with two large convolutions that change nothing: as right, but many times the work."""
    layers = keras.layers
    x = inputs = keras.Input((12, 12, 1), name="image")
    for layer in model.layers[1:]:
        x = layer(x)
        if layer.name == "conv1":
            for name, filters in (("wide", 64), ("narrow", 16)):
                x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    changed = keras.Model(inputs, x, name="shapes")
    for name in ("wide", "narrow"):
        kernel = np.zeros(changed.get_layer(name).kernel.shape, np.float32)
        kernel[1, 1, range(16), range(16)] = 1
        changed.get_layer(name).set_weights([kernel])
    return changed


@keras.saving.register_keras_serializable("tests")
class Scale(keras.layers.Layer):
    """A layer of the user's own."""

    def call(self, inputs):
        return inputs * 2.0


class Subclassed(keras.Model):
    """A model without input shapes."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = keras.layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


def make_models(folder: Path) -> None:
    """Every kind of model, small."""
    keras.utils.set_random_seed(3)
    x, y = shape_arrays(300, 5)
    model = classifier(keras)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    model.fit(x, y, epochs=12, batch_size=30, verbose=0)
    model.save(folder / "shapes.keras")
    model.save(folder / "shapes.h5")
    model.export(folder / "shapes_saved_model", verbose=False)
    weights = model.get_weights()

    old = classifier(tf_keras)
    old.set_weights(weights)
    old.save(folder / "shapes_keras2.h5")

    old = tf_keras.Sequential(
        [tf_keras.Input((6, 6, 2)), tf_keras.layers.DepthwiseConv2D(3), tf_keras.layers.Flatten()]
    )
    old.save(folder / "depthwise_keras2.h5")  # its config has 'groups', which Keras 3 does not know

    first, second = keras.Input((4,), name="left"), keras.Input((3,), name="a-right")
    x = keras.layers.Concatenate()([first, second])
    two = keras.Model([first, second], [keras.layers.Dense(2, name="zeta")(x), keras.layers.Dense(5, name="alpha")(x)])
    two.save(folder / "two_inputs.keras")

    inputs = keras.Input((8,), name="features")
    regression = keras.Model(inputs, keras.layers.Dense(1, name="value")(keras.layers.Dense(64, "relu")(inputs)))
    regression.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    generator = np.random.default_rng(0)
    features = generator.normal(size=(400, 8)).astype(np.float32)
    target = features @ np.arange(8, dtype=np.float32)
    regression.fit(features, target, epochs=20, verbose=0)
    regression.save(folder / "regression.keras")
    np.savez(folder / "regression.npz", x=features[:200], y=target[:200])

    inputs = keras.Input((20,), dtype="int32", name="tokens")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(50, 8)(inputs))
    binary = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(x))
    binary.save(folder / "tokens.keras")
    tokens = np.random.default_rng(2).integers(0, 50, (30, 20)).astype(np.int32)
    np.savez(folder / "tokens.npz", x=tokens, y=binary.predict(tokens, verbose=0)[:, 0])

    keras.Sequential([keras.Input((10, 4)), keras.layers.LSTM(8), keras.layers.Dense(2)]).save(folder / "lstm.keras")

    inputs = keras.Input((6,))
    keras.Model(inputs, keras.layers.Lambda(lambda t: t + 1.0)(inputs)).save(folder / "lambda.keras")
    keras.Model(inputs, keras.layers.Lambda(lambda t: t + 1.0)(inputs)).save(folder / "lambda.h5")
    keras.Model(inputs, Scale()(inputs)).save(folder / "custom.keras")

    broken = classifier(keras)
    values = [w.copy() for w in weights]
    values[0][0, 0, 0, 0] = np.nan
    broken.set_weights(values)
    broken.save(folder / "nan.keras")

    inputs = keras.Input((6,))
    keras.Model(inputs, keras.layers.Dense(3)(1.0 / (inputs * 0.0))).save(folder / "nan_output.keras")

    model.save_weights(folder / "only.weights.h5")

    subclassed = Subclassed()
    keras.saving.register_keras_serializable("tests")(Subclassed)
    subclassed(np.zeros((1, 4), np.float32))
    subclassed.save(folder / "subclassed.keras")
    keras.Sequential([keras.layers.Dense(3)]).save(folder / "unbuilt.keras")

    class Inverse(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
        def serve(self, x):
            return {"y": tf.linalg.inv(tf.reshape(x, [-1, 2, 2]))}

    module = Inverse()
    tf.saved_model.save(module, str(folder / "flex_saved_model"), signatures={"serving_default": module.serve})

    class Counter(tf.Module):
        """Adds its inputs up, from 5 on: what it keeps lies in a variable that the graph assigns."""

        def __init__(self):
            self.total = tf.Variable([[5.0, 5.0]])

        @tf.function(input_signature=[tf.TensorSpec([1, 2], tf.float32, name="x")])
        def serve(self, x):
            return {"y": self.total.assign_add(x) + 0.0}

    module = Counter()
    tf.saved_model.save(module, str(folder / "counter"), signatures={"serving_default": module.serve})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "counter"))
    (folder / "counter.tflite").write_bytes(converter.convert())

    inputs = keras.Input((None, None, 3), name="image")  # of any size from 3 x 3 on
    of_any_size = keras.Model(inputs, keras.layers.Conv2D(1, 3, name="map")(inputs))
    of_any_size.save(folder / "open.keras")
    (folder / "open.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(of_any_size).convert())

    tf_keras.utils.set_random_seed(3)
    fused = tf_keras.Sequential(
        [tf_keras.Input(batch_shape=(1, 5, 2)), tf_keras.layers.LSTM(4), tf_keras.layers.Dense(2)]
    )
    (folder / "fused_lstm.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(fused).convert())

    # last, because they draw from the same random numbers as the models above
    worse(model).save(folder / "shapes_worse.keras")
    slower(model).save(folder / "shapes_slower.keras")
    detector(folder)


def detector(folder: Path) -> None:
    """Boxes in pixels and scores, in one output and apart; with values that are off by some pixels."""
    generator = np.random.default_rng(4)
    inputs = keras.Input((8,), name="features")
    boxes = keras.layers.Rescaling(640.0, name="boxes")(keras.layers.Dense(4, "sigmoid")(inputs))
    scores = keras.layers.Dense(3, "sigmoid", name="scores")(inputs)
    both = keras.layers.Concatenate(name="both")([boxes, scores])
    model = keras.Model(inputs, {"both": both, "boxes": boxes, "scores": scores})
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])
    x = generator.normal(size=(80, 8)).astype(np.float32)
    answers = {name: np.asarray(value) for name, value in model.predict(x, verbose=0).items()}
    model.save(folder / "detector.keras")
    off = generator.normal(0, 30, (80, 4))
    np.savez(folder / "detector.npz", x=x, y=answers["both"] + np.pad(off, ((0, 0), (0, 3))))
    np.savez(folder / "detector_boxes.npz", x=x, y=answers["boxes"] + off)


def make_conversions(models: Path, folder: Path) -> None:
    """What the converter makes of some of them, each with its sidecars in a folder of its own."""

    def make(name: str, model: str, schemes: list[str], *, calibration=None, options=None) -> None:
        found = convert(
            models / f"{model}.keras", schemes=schemes, calibration=calibration, out=folder / name, options=options
        )
        assert [v.name for v in found.variants if v.status != "ok"] == []
        shutil.rmtree(folder / name / ".tflitekit")
        (folder / name / "source.json").write_text(json.dumps(found.source.model_dump(mode="json"), indent=1) + "\n")

    batch = ConvertOptions(batch=4)
    three = ["float32", "dynamic_range", "int8"]
    with tempfile.TemporaryDirectory() as scratch:
        write_shapes(Path(scratch))
        calibration = Path(scratch) / "train"
        plain = [name for name, scheme in available().items() if scheme.needs != "training" and scheme.search is None]
        make("shapes", "shapes", [*plain, "int8:io=uint8"], calibration=calibration)
        make("shapes_worse", "shapes_worse", three, calibration=calibration)
        make("shapes_slower", "shapes_slower", three, calibration=calibration)
        training = TrainingOptions(data=calibration, epochs=2, batch_size=16)
        trained = [name for name, scheme in available().items() if scheme.needs == "training"]
        make("shapes_trained", "shapes", trained, options=ConvertOptions(training=training))
    make("shapes_batch", "shapes", ["float32"], options=batch)
    x = np.load(models / "regression.npz")["x"]
    make("regression", "regression", ["float32", "int8"], calibration={"x": x})
    make("regression_narrow", "regression", ["int8"], calibration={"x": x / 5})
    make("regression_extreme", "regression", ["int8"], calibration={"x": np.concatenate([x, x[:1] * 300])})
    make("two_inputs", "two_inputs", ["float32", "float16"])
    make("two_inputs_batch", "two_inputs", ["float32"], options=batch)
    make("tokens", "tokens", ["float32"])
    make("tokens_batch", "tokens", ["float32"], options=batch)
    for name in ("lstm", "nan_output", "detector"):
        make(name, name, ["float32"])


if __name__ == "__main__":
    for part in ("models", "converted"):
        shutil.rmtree(DATA / part, ignore_errors=True)
    (DATA / "models").mkdir()
    make_models(DATA / "models")
    make_conversions(DATA / "models", DATA / "converted")
    (DATA / "made_from.json").write_text(json.dumps(made_from(), indent=2) + "\n")
