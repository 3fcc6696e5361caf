"""From stored training data to batches of tensors.

Which samples stand in step ``s`` of epoch ``e``, and how they are changed at random, depends on the seed, ``e`` and ``s``
alone: a training that is resumed sees what one without a break would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import DataError, UsageError
from tflitekit.data.dataset import balanced
from tflitekit.training.data.augmentation import load_augmentation
from tflitekit.training.data.rows import open_rows, stored_column
from tflitekit.training.data.store import Part, TrainingSet

__all__ = ["read_rows", "train_batches", "validation_batches"]

_MOST_IN_MEMORY = 1 << 30
_SHARD_STRIDE = 1_000_003  # keeps the random numbers of the workers apart


def train_batches(
    data: TrainingSet,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    augment: str | Callable[..., Any] | None = None,
    class_weights: Sequence[float] | None = None,
    shard: tuple[int, int] = (0, 1),
    outputs: Sequence[str] = (),
) -> tuple[Any, int]:
    """Makes an endless stream of batches to train on.

    Args:
        batch_size: Samples of a step, over all workers. A remainder is left out, other samples in every epoch; fewer
            samples than that are one smaller batch.
        seed: Of the order and of the augmentation.
        first_epoch: Epochs that are done already.
        augment: See `load_augmentation`; works on the model's inputs, float32 after normalization.
        class_weights: One weight a class, as the third element of a batch.
        shard: Number of this worker and of all workers: each gets its part of every batch.
        outputs: The model's outputs that the labels are for; without them there is one.

    Returns:
        A ``tf.data.Dataset`` of ``(x, y)`` or ``(x, y, weights)``, and the steps of one epoch. ``x`` is a tensor, or for
        several inputs a dict by input name; ``y`` likewise, where ``outputs`` are given.

    Raises:
        UsageError: The batch cannot be divided among the workers, weights without classes or not one a class, or an
            augmentation that fails or changes shapes.
    """
    import tensorflow as tf

    samples = data.train_samples
    steps = data.steps(batch_size)
    length = min(batch_size, samples)
    mine = _part_of(batch_size, length, shard)

    def order(epoch: NDArray[np.int64]) -> NDArray[np.int64]:
        shuffled = np.random.default_rng([seed, int(epoch)]).permutation(samples)[: steps * length]
        return np.ascontiguousarray(shuffled.reshape(steps, length)[:, mine])

    def epoch_of_steps(epoch: Any) -> Any:
        chosen = tf.ensure_shape(tf.numpy_function(order, [epoch], tf.int64), [steps, mine.stop - mine.start])
        numbers = epoch * steps + tf.range(steps, dtype=tf.int64)
        return tf.data.Dataset.from_tensor_slices((chosen, numbers))

    numbered = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max).flat_map(epoch_of_steps)
    weigh = _weigh(data, class_weights)
    change = load_augmentation(augment, data.inputs) if augment is not None else None
    worker_seed = (seed + shard[0] * _SHARD_STRIDE) % (1 << 31)

    def finish(x: Any, y: Any, step: Any) -> Any:
        if change is not None:
            x = change(x, tf.stack([tf.constant(worker_seed, tf.int32), tf.cast(step % (1 << 31), tf.int32)]))
        return (
            (x, y) if weigh is None else (x, y, {name: weigh(one) for name, one in y.items()} if outputs else weigh(y))
        )

    return _assemble(data, "train", numbered, finish, outputs), steps


def _part_of(batch_size: int, length: int, shard: tuple[int, int]) -> slice:
    """Returns which samples of each batch are a worker's."""
    index, workers = shard
    if batch_size < 1 or batch_size % workers or length < workers:
        raise UsageError(
            f"A batch of {length} samples cannot be divided evenly among {workers} workers.",
            fix="Choose a batch size that is a multiple of the number of workers, and give at least that many samples.",
        )
    return slice(index * length // workers, (index + 1) * length // workers)


def validation_batches(data: TrainingSet, *, batch_size: int, outputs: Sequence[str] = ()) -> Any:
    """Makes a finite stream of all validation samples in the order of the data, with the remainder.

    Returns:
        A ``tf.data.Dataset`` of ``(x, y)`` as those of `train_batches`.

    Raises:
        DataError: None are held out.
    """
    import tensorflow as tf

    if not data.validation_samples:
        raise DataError("No samples are held out to validate on.", fix="Give validation data or a validation split.")
    numbered = tf.data.Dataset.range(data.validation_samples).batch(batch_size).map(lambda places: (places, places[0]))
    return _assemble(data, "validation", numbered, lambda x, y, step: (x, y), outputs)


def read_rows(data: TrainingSet, part: Part, limit: int) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """Reads samples as the model takes them; does without TensorFlow.

    Args:
        limit: The first of a seeded, class-balanced order: those of a smaller limit are among them.

    Returns:
        One array of samples per input in the model's order, and their labels.
    """
    rows, labels = data.part(part), data.read_labels()
    if limit < len(rows):
        groups = labels[rows].tolist() if data.labels == "class" else [None] * len(rows)
        rows = rows[balanced(groups, limit, data.seed)]
    values = open_rows(data).read(rows)
    return [data.normalized(number, column) for number, column in enumerate(values)], labels[rows]


def _weigh(data: TrainingSet, weights: Sequence[float] | None) -> Callable[[Any], Any] | None:
    import tensorflow as tf

    if weights is None:
        return None
    if data.classes is None:
        raise UsageError("Class weights need classes, and the labels are values.", fix="Leave the class weights out.")
    if len(weights) != data.classes:
        raise UsageError(f"There are {len(weights)} class weights for {data.classes} classes.")
    table = np.asarray(weights, np.float32)
    return lambda y: tf.gather(table, y)


def _assemble(
    data: TrainingSet, part: Part, numbered: Any, finish: Callable[[Any, Any, Any], Any], outputs: Sequence[str]
) -> Any:
    """Turns a stream of ``(places in the part, step)`` into batches, in that order, made in parallel ahead of their use."""
    import tensorflow as tf

    # The values go along as elements of the stream: a constant divisor would become a multiplication by its reciprocal
    # (Grappler), which rounds differently from evaluation and calibration.
    factors = _factors(data)
    along = tf.data.Dataset.from_tensors(tuple(value for _, _, value in factors)).repeat() if factors else None
    fetch = _fetch(data, part, outputs)

    def make(places: Any, step: Any, *values: Any) -> Any:
        columns, labels = fetch(places)
        for (number, name, _), value in zip(factors, values, strict=True):
            x = tf.cast(columns[number], tf.float32)
            columns[number] = x / value if name == "divide" else x - value
        columns = [
            tf.cast(x, tf.float32) if column.pixels else x for x, column in zip(columns, data.columns, strict=True)
        ]
        names = [spec.name for spec in data.inputs]
        x = columns[0] if len(names) == 1 else dict(zip(names, columns, strict=True))
        return finish(x, labels, step)

    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    stream = (
        tf.data.Dataset.zip((numbered, along)).map(
            tf.autograph.experimental.do_not_convert(lambda item, values: make(*item, *values)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        if along is not None
        else numbered.map(tf.autograph.experimental.do_not_convert(make), num_parallel_calls=tf.data.AUTOTUNE)
    )
    return stream.prefetch(tf.data.AUTOTUNE).with_options(options)


def _factors(data: TrainingSet) -> list[tuple[int, str, NDArray[np.float32]]]:
    """Returns the steps of normalization of each column of pixels, with a value for each pixel of an image."""
    return [
        (number, name, np.ascontiguousarray(np.broadcast_to(value, column.shape)))
        for number, column in enumerate(data.columns)
        if column.pixels
        for name, value in data.preprocessing.steps(column.shape)
    ]


def _fetch(data: TrainingSet, part: Part, outputs: Sequence[str]) -> Callable[[Any], tuple[list[Any], Any]]:
    """Returns a function from places in a part to the stored columns and labels, as tensors: a dict of labels where outputs are given."""
    import tensorflow as tf

    rows = data.part(part)
    with tf.device("CPU"):
        sets = {name: data.of(name) if data.by_output else data for name in outputs} or {"": data}
        labels = {name: _labels(one, rows) for name, one in sets.items()}

    def labels_at(places: Any) -> Any:
        found = {name: at(places) for name, at in labels.items()}
        return found if outputs else found[""]

    with tf.device("CPU"):
        if not data.streamed and sum(column.row_bytes for column in data.columns) * len(rows) <= _MOST_IN_MEMORY:
            tensors = [tf.constant(stored_column(data, number)[rows]) for number in range(len(data.columns))]
            return lambda places: ([tf.gather(tensor, places) for tensor in tensors], labels_at(places))
    reader = open_rows(data)
    types = [tf.as_dtype(np.dtype(column.dtype)) for column in data.columns]

    def fetch(places: Any) -> tuple[list[Any], Any]:
        values = tf.numpy_function(lambda chosen: reader.read(rows[chosen]), [places], types)
        for value, column in zip(values, data.columns, strict=True):
            value.set_shape([places.shape[0], *column.shape])
        return list(values), labels_at(places)

    return fetch


def _labels(data: TrainingSet, rows: NDArray[np.int64]) -> Callable[[Any], Any]:
    """Returns a function from places to labels, as tensors; masks that are many are read as they are needed."""
    import tensorflow as tf

    stored = data.read_labels()
    if len(rows) * stored[:1].nbytes <= _MOST_IN_MEMORY:
        labels = tf.constant(stored[rows])
        return lambda places: tf.gather(labels, places)

    def read(places: Any) -> Any:
        values = tf.numpy_function(lambda chosen: stored[rows[chosen]], [places], tf.as_dtype(stored.dtype))
        return tf.ensure_shape(values, [places.shape[0], *data.label_shape])

    return read
