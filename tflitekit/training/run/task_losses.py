"""Losses of labels that are more than one class or target: of each pixel, and of boxes or keypoints. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

__all__ = ["of_all_outputs", "of_known_pixels", "packed", "pixel_crossentropy"]

Loss = Callable[[Any, Any], Any]


def pixel_crossentropy(size: int, probabilities: bool) -> Loss:
    """Returns the cross-entropy of each pixel's class, for an output ``(batch, height, width, size)``; of two classes where that is 1."""
    losses = tf_keras.losses

    def crossentropy(labels: Any, y_pred: Any) -> Any:
        if size == 1:
            wanted = tf.cast(labels, y_pred.dtype)[..., None]
            return losses.binary_crossentropy(wanted, y_pred, from_logits=not probabilities)
        return losses.sparse_categorical_crossentropy(labels, y_pred, from_logits=not probabilities)

    return _averaged(crossentropy)


def of_known_pixels(loss: Loss, size: int) -> Loss:
    """Returns a loss of Keras that compares each pixel's class, as a vector, with the output there."""

    def of_pixels(labels: Any, y_pred: Any) -> Any:
        wanted = tf.one_hot(labels, size, dtype=y_pred.dtype) if size > 1 else tf.cast(labels, y_pred.dtype)[..., None]
        return loss(wanted, y_pred)

    return _averaged(of_pixels)


def _averaged(of_pixels: Loss) -> Loss:
    """Averages over the pixels of each sample that count; masks are resized to the output as classes are, without mixing them."""

    def averaged(y_true: Any, y_pred: Any) -> Any:
        y_pred = y_pred if len(y_pred.shape) == 4 else y_pred[..., None]  # Keras takes a single class away
        labels = tf.cast(tf.image.resize(y_true[..., None], tf.shape(y_pred)[1:3], "nearest")[..., 0], tf.int32)
        known = tf.cast(labels >= 0, y_pred.dtype)
        values = of_pixels(tf.maximum(labels, 0), y_pred) * known
        return tf.reduce_sum(values, axis=[1, 2]) / tf.maximum(tf.reduce_sum(known, axis=[1, 2]), 1)

    return averaged


def packed(model: Any) -> Any:
    """Returns a model of the same layers whose single output holds all outputs in a row, for losses that need all of them."""
    flat = [tf_keras.layers.Flatten(dtype="float32")(tf.cast(output, tf.float32)) for output in model.outputs]
    return tf_keras.Model(model.inputs, tf_keras.layers.Concatenate()(flat), name=model.name)


def of_all_outputs(loss: Loss, model: Any) -> Loss:
    """Returns the user's loss for a `packed` model: it gets the outputs by name, each in its own shape."""
    names, shapes = list(model.output_names), [tuple(output.shape[1:]) for output in model.outputs]
    sizes = [int(np.prod(shape)) for shape in shapes]

    def of_outputs(y_true: Any, y_pred: Any) -> Any:
        parts = tf.split(y_pred, sizes, axis=1)
        found = {n: tf.reshape(part, [-1, *shape]) for n, part, shape in zip(names, parts, shapes, strict=True)}
        return loss(y_true, found)

    return of_outputs
