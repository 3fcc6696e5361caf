"""Small trained models of which most have one flaw that quantizing trips over; the float models compute what they did before.

    python -m edge_benchmarks.zoo OUT

Each gets a folder below OUT with ``model.keras``, ``calibration.npz`` and ``test.npz``. `ZOO` says what is wrong with which.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tflitekit.optimization.quickstart import load_digits

SEED, EPOCHS, CANVAS = 1, 8, 24
SPREAD = 2.0 ** np.random.default_rng(SEED).permutation(np.linspace(-5, 5, 16))
"""Sizes of sixteen channels, a thousandfold apart."""


class Specimen(NamedTuple):
    """What is known of a model.

    Attributes:
        scheme: What it is to be quantized with.
        layers: Those that were spoilt (any of them is right); none in a clean model.
        patterns: The names under which the flaw may be told.
    """

    scheme: str
    layers: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


ZOO = {
    "rescaled_channels": Specimen("int8", ("wide",), ("unlike-channels",)),
    "huge_weight": Specimen("int8", ("deep",), ("huge-weight",)),
    "boxes_and_scores": Specimen("int8", ("detections",), ("joined-ranges",)),
    "hard_swish": Specimen("int8", ("swish",), ("hard-swish",)),
    "raw_pixels": Specimen("dynamic_int4", ("first",), ("raw-pixels",)),
    "squeeze_and_excite": Specimen("int8", ("excite",), ("squeeze-and-excite",)),
    "unlike_summands": Specimen("int8", ("sum",), ("unlike-summands",)),
    "narrow_calibration": Specimen("int8", ("image", "first"), ("beyond-the-grid",)),
    "recurrent_state": Specimen("int8", ("memory",), ("recurrent-state",)),
    "float16_overflow": Specimen("float16", ("loud",), ("float16-overflow",)),
    "dead_channel": Specimen("int8", ("wide",), ("dead-channels",)),
    "clean": Specimen("int8"),
    "clean_depthwise": Specimen("int8"),
    "clean_residual": Specimen("int8"),
    "clean_recurrent": Specimen("int8"),
    "clean_detector": Specimen("int8"),
}


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns images ``(n, 8, 8, 1)`` from 0 to 1 and labels, to train and to test."""
    images, labels = load_digits()
    x, y = images[..., None].astype(np.float32) / 255, labels.astype(np.int32)
    test = np.arange(len(y)) % 4 == 0
    return x[~test], y[~test], x[test], y[test]


def classifier(middle: Callable[[Any, Any], Any], padding: str = "same") -> Any:
    """Trains a network whose middle takes and gives sixteen channels."""
    import keras

    keras.utils.set_random_seed(SEED)
    layers = keras.layers
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, padding=padding, activation="relu", name="first")(image)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="deep")(middle(layers, x))
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return fitted(keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(x)))


def fitted(model: Any, epochs: int = EPOCHS) -> Any:
    x, y, _, _ = digits()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 3e-3
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return model


def scale(model: Any, layer: str, *, outputs: Any = 1.0, inputs: Any = 1.0) -> None:
    """Multiplies what a layer gives, or what it takes, channel by channel."""
    weights = model.get_layer(layer).get_weights()
    weights[0] = weights[0] * outputs * np.reshape(inputs, (-1, 1) if np.ndim(inputs) else ())
    if len(weights) > 1:
        weights[1] = weights[1] * outputs
    model.get_layer(layer).set_weights(weights)


def conv(layers: Any, name: str, activation: str | None = "relu", **options: Any) -> Any:
    return layers.Conv2D(16, 3, padding="same", activation=activation, name=name, **options)


def clean() -> Any:
    return classifier(lambda layers, x: conv(layers, "wide")(x))


def rescaled_channels() -> Any:
    """What the channels of a convolution gain, the next one takes back."""
    model = clean()
    scale(model, "wide", outputs=SPREAD)
    scale(model, "deep", inputs=1 / SPREAD)
    return model


def huge_weight() -> Any:
    """A channel that is always zero meets weights a hundred times as large as the others."""
    model = clean()
    scale(model, "wide", outputs=np.arange(16) > 0)
    fitted(model, 0)
    kernel, bias = model.get_layer("deep").get_weights()
    kernel[1, 1, 0] = 100 * np.abs(kernel).max()
    model.get_layer("deep").set_weights([kernel, bias])
    return model


