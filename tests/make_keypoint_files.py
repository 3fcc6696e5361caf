"""Makes a network that finds four colored points, and a dozen figures, in tests/data/tasks/keypoints: ``python tests/make_keypoint_files.py``.

Nothing is trained: each heat map adds up the colors of one kind of point.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from PIL import Image, ImageDraw

from tflitekit import convert

FOLDER = Path(__file__).parent / "data" / "tasks" / "keypoints"
SIDE, COUNT = 48, 12
POINTS = {"head": (255, 60, 60), "left": (60, 255, 60), "right": (80, 120, 255), "foot": (255, 255, 60)}
LINES = ((0, 3), (1, 2))
COLORS = np.array([[1, -0.7, -0.7], [-0.7, 1, -0.7], [-0.7, -0.3, 1], [0.5, 0.5, -1]], np.float32)


def network() -> keras.Model:
    """From ``(1, 48, 48, 3)``, RGB from 0 to 1, to heat maps ``(1, 12, 12, 4)``."""
    image = keras.Input((SIDE, SIDE, 3), name="image")
    maps = keras.layers.Conv2D(len(POINTS), 1, use_bias=False, name="maps")
    model = keras.Model(image, maps(keras.layers.AveragePooling2D(4)(image)))
    maps.set_weights([COLORS.T[None, None]])
    return model


def figure(generator: np.random.Generator, number: int, file: Path) -> dict[str, Any]:
    """Draws a figure; returns its annotation."""
    image = Image.new("RGB", (SIDE, SIDE), tuple(generator.integers(20, 90, 3).tolist()))
    draw, size, turn = ImageDraw.Draw(image), generator.uniform(26, 34), generator.uniform(-0.5, 0.5)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    shape = size * np.array([[0, -0.45], [-0.4, 0], [0.4, 0], [0, 0.45]]) @ rotation
    points = shape + generator.uniform(size * 0.5 + 3, SIDE - size * 0.5 - 3, 2)
    for first, last in LINES:
        draw.line([tuple(points[first]), tuple(points[last])], fill=(200, 200, 200), width=2)
    for (x, y), color in zip(points.tolist(), POINTS.values(), strict=True):
        draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=color)
    image.save(file)
    (left, top), (right, bottom) = points.min(axis=0) - 3, points.max(axis=0) + 3
    box = np.round([left, top, right - left, bottom - top], 2).tolist()
    keypoints = [value for x, y in np.round(points, 2).tolist() for value in (x, y, 2)]
    return {
        "id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "keypoints": keypoints,
        "num_keypoints": len(POINTS), "bbox": box, "area": round(box[2] * box[3], 2),
    }  # fmt: skip


def make() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    pictures = FOLDER / "figures" / "images"
    pictures.mkdir(parents=True)
    generator = np.random.default_rng(1)
    names = [f"{number:04}.png" for number in range(COUNT)]
    found = [figure(generator, number, pictures / name) for number, name in enumerate(names)]
    skeleton = [[first + 1, last + 1] for first, last in LINES]
    described = {
        "images": [{"id": i, "file_name": name, "width": SIDE, "height": SIDE} for i, name in enumerate(names)],
        "annotations": found,
        "categories": [{"id": 1, "name": "figure", "keypoints": list(POINTS), "skeleton": skeleton}],
    }
    (FOLDER / "figures" / "annotations.json").write_text(json.dumps(described) + "\n")
    with tempfile.TemporaryDirectory() as made:
        (variant,) = convert(network(), schemes=["float32"], out=made).variants
        assert variant.path is not None, variant.error
        shutil.copy(variant.path, FOLDER / "float32.tflite")


if __name__ == "__main__":
    make()
