"""Detectors with random weights, and pictures with boxes to evaluate them on, made once into a folder."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge_benchmarks.networks import inverted_residual
from tflitekit.optimization.quickstart import detector
from tflitekit.optimization.quickstart.scene_files import write_coco
from tflitekit.optimization.quickstart.scenes import Scene, scenes

__all__ = ["DETECTORS", "prepared", "write_pictures"]

_SCHEMES = ("float32", "float16", "dynamic_range", "int8")
_WIDTH, _HEIGHT = 640, 480
_DISTINCT = 100
_CLASSES = 80
_PRIOR = -4.6  # logit of a score of 0.01, with which the training of detectors begins


def _small(keras: Any) -> Any:
    """The quickstart's, at 320 pixels: 1,600 candidates of ten classes."""
    del keras
    return detector.network(320, (16, 32, 64))


def _mobilenet_ssd(keras: Any) -> Any:
    """SSD on a MobileNetV2 at 300 pixels, as in TensorFlow's Object Detection API: 1,917 anchors, 80 classes."""
    layers = keras.layers
    image = keras.Input((300, 300, 3), name="image")
    x = layers.Conv2D(32, 3, 2, padding="same", activation="relu6")(image)
    x = inverted_residual(layers, x, 16, 1, widen=1)
    stages = []
    for filters, stride, count in ((24, 2, 2), (32, 2, 3), (64, 2, 4), (96, 1, 3), (160, 2, 3), (320, 1, 1)):
        for number in range(count):
            x = inverted_residual(layers, x, filters, stride if number == 0 else 1)
        stages.append(x)
    levels = [stages[3], layers.Conv2D(1280, 1, activation="relu6")(x)]
    for filters in (512, 256, 256, 128):
        x = layers.Conv2D(filters // 2, 1, activation="relu6")(levels[-1])
        levels.append(layers.Conv2D(filters, 3, 2, padding="same", activation="relu6")(x))
    boxes, scores = [], []
    for level, x in enumerate(levels):
        anchors = 3 if level == 0 else 6
        prior = keras.initializers.Constant(_PRIOR)
        boxes.append(layers.Reshape((-1, 4))(layers.Conv2D(4 * anchors, 1)(x)))
        head = layers.Conv2D(_CLASSES * anchors, 1, bias_initializer=prior)(x)
        scores.append(layers.Reshape((-1, _CLASSES))(head))
    found = layers.Activation("sigmoid")(layers.Concatenate(axis=1)(scores))
    outputs = {"boxes": layers.Concatenate(axis=1)(boxes), "scores": found}
    return keras.Model(image, outputs, name="mobilenet_ssd")


DETECTORS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "small": (10, _small),
    "mobilenet_ssd": (_CLASSES, _mobilenet_ssd),
}
"""By name, the number of classes and what makes the network."""


def write_pictures(folder: Path, count: int, classes: int) -> None:
    """Writes JPEG files of 640 x 480 pixels with COCO annotations."""
    if not (folder / "annotations.json").exists():
        names = tuple(f"class {number}" for number in range(classes))
        write_coco(folder, _wide(count), names, suffix=".jpg")


def _wide(count: int) -> Iterator[Scene]:
    """Yields scenes of 640 x 480 pixels: the upper part of square ones, with the objects that are whole there; a hundred, again and again."""
    made = []
    for scene in scenes("test", min(count, _DISTINCT), _WIDTH):
        whole = scene.boxes[:, 3] <= _HEIGHT
        made.append(Scene(scene.image[:_HEIGHT], scene.boxes[whole], scene.digits[whole], scene.mask[:_HEIGHT]))
    return itertools.islice(itertools.cycle(made), count)


def prepared(name: str, folder: Path) -> list[Path]:
    """Returns the variants of a detector, made in a process of its own: one that has TensorFlow evaluates in threads."""
    build = folder / name
    if not sorted(build.glob("*.tflite")):
        write_pictures(folder / "calibration", 20, _CLASSES)
        maker = multiprocessing.get_context("spawn").Process(target=_make, args=(name, folder))
        maker.start()
        maker.join()
    return sorted(build.glob("*.tflite"), key=lambda path: _SCHEMES.index(path.stem))


def _make(name: str, folder: Path) -> None:
    import keras

    import tflitekit as tk

    keras.utils.set_random_seed(0)
    model = folder / f"{name}.keras"
    DETECTORS[name][1](keras).save(model)
    pictures = folder / "calibration" / "images"
    tk.convert(model, schemes=_SCHEMES, calibration=pictures, preprocess="-1-1", out=folder / name)