def dead_channel() -> Any:
    """A channel that is a large constant, which nothing reads."""
    model = clean()
    kernel, bias = model.get_layer("wide").get_weights()
    kernel[..., 0], bias[0] = 0, 5000
    model.get_layer("wide").set_weights([kernel, bias])
    kernel, bias = model.get_layer("deep").get_weights()
    kernel[:, :, 0] = 0
    model.get_layer("deep").set_weights([kernel, bias])
    return model


def hard_swish() -> Any:
    """One channel reaches far where the others live on the bend."""

    def middle(layers: Any, x: Any) -> Any:
        return layers.Activation("hard_swish", name="swish")(conv(layers, "lift", None)(x))

    model, sizes = classifier(middle), np.where(np.arange(16) == 0, 200.0, 1.0)
    scale(model, "lift", outputs=sizes)
    scale(model, "deep", inputs=1 / sizes)
    for name in ("first", "lift"):
        model.get_layer(name).trainable = False
    return fitted(model, 3)


def raw_pixels() -> Any:
    """Bright pictures of little contrast from 0 to 255, whose normalization is part of the first weights."""
    model = classifier(lambda layers, x: conv(layers, "wide")(x), padding="valid")
    kernel, bias = model.get_layer("first").get_weights()
    model.get_layer("first").set_weights([kernel / 25, bias - kernel.sum((0, 1, 2)) * 220 / 25])
    return model


def squeeze_and_excite() -> Any:
    """Features and their factors differ by channel, and their products differ by as much again."""

    def middle(layers: Any, x: Any) -> Any:
        x = conv(layers, "features")(x)
        gate = layers.Dense(8, activation="relu", name="squeeze")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        return layers.Multiply(name="excite")([x, layers.Dense(16, activation="relu", name="gate")(gate)])

    model, sizes = classifier(middle), SPREAD**0.5
    scale(model, "features", outputs=sizes)
    scale(model, "squeeze", inputs=1 / sizes)
    scale(model, "gate", outputs=sizes)
    scale(model, "deep", inputs=1 / sizes**2)
    return model


def unlike_summands() -> Any:
    """A large branch is added to a small one, and taken away again."""

    def middle(layers: Any, x: Any) -> Any:
        small, large = conv(layers, "small")(x), conv(layers, "large", None, trainable=False)(x)
        return layers.Subtract(name="back")([layers.Add(name="sum")([small, large]), large])

    model = classifier(middle)
    scale(model, "large", outputs=200.0)
    return model


def float16_overflow() -> Any:
    """Sums beyond 65504, which the next layer scales down."""

    def middle(layers: Any, x: Any) -> Any:
        return layers.Rescaling(1.0, name="calm")(conv(layers, "loud")(x))

    import keras

    model, factor = classifier(middle), 3e4
    scale(model, "loud", outputs=factor)
    changed = keras.models.clone_model(
        model,
        clone_function=lambda layer: keras.layers.Rescaling(1 / factor, name="calm") if layer.name == "calm" else layer,
    )
    changed.set_weights(model.get_weights())
    return changed


def clean_depthwise() -> Any:
    return classifier(
        lambda layers, x: conv(layers, "point")(
            layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depth")(x)
        )
    )


def clean_residual() -> Any:
    return classifier(lambda layers, x: layers.Add(name="sum")([x, conv(layers, "branch")(x)]))


def recurrent(flawed: bool) -> Any:
    """Reads a picture row by row, twice; the flaw is a state that counts far beyond the others."""
    import keras

    keras.utils.set_random_seed(SEED)
    layers = keras.layers
    image = keras.Input((8, 8, 1), name="image")
    rows = layers.Reshape((8, 8), name="rows")(image)
    rows = layers.Concatenate(axis=1, name="twice")([rows, rows])
    state = layers.SimpleRNN(24, activation="relu", unroll=True, name="memory")(rows)
    model = fitted(keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(state)), 3 * EPOCHS)
    if flawed:
        kernel, state_kernel, bias = model.get_layer("memory").get_weights()
        dense, offset = model.get_layer("digit").get_weights()
        kernel[:, 0], state_kernel[0], state_kernel[:, 0], dense[0] = 0, 0, 0, 0
        model.get_layer("digit").set_weights([dense, offset])
        model.get_layer("memory").set_weights([kernel, state_kernel, bias])
        model.get_layer("memory").trainable = True
        fitted(model, EPOCHS)
        kernel, state_kernel, bias = model.get_layer("memory").get_weights()
        dense, offset = model.get_layer("digit").get_weights()
        kernel[:, 0], state_kernel[0], state_kernel[:, 0], dense[0] = 0, 0, 0, 0
        state_kernel[0, 0], bias[0] = 1.0, 100.0
        model.get_layer("digit").set_weights([dense, offset])
        model.get_layer("memory").set_weights([kernel, state_kernel, bias])
    return model


