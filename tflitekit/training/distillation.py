"""Distillation: a model that also learns from the float model's outputs. Imports TensorFlow."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

__all__ = ["with_teacher"]

_SMALLEST = 1e-7  # probability whose logarithm is taken for zero's


def with_teacher(model: Any, teacher: Any, *, index: int, classes: bool, probabilities: bool, share: float, temperature: float) -> Any:  # fmt: skip
    """Returns a model of the same layers whose loss compares with the teacher's outputs.

    For classes the Kullback-Leibler divergence between both softmaxes at a temperature, times its square (G. Hinton,
    O. Vinyals, J. Dean, 'Distilling the knowledge in a neural network', 2015); for values, and for outputs other than the one
    that has labels, the mean squared difference.

    Args:
        index: The output that has labels.
        share: Of the loss that comes from the teacher.
    """

    class Student(tf_keras.Model):  # type: ignore[misc]
        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
            loss = super().compute_loss(x, y, y_pred, sample_weight)
            taught, learned = tf.nest.flatten(teacher(x, training=False)), tf.nest.flatten(y_pred)
            from_teacher = tf.add_n([
                _divergence(t, p, probabilities, temperature) if classes and position == index
                else tf.reduce_mean(tf.square(t - p))
                for position, (t, p) in enumerate(zip(taught, learned, strict=True))
            ])  # fmt: skip
            # Keras has divided its loss by the number of replicas, over which gradients are summed.
            from_teacher /= tf.distribute.get_strategy().num_replicas_in_sync
            return (1.0 - share) * loss + share * from_teacher

    teacher.trainable = False
    student = Student(model.inputs, model.outputs if len(model.outputs) > 1 else model.outputs[0], name=model.name)
    student.output_names = list(model.output_names)
    return student


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
