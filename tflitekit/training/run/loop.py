"""The training loop: tf_keras's own ``fit``, with a schedule, checkpoints, the best epoch kept, and a stop at NaN.

A training function of the user's own takes its place as ``train(model, batches, validation, *, steps_per_epoch, epochs,
initial_epoch, callbacks)``: a compiled tf_keras model, an endless `tf.data.Dataset` of training batches, one of validation
batches or None, and the kit's callbacks, which it hands to ``model.fit`` or calls itself.

Imports TensorFlow; import it inside functions only.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from tflitekit.core.errors import ConversionError
from tflitekit.core.user_code import call_function, load_function
from tflitekit.options.training import TrainingOptions
from tflitekit.schemes import Stage
from tflitekit.tflite.training_record import EpochRecord, StageRecord
from tflitekit.training.distributed.strategy import ONE_DEVICE, Distribution
from tflitekit.training.quantize.observers import freeze_ranges
from tflitekit.training.run.checkpoint import Checkpoint
from tflitekit.training.run.objective import Goal, Objective, make_optimizer

__all__ = ["Job", "train"]

_REPORT_EVERY_S = 0.25


@dataclass(frozen=True)
class Job:
    """What one stage trains on.

    Attributes:
        goals: The outputs that are trained; the main one first.
        batches: From the first epoch to an endless data set of training batches.
        validation: A data set of validation batches; None without.
        steps_per_epoch: Steps of one epoch.
        ready_step: The first step after which an epoch can be the best.
        folder: For the checkpoint and the progress.
        distribution: Where the model was made, and whether this process writes.
    """

    stage: Stage
    options: TrainingOptions
    goals: Sequence[Goal]
    batches: Callable[[int], Any]
    validation: Any
    steps_per_epoch: int
    ready_step: int
    folder: Path
    callbacks: Sequence[Any] = ()
    tensorboard: Path | None = None
    distribution: Distribution = ONE_DEVICE

    @property
    def objective(self) -> Objective:
        """That of the main output, whose metric is watched."""
        return self.goals[0].objective


class _Diverged(Exception):
    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


def train(model: Any, job: Job) -> tuple[StageRecord, str, float]:
    """Trains a model for all epochs of a stage; continues from the checkpoint of a run that was killed.

    The model is left with the weights of the best epoch.

    Returns:
        What happened, the optimizer's name, and the highest learning rate.

    Raises:
        ConversionError: The loss became NaN before the first epoch was finished.
    """
    started, epochs = time.perf_counter(), job.options.epochs
    steps = epochs * job.steps_per_epoch
    with job.distribution.scope():
        optimizer, rate = make_optimizer(job.options, steps, job.stage.kind)
        _compile(model, optimizer, job)
        optimizer.build(model.trainable_variables)
    keeper = _Keeper(job, model, optimizer)
    keeper.resume()
    job.distribution.agree(f"{job.folder.name} after epoch {keeper.epoch}")
    first, diverged = keeper.epoch, None
    callbacks = [*job.callbacks, *_own_callbacks(job), _Watch(job, first), keeper]
    if job.tensorboard is not None and job.distribution.writes:
        callbacks.append(_EventLog(job.tensorboard))
    function = load_function(job.options.function, "training function") if job.options.function else _fit
    try:
        for begin, end in _phases(first, epochs, job.stage.kind == "quantize"):
            if keeper.stopped_early:
                break
            if job.stage.kind == "quantize" and begin >= _freeze_epoch(epochs):
                _freeze(model, job)
            function(
                model,
                job.batches(begin),
                job.validation,
                steps_per_epoch=job.steps_per_epoch,
                epochs=end,
                initial_epoch=begin,
                callbacks=callbacks,
            )
    except _Diverged as error:
        diverged = error.step
    if diverged is not None and not keeper.best:
        raise _useless(diverged, 1 + (diverged - 1) // job.steps_per_epoch, rate)
    if not keeper.best:  # a callback stopped before, or a training function of the user's own calls no callbacks
        keeper.best, keeper.best_epoch = _weights(model), keeper.epoch or epochs
    model.set_weights(keeper.best)
    record = StageRecord(
        kind=job.stage.kind,
        sparsity=job.stage.sparsity,
        clusters=job.stage.clusters,
        epochs=epochs,
        steps=steps,
        best_epoch=keeper.best_epoch,
        stopped=_stopped(keeper, diverged),
        resumed_at=tuple(keeper.resumed_at),
        history=tuple(keeper.history),
        seconds=round(time.perf_counter() - started + keeper.seconds_before, 3),
    )
    return record, type(optimizer).__name__, rate


def _stopped(keeper: _Keeper, diverged: int | None) -> str | None:
    if diverged is not None:
        return f"loss became NaN at step {diverged}"
    return "early stopping" if keeper.stopped_early else None


def _useless(step: int, epoch: int, rate: float) -> ConversionError:
    return ConversionError(
        f"The training loss became NaN at step {step} (epoch {epoch}), before the first epoch was finished.",
        why=f"The highest learning rate was {rate:g}.",
        fix="Train with a lower rate (--learning-rate), and check the data for values that the model was not built for.",
    )


def _compile(model: Any, optimizer: Any, job: Job) -> None:
    names = list(model.output_names)
    loss: Any = job.objective.loss
    metrics: Any = [job.objective.metric] if job.objective.metric is not None else None
    weights = None
    if len(names) > 1 and job.objective.taught:
        loss = [loss] * len(names)
    elif len(names) > 1:
        loss = {goal.output: goal.objective.loss for goal in job.goals}
        weights = {goal.output: goal.weight for goal in job.goals} if len(job.goals) > 1 else None
        metrics = {job.goals[0].output: metrics} if metrics else None
    model.compile(optimizer, loss=loss, metrics=metrics, loss_weights=weights)


def _fit(model: Any, batches: Any, validation: Any, **options: Any) -> None:
    model.fit(batches, validation_data=validation, verbose=0, **options)


def _freeze_epoch(epochs: int) -> int:
    """Returns the epoch (from 0) from which statistics stay fixed: the last quarter, and never the only epoch."""
    return epochs - max(1, epochs // 4) if epochs > 1 else epochs


def _phases(first: int, epochs: int, quantizing: bool) -> Iterator[tuple[int, int]]:
    middle = _freeze_epoch(epochs) if quantizing else epochs
    if first < middle:
        yield first, middle
    if max(first, middle) < epochs:
        yield max(first, middle), epochs


def _freeze(model: Any, job: Job) -> None:
    """Fixes the statistics of BatchNormalization and the ranges of activations, as they will be in the finished file.

    After R. Krishnamoorthi, 'Quantizing deep convolutional networks for efficient inference' (2018), section 3.
    """
    freeze_ranges(model)
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)
        if type(inner).__name__ == "BatchNormalization":
            inner.trainable = False
    with job.distribution.scope():
        model.make_train_function(force=True)  # what a step computes is traced; validation is as before


def _own_callbacks(job: Job) -> list[Any]:
    if job.options.callbacks is None:
        return []
    found = call_function(job.options.callbacks, "callbacks")
    return list(found) if isinstance(found, list | tuple) else [found]


class _Watch(tf_keras.callbacks.Callback):  # type: ignore[misc]
    """Says how far training is, and stops it at the first step whose loss is not finite."""

    _supports_tf_logs = True

    def __init__(self, job: Job, first_epoch: int) -> None:
        super().__init__()
        self._job, self._epoch, self._said = job, first_epoch, 0.0
        self._path = job.folder / "progress.jsonl"

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        step = self._epoch * self._job.steps_per_epoch + batch + 1
        loss = _number(logs, "loss")
        if loss is not None and not math.isfinite(loss):
            raise _Diverged(step)
        now = time.monotonic()
        last = step == self._job.options.epochs * self._job.steps_per_epoch
        if self._job.distribution.writes and (now - self._said >= _REPORT_EVERY_S or last):
            self._said = now
            self._say(step, loss, _number(logs, self._job.objective.metric_name))

    def _say(self, step: int, loss: float | None, metric: float | None) -> None:
        line = {"step": step, "epoch": self._epoch + 1, "loss": loss, "metric": metric}
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


class _EventLog(tf_keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the figures of each epoch for TensorBoard; Keras's own callback needs the package to write them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._writer = tf.summary.create_file_writer(str(folder))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        rate = tf_keras.backend.get_value(self.model.optimizer.learning_rate)
        values = {"learning_rate": rate, **(logs or {})}
        found = [tf.compat.v1.Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()]
        with self._writer.as_default():
            tf.summary.experimental.write_raw_pb(tf.compat.v1.Summary(value=found).SerializeToString(), step=epoch + 1)
        self._writer.flush()


def _number(logs: Mapping[str, Any] | None, name: str | None) -> float | None:
    """Returns a figure from the logs; of a model with several outputs its name has the output's before it."""
    if logs is None or name is None:
        return None
    found = logs.get(name)
    if found is None:
        found = next(
            (value for key, value in logs.items() if key.endswith(f"_{name}") and not key.startswith("val_")), None
        )
    return None if found is None else float(found)