def scenes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns pictures with one digit, of one size or twice that, its box in pixels of a screen, and its class."""
    x, y, _, _ = digits()
    random = np.random.default_rng(seed)
    pictures, boxes = np.zeros((count, CANVAS, CANVAS, 1), np.float32), np.zeros((count, 4), np.float32)
    chosen = random.integers(0, len(x), count)
    for row, which in enumerate(chosen):
        times = int(random.integers(1, 3))
        digit = x[which].repeat(times, 0).repeat(times, 1)
        top, left = random.integers(0, CANVAS - 8 * times + 1, 2)
        pictures[row, top : top + 8 * times, left : left + 8 * times] = digit
        boxes[row] = left, top, 8 * times, 8 * times
    return pictures, boxes / CANVAS, y[chosen]


def detector(joined: bool) -> Any:
    """Boxes of up to 640 pixels and scores of up to 1, in one output or in two."""
    import keras

    keras.utils.set_random_seed(SEED)
    layers = keras.layers
    pictures, boxes, labels = scenes(4000, SEED)
    image = keras.Input((CANVAS, CANVAS, 1), name="image")
    x = image
    for number, filters in enumerate((16, 32, 48)):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu", name=f"body{number}")(x)
    x = layers.Dense(96, activation="relu", name="neck")(layers.Flatten(name="flat")(x))
    box, score = layers.Dense(4, name="box")(x), layers.Dense(10, activation="sigmoid", name="score")(x)
    model = keras.Model(image, [box, score])
    model.compile(keras.optimizers.Adam(3e-3), ["mse", "binary_crossentropy"], loss_weights=[2.0, 1.0])
    model.fit(pictures, [boxes, np.eye(10, dtype=np.float32)[labels]], batch_size=32, epochs=25, verbose=0)
    scale(model, "box", outputs=640.0)
    if joined:
        model = keras.Model(image, layers.Concatenate(name="detections")([box, score]))
    return model


MAKERS: dict[str, Callable[[], Any]] = {
    "rescaled_channels": rescaled_channels, "huge_weight": huge_weight, "boxes_and_scores": lambda: detector(joined=True),
    "hard_swish": hard_swish, "raw_pixels": raw_pixels, "squeeze_and_excite": squeeze_and_excite,
    "unlike_summands": unlike_summands, "narrow_calibration": clean, "recurrent_state": lambda: recurrent(flawed=True),
    "float16_overflow": float16_overflow, "dead_channel": dead_channel, "clean": clean, "clean_depthwise": clean_depthwise,
    "clean_residual": clean_residual, "clean_recurrent": lambda: recurrent(flawed=False), "clean_detector": lambda: detector(joined=False),
}  # fmt: skip


def data(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns what a model is calibrated on and tested with; detectors have no labels."""
    if name in ("boxes_and_scores", "clean_detector"):
        return {"x": scenes(200, 2)[0]}, {"x": scenes(400, 3)[0]}
    x, _, tested, labels = digits()
    x = x[:200]
    if name == "raw_pixels":
        x, tested = 220 + 25 * x, 220 + 25 * tested
    if name == "narrow_calibration":
        x = x / 5
    return {"x": x}, {"x": tested, "y": labels}


def make(out: Path, names: list[str]) -> None:
    """Trains these models and writes them."""
    for name in names:
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        MAKERS[name]().save(folder / "model.keras")
        calibration, test = data(name)
        np.savez(folder / "calibration.npz", allow_pickle=False, **calibration)
        np.savez(folder / "test.npz", allow_pickle=False, **test)
        print(name, flush=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2:] or list(ZOO))
