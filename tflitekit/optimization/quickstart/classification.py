"""Pictures of one digit each, and a small network that names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tflitekit.core.files import write_whole
from tflitekit.optimization.quickstart.digits import LABELS, held_out, load_digits, write_digits
from tflitekit.optimization.quickstart.steps import Steps, save

__all__ = ["prepare", "train"]

_SEED = 11
_SIDE = 16


def prepare(out: Path, steps: Steps) -> None:
    """Writes the digits, their labels and a model that is trained on them, as far as they are not there."""
    steps.write("Writing the digits as images", out / "digits", write_digits)
    write_whole(out / "labels.txt", "\n".join(LABELS) + "\n")
    steps.train("Training a small model on them", out / "digits.keras", f"{__name__}:train")


def train(*, out: str) -> dict[str, float]:
    """Trains the model on the training part and saves it (runs in a worker)."""
    import keras

    from tflitekit.data.preprocessing import PRESETS

    keras.utils.set_random_seed(_SEED)
    epochs = 15
    images, labels = load_digits()
    tests = held_out(len(labels))
    x = np.stack([PRESETS["0-1"].image(Image.fromarray(i), (_SIDE, _SIDE, 1)) for i in images[~tests]])
    y = labels[~tests].astype(np.int32)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((_SIDE, _SIDE, 1), name="image"),
            layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv1"),
            layers.BatchNormalization(momentum=0.9, name="norm1"),
            layers.ReLU(name="relu1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(32, 3, padding="same", use_bias=False, name="conv2"),
            layers.BatchNormalization(momentum=0.9, name="norm2"),
            layers.ReLU(name="relu2"),
            layers.MaxPooling2D(name="pool2"),
            layers.Conv2D(64, 3, padding="same", activation="relu", name="conv3"),
            layers.GlobalAveragePooling2D(name="average"),
            layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, epochs * -(-len(y) // 32))),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    save(model, out)
    return {"train_accuracy": float(history.history["accuracy"][-1])}
