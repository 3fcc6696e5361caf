"""The whole job on data and a model that need no download: handwritten digits and a small convolutional network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tflitekit.bundling import bundle
from tflitekit.core.files import locked, write_whole
from tflitekit.core.process.workers import WorkerPool, wait_for
from tflitekit.core.progress import Progress
from tflitekit.optimization.optimize import optimize
from tflitekit.results import Report

__all__ = ["LABELS", "prepare", "quickstart", "write_digits"]

LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEST_EVERY = 3  # every third digit is held out
_SEED = 11
_SIDE = 16


def quickstart(out: Path, *, progress: Progress | None = None) -> Report:
    """Trains a small model on the embedded digits and optimizes it.

    Writes ``digits/train`` and ``digits/test`` as folders of images, ``digits.keras``, ``labels.txt``, everything that
    `optimize` writes, and ``bundle`` for the Android demo app. What is there already is not made again.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    progress = progress or Progress()
    prepare(out, progress=progress)
    report = optimize(
        out / "digits.keras",
        data=out / "digits" / "test",
        calibration=out / "digits" / "train",
        labels=out / "labels.txt",
        preprocess="0-1",
        out=out,
        progress=progress,
    )
    chosen = report.recommendation.chosen if report.recommendation else None
    names = [name for name in (chosen, report.baseline) if name is not None]
    if names:
        bundle(out / "report.json", data=out / "digits" / "test", out=out / "bundle", variants=names, progress=progress)
    return report


def prepare(out: Path, *, progress: Progress) -> None:
    """Writes the digits, their labels and a model that is trained on them, as far as they are not there.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    model, data = out / "digits.keras", out / "digits"
    with locked(out):
        if not (data / "done").exists():
            with progress.task("Writing the digits as images", None):
                write_digits(data)
        write_whole(out / "labels.txt", "\n".join(LABELS) + "\n")
        if not model.exists():
            _train(model, progress)


def _train(model: Path, progress: Progress) -> None:
    with (
        WorkerPool(jobs=1, timeout_s=600) as pool,
        progress.task("Training a small model on them", None),
    ):
        wait_for(pool.submit("tflitekit.optimization.quickstart:train", {"out": str(model)}, label="train"))


def load_digits() -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, np.dtype[np.uint8]]]:
    """Returns images ``(1797, 8, 8)`` from 0 to 255 and labels ``(1797,)``."""
    with np.load(Path(__file__).parent / "digits.npz", allow_pickle=False) as archive:
        return archive["x"], archive["y"]


def write_digits(folder: Path) -> None:
    """Writes the digits as PNG files, one folder per class below ``train`` and ``test``."""
    images, labels = load_digits()
    for index, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        part = "test" if index % _TEST_EVERY == 0 else "train"
        target = folder / part / LABELS[label]
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target / f"{index:04d}.png")
    write_whole(folder / "done", "")


def train(*, out: str) -> dict[str, float]:
    """Trains the model on the training part and saves it (runs in a worker)."""
    import keras

    from tflitekit.data.preprocessing import PRESETS

    keras.utils.set_random_seed(_SEED)
    epochs = 15
    images, labels = load_digits()
    held_out = np.arange(len(labels)) % _TEST_EVERY == 0
    x = np.stack([PRESETS["0-1"].image(Image.fromarray(i), (_SIDE, _SIDE, 1)) for i in images[~held_out]])
    y = labels[~held_out].astype(np.int32)
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
    temporary = Path(out).with_suffix(".partial.keras")
    model.save(temporary)
    temporary.replace(out)
    return {"train_accuracy": float(history.history["accuracy"][-1])}