class _Keeper(tf_keras.callbacks.Callback):  # type: ignore[misc]
    """After each epoch: the history, the best weights, and a checkpoint."""

    def __init__(self, job: Job, model: Any, optimizer: Any) -> None:
        super().__init__()
        self._job, self._trained, self._optimizer = job, model, optimizer
        self.path = job.folder / "checkpoint.npz"
        self.epoch, self.best_epoch = 0, 0
        self.history: list[EpochRecord] = []
        self.best: list[Any] = []
        self.resumed_at: list[int] = []
        self.seconds_before, self.stopped_early = 0.0, False
        self._begun = self._started = time.perf_counter()

    def resume(self) -> None:
        """Takes over the checkpoint of a run that was killed, if there is one."""
        if not self.path.is_file():
            return
        found = Checkpoint.load(self.path)
        self._trained.set_weights(found.weights)
        for variable, value in zip(_variables(self._optimizer), found.optimizer, strict=True):
            variable.assign(value)
        self.history = [EpochRecord.model_validate(epoch) for epoch in found.facts["history"]]
        self.epoch, self.best, self.best_epoch = len(self.history), found.best, found.facts["best_epoch"]
        self.resumed_at = [*found.facts["resumed_at"], self.epoch]
        self.seconds_before = found.facts["seconds"]
        self.stopped_early = found.facts.get("stopped", False)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begun = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = dict(logs or {})
        name = self._job.objective.metric_name
        validation = {key.removeprefix("val_"): value for key, value in logs.items() if key.startswith("val_")}
        record = EpochRecord(
            epoch=epoch + 1,
            loss=float(logs.get("loss", math.nan)),
            metric=_number(logs, name),
            val_loss=_number(validation, "loss"),
            val_metric=_number(validation, name),
            learning_rate=float(tf_keras.backend.get_value(self._optimizer.learning_rate)),
            seconds=round(time.perf_counter() - self._begun, 3),
        )
        self.history.append(record)
        self.epoch = epoch + 1
        weights = _weights(self._trained)
        if not all(np.isfinite(value).all() for value in weights):  # the last step's, which no loss has seen yet
            raise _Diverged(self.epoch * self._job.steps_per_epoch)
        if self.epoch * self._job.steps_per_epoch >= self._job.ready_step and self._is_best(record):
            self.best, self.best_epoch = weights, self.epoch
        patience = self._job.options.patience
        if patience is not None and self.best_epoch and self.epoch - self.best_epoch >= patience:
            self._trained.stop_training = True
        # A callback of the user's may also have said so: what Keras forgets when the next phase begins.
        self.stopped_early = bool(self._trained.stop_training) and self.epoch < self._job.options.epochs
        if self._job.distribution.writes:
            Checkpoint(
                {
                    "history": [e.model_dump() for e in self.history],
                    "best_epoch": self.best_epoch,
                    "resumed_at": self.resumed_at,
                    "seconds": time.perf_counter() - self._started + self.seconds_before,
                    "stopped": self.stopped_early,
                },
                weights,
                tf_keras.backend.batch_get_value(_variables(self._optimizer)),
                self.best,
            ).save(self.path)

    def _is_best(self, record: EpochRecord) -> bool:
        """Whether an epoch is better than the best so far: by accuracy, else by loss, as for several outputs; without validation the last
        one is."""
        if not self.best_epoch or record.val_loss is None:
            return True
        accuracy = len(self._job.goals) == 1 and self._job.objective.classes and self._job.options.metric is None

        def rank(epoch: EpochRecord) -> tuple[float, ...]:
            assert epoch.val_loss is not None
            loss = -epoch.val_loss
            figures = (loss,) if not accuracy or epoch.val_metric is None else (epoch.val_metric, loss)
            return tuple(-math.inf if math.isnan(figure) else figure for figure in figures)

        return rank(record) > rank(self.history[self.best_epoch - 1])


def _variables(optimizer: Any) -> list[Any]:
    variables = optimizer.variables
    return list(variables() if callable(variables) else variables)


def _weights(model: Any) -> list[Any]:
    return [np.array(value) for value in model.get_weights()]
