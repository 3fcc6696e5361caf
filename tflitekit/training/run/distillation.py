"""Distillation: a model that also learns from the float model's outputs. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

__all__ = ["Lesson", "spread", "with_teacher"]

_SMALLEST = 1e-7  # probability whose logarithm is taken for zero's
_CONSTANT = (
    1e-4  # a constant output that is off by a hundredth of its value counts like one that is off by its deviation
)


@dataclass(frozen=True)
class Lesson:
    """An output that has labels: whether they are classes, and whether it holds probabilities; and the weight of its loss."""

    classes: bool
    probabilities: bool
    weight: float = 1.0


def with_teacher(
    model: Any,
    teacher: Any,
    *,
    lessons: Mapping[int, Lesson] | None,
    share: float | None,
    temperature: float,
    spreads: Sequence[Any],
) -> Any:
    """Returns a model of the same layers whose loss compares with the teacher's outputs.

    For classes the Kullback-Leibler divergence between both softmaxes at a temperature, times its square (G. Hinton,
    O. Vinyals, J. Dean, 'Distilling the knowledge in a neural network', 2015); for values the mean squared difference.
    Outputs other than the one that has labels are held to the teacher's: the mean squared difference, over the spread of
    each column, is added. Without that, training for one output would spoil what the others know.

    Args:
        lessons: By the places of the outputs that have labels; None where labels take no part: all outputs are then compared with the
            teacher's.
        share: Of the loss of those outputs that comes from the teacher; None for nothing.
        spreads: From `spread`, for each output.
    """

    class Student(tf_keras.Model):  # type: ignore[misc]
        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
            taught, learned = tf.nest.flatten(teacher(x, training=False)), tf.nest.flatten(y_pred)
            if lessons is None:
                return super().compute_loss(x, _scaled(taught, spreads), _scaled(learned, spreads))
            loss = super().compute_loss(x, y, y_pred, sample_weight)
            # Keras has divided its loss by the number of replicas, over which gradients are summed.
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            if share is not None:
                from_teacher = sum(
                    one.weight * _apart(one, taught[index], learned[index], temperature)
                    for index, one in lessons.items()
                )
                loss = (1.0 - share) * loss + share * from_teacher / replicas
            for position, (one, other) in enumerate(zip(taught, learned, strict=True)):
                if position not in lessons and other.dtype.is_floating:
                    loss += tf.reduce_mean(tf.square(one - other) / spreads[position]) / replicas
            return loss

    teacher.trainable = False
    student = Student(model.inputs, model.outputs if len(model.outputs) > 1 else model.outputs[0], name=model.name)
    student.output_names = list(model.output_names)
    return student


def spread(values: Any, column: int | None) -> Any:
    """Returns the variance of each part of an output over the samples; of one that hardly varies, part of its square.

    Args:
        column: The axis along which the parts lie; the others have the length 1.
    """
    axes = tuple(axis for axis in range(values.ndim) if axis != column)
    values = np.asarray(values, np.float64)
    square = np.mean(np.square(values), axis=axes, keepdims=True)
    return np.maximum(np.var(values, axis=axes, keepdims=True) + _CONSTANT * square, _SMALLEST).astype(np.float32)


def _scaled(outputs: Sequence[Any], spreads: Sequence[Any]) -> Any:
    scaled = [tf.cast(output, tf.float32) / np.sqrt(spread) for output, spread in zip(outputs, spreads, strict=True)]
    return scaled if len(scaled) > 1 else scaled[0]


def _apart(lesson: Lesson, teacher: Any, student: Any, temperature: float) -> Any:
    if lesson.classes:
        return _divergence(teacher, student, lesson.probabilities, temperature)
    return tf.reduce_mean(tf.square(teacher - student))


def _divergence(teacher: Any, student: Any, probabilities: bool, temperature: float) -> Any:
    teacher, student = (_logits(values, probabilities) / temperature for values in (teacher, student))
    wanted = tf.nn.softmax(teacher)
    difference = tf.nn.log_softmax(teacher) - tf.nn.log_softmax(student)
    return temperature**2 * tf.reduce_mean(tf.reduce_sum(wanted * difference, axis=-1))


def _logits(values: Any, probabilities: bool) -> Any:
    if values.shape[-1] == 1:  # one output is the second of two classes
        if probabilities:
            values = tf.concat([1.0 - values, values], axis=-1)
        else:
            values = tf.concat([tf.zeros_like(values), values], axis=-1)
    return tf.math.log(tf.maximum(values, _SMALLEST)) if probabilities else values
