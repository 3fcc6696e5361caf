"""Trains the networks of `edge_benchmarks.better_rounding` on folders of small images, and writes them as float `.tflite` files.

    python -m edge_benchmarks.rounding_networks TRAIN --out FOLDER

A MobileNetV2-like network (inverted residuals, depthwise convolutions) and a small vision transformer, some minutes each.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edge_benchmarks.networks import inverted_residual
from tflitekit.data.dataset import open_dataset

EPOCHS = 8


def mobilenet_v2() -> Any:
    import keras
    from keras import layers

    image = layers.Input((32, 32, 3))
    values = layers.Conv2D(16, 3, 2, padding="same", use_bias=False)(layers.Rescaling(1 / 127.5, -1)(image))
    values = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(values))
    for channels, stride in ((16, 1), (24, 1), (24, 1), (40, 2), (40, 1), (64, 2), (64, 1)):
        values = inverted_residual(layers, values, channels, stride, widen=4)
    values = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(192, 1, use_bias=False)(values))
    values = layers.GlobalAveragePooling2D()(layers.ReLU(6.0)(values))
    return keras.Model(image, layers.Dense(10, activation="softmax")(values))


def transformer() -> Any:
    import keras
    from keras import layers

    image = layers.Input((32, 32, 3))
    values = layers.Conv2D(64, 4, 4)(layers.Rescaling(1 / 127.5, -1)(image))
    values = layers.Reshape((64, 64))(values)
    values = values + layers.Embedding(64, 64)(keras.ops.arange(64))
    for _ in range(3):
        normal = layers.LayerNormalization(epsilon=1e-5)(values)
        values = values + layers.MultiHeadAttention(4, 16)(normal, normal)
        normal = layers.LayerNormalization(epsilon=1e-5)(values)
        values = values + layers.Dense(64)(layers.Dense(128, activation="relu")(normal))
    values = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-5)(values))
    return keras.Model(image, layers.Dense(10, activation="softmax")(values))


def train(model: Any, images: np.ndarray, labels: np.ndarray) -> None:
    import keras
    import tensorflow as tf

    steps = EPOCHS * len(images) // 128
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images), seed=1)
    data = data.map(lambda image, label: (tf.image.random_flip_left_right(image), label))
    model.fit(data.batch(128, drop_remainder=True).prefetch(2), epochs=EPOCHS, verbose=2)


def write(model: Any, path: Path) -> None:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        signature = [tf.TensorSpec((1, 32, 32, 3), tf.float32, name="image")]
        model.export(folder, input_signature=signature, verbose=False)
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def main() -> None:
    import keras

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    samples = [(np.asarray(sample.read(), np.float32), sample.label) for sample in open_dataset(arguments.train)]
    images, labels = np.stack([image for image, _ in samples]), np.array([label for _, label in samples])
    for build in (mobilenet_v2, transformer):
        keras.utils.set_random_seed(1)
        model = build()
        train(model, images, labels)
        write(model, arguments.out / f"{build.__name__}.tflite")


if __name__ == "__main__":
    main()
