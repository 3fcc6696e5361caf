"""A small U-Net, and its training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.optimization.quickstart.digits import LABELS
from tflitekit.optimization.quickstart.scenes import Scene

__all__ = ["network", "train"]

_SEED = 11
_OF_DIGITS = 0.2
"""Weight of telling digits apart: four times that in a mean over all pixels, of which digits cover a twentieth."""


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
    """Trains the model in place, at half the resolution, where it computes; returns the loss of the last epoch."""
    import keras

    keras.utils.set_random_seed(_SEED)
    seen = list(scenes)
    x = np.stack([scene.image for scene in seen]).astype(np.float32) / 255
    y = np.stack([labels_of(scene.mask) for scene in seen])
    batch = 16
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * -(-len(x) // batch))
    learner = keras.Model(model.inputs, model.get_layer("logits").output)
    learner.compile(optimizer=keras.optimizers.Adam(rate), loss=segmentation_loss)
    history = learner.fit(x, y, batch_size=batch, epochs=epochs, verbose=verbose)
    model.compile(loss="sparse_categorical_crossentropy")  # which goes into its file, without the state of an optimizer
    return float(history.history["loss"][-1])


def labels_of(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns for each two by two pixels of a mask how much of them a digit covers, and that digit: ``(side / 2, side / 2, 2)``."""
    side = len(mask) // 2
    four = mask.reshape(side, 2, side, 2)
    digits = np.maximum(four.max(axis=(1, 3)).astype(np.float32) - 1, 0)
    return np.stack([(four > 0).mean(axis=(1, 3), dtype=np.float32), digits], axis=-1)


def segmentation_loss(y_true: Any, y_pred: Any) -> Any:
    """Returns one loss for each sample: of telling digits from the background, and of telling which digit it is.

    The cross-entropy of all classes is the sum of both, so that weighing the second one more, without which a network takes long to begin
    with it, leaves the best answer what it is.

    Args:
        y_true: As of `labels_of`, with the batch.
        y_pred: Logits of the background and of each digit.
    """
    import tensorflow as tf

    covered, digits = y_true[..., 0], tf.cast(y_true[..., 1], tf.int32)
    background, digit = y_pred[..., 0], y_pred[..., 1:]
    any_digit = tf.reduce_logsumexp(digit, axis=-1) - background
    of_pixels = tf.nn.sigmoid_cross_entropy_with_logits(covered, any_digit)
    of_digits = tf.nn.sparse_softmax_cross_entropy_with_logits(digits, digit)
    share = tf.reduce_sum(covered * of_digits, axis=[1, 2]) / tf.maximum(tf.reduce_sum(covered, axis=[1, 2]), 1.0)
    return tf.reduce_mean(of_pixels, axis=[1, 2]) + _OF_DIGITS * share
