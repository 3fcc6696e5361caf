"""A small U-Net, and its training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tflitekit.optimization.quickstart.digits import LABELS
from tflitekit.optimization.quickstart.scenes import Scene

__all__ = ["network", "train"]

_SEED = 11


def network(side: int, widths: Sequence[int]) -> Any:
    """Returns the Keras model, which has learned nothing yet (O. Ronneberger et al., MICCAI 2015).

    Args:
        side: Of its pictures, in pixels.
        widths: Channels at half the side, at a quarter, and so on.

    Returns:
        A model with one output ``(batch, side, side, 11)``: the probabilities of the background and of each digit.
    """
    import keras

    layers = keras.layers

    def block(x: Any, width: int, name: str, strides: int = 1) -> Any:
        x = layers.Conv2D(width, 3, strides, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    x = image = keras.Input((side, side, 3), name="image")
    levels = []
    for level, width in enumerate(widths, start=1):
        x = block(block(x, width, f"down{level}", strides=2), width, f"down{level}_more")
        levels.append((level, width, x))
    for level, width, beside in reversed(levels[:-1]):
        x = layers.UpSampling2D(interpolation="bilinear", name=f"up{level}_larger")(x)
        x = layers.Concatenate(name=f"up{level}_both")([x, beside])
        x = block(x, width, f"up{level}")
    x = layers.Conv2D(len(LABELS) + 1, 1, name="logits")(x)
    x = layers.UpSampling2D(interpolation="bilinear", name="whole_size")(x)
    return keras.Model(image, layers.Softmax(name="classes")(x), name="segmenter")


def train(scenes: Iterable[Scene], model: Any, *, epochs: int, verbose: int = 0) -> float:
    """Trains the model in place; returns the share of pixels that it gets right in the last epoch."""
    import keras

    keras.utils.set_random_seed(_SEED)
    seen = list(scenes)
    x = np.stack([scene.image for scene in seen]).astype(np.float32) / 255
    y = np.stack([scene.mask for scene in seen]).astype(np.int32)
    batch = 32
    rate = keras.optimizers.schedules.CosineDecay(4e-3, epochs * -(-len(x) // batch))
    loss = "sparse_categorical_crossentropy"
    learner = keras.Model(model.inputs, model.outputs)
    learner.compile(optimizer=keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"])
    history = learner.fit(x, y, batch_size=batch, epochs=epochs, verbose=verbose)
    model.compile(loss=loss)  # which goes into its file, without the state of an optimizer
    return float(history.history["accuracy"][-1])
