"""One stage of training: the model is opened, prepared and trained, and what came of it is told."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.arrays import read_arrays
from tflitekit.core.errors import DataError, UsageError
from tflitekit.options.training import TrainingOptions
from tflitekit.schemes import Stage
from tflitekit.source.custom_objects import import_custom_objects
from tflitekit.source.kinds.keras import load_model
from tflitekit.tflite.training_record import Parity, StageRecord
from tflitekit.training.data.batches import read_rows, train_batches, validation_batches
from tflitekit.training.data.labels import PLACES
from tflitekit.training.data.store import TrainingSet
from tflitekit.training.distributed.strategy import Distribution
from tflitekit.training.model.outputs import column_axes
from tflitekit.training.model.rebuild import Rebuilt, rebuild
from tflitekit.training.run.checkpoint import discard_damaged
from tflitekit.training.run.objective import (
    Compiled,
    Goal,
    Objective,
    TrainingLabels,
    check_labels,
    choose_objective,
    ends_in,
    load_class_weights,
    read_compiled,
)
from tflitekit.training.run.outcome import run_model
from tflitekit.training.run.stages import Prepared, prepare_stage

__all__ = ["CHUNK", "PARITY_SAMPLES", "SETTLING_SAMPLES", "Opened", "StageRun"]

PARITY_SAMPLES = 16
SETTLING_SAMPLES = 512
CHUNK = 64


@dataclass(frozen=True)
class Opened:
    """The model of a stage before it is prepared.

    Attributes:
        model: The user's.
        original: The same for Keras 2; it is not trained.
        rebuilt: A copy of that with the weights of the stage before.
        goals: The outputs that are trained; the `main` one first.
        notes: What users should know.
    """

    model: Any
    original: Rebuilt
    rebuilt: Rebuilt
    counterparts: Mapping[str, Any]
    samples: list[NDArray[Any]]
    goals: tuple[Goal, ...]
    notes: list[str]

    @property
    def main(self) -> Goal:
        """The output whose accuracy is watched: the first in the model's order, or the one with the largest weight."""
        return self.goals[0]

    @property
    def by_name(self) -> tuple[str, ...]:
        """The outputs by whose names labels reach the model; none where it has one, or where one loss takes all outputs."""
        several = len(self.original.model.outputs) > 1 and not self.main.objective.joint
        return tuple(goal.output for goal in self.goals) if several else ()

    @property
    def loss_name(self) -> str:
        """The losses for people, with their weights where these differ."""
        if len(self.goals) == 1:
            return self.main.objective.loss_name
        weighted = len({goal.weight for goal in self.goals}) > 1
        return ", ".join(
            f"{goal.output}: {f'{goal.weight:.3g} x ' if weighted else ''}{goal.objective.loss_name}"
            for goal in self.goals
        )

    def copy(self) -> Rebuilt:
        return _copy(self.model, self.rebuilt, self.counterparts)


class _Batches(NamedTuple):
    """From the first epoch to training batches, the validation batches or None, and the steps of an epoch."""

    training: Callable[[int], Any]
    validation: Any
    steps_per_epoch: int


class _Trained(NamedTuple):
    record: StageRecord
    optimizer: str
    learning_rate: float
    preparing_s: float


@dataclass(frozen=True)
class StageRun:
    """What one stage is trained with, and the steps of its training."""

    stage: Stage
    options: TrainingOptions
    data: TrainingSet
    out: Path
    seed: int
    distribution: Distribution

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint.npz"

    def open(self, source: Mapping[str, Any], model: Any, previous: str | None) -> Opened:
        """Loads the model, rebuilds it, and gives it the weights of the stage before."""
        model, compiled, notes = _load(source, model)
        if self.distribution.writes:
            notes += discard_damaged(self.checkpoint)
        counterparts = import_custom_objects(source["custom_objects"], attribute="tf_keras_objects")
        samples, _ = read_rows(self.data, "train", PARITY_SAMPLES)
        original = rebuild(model, samples=samples, counterparts=counterparts)
        with self.distribution.scope():
            goals = choose_goals(self.options, original.model, self.data, compiled)
        for goal in goals:
            notes += _check_labels(original.model, goal, self.options.of(goal.output))
            notes += goal.objective.notes
        rebuilt = _copy(model, original, counterparts)
        if previous is not None:
            rebuilt.model.set_weights(read_arrays(Path(previous) / "weights.npz")[0]["weights"])
        kept = tuple(goal for goal in goals if not goal.objective.taught) or goals[:1]
        return Opened(model, original, rebuilt, counterparts, samples, kept, notes)

    def batches(self, opened: Opened) -> _Batches:
        return _batches(self.distribution, opened.main.data, self.options, self.seed, opened.by_name)

    def preparing(self, opened: Opened, batches: _Batches) -> Callable[..., Prepared]:
        """Returns the function that prunes, clusters or quantizes a rebuilt model for training."""
        steps = batches.steps_per_epoch * self.options.epochs
        return functools.partial(
            prepare_stage, self.stage, steps=steps, samples=opened.samples, strict=self.options.strict
        )

    def train(
        self,
        opened: Opened,
        batches: _Batches,
        prepared: Prepared,
        prepare: Callable[..., Prepared],
        tensorboard: Path | None,
        started: float,
    ) -> _Trained:
        """Trains the prepared model: where there are several replicas, by way of one whose variables all of them have."""
        from tflitekit.training.run.loop import Job, train

        replicated = prepared
        with self.distribution.scope():
            if self.distribution.strategy is not None:
                replicated = prepare(opened.copy(), prove=False)
                replicated.model.set_weights(prepared.model.get_weights())
            trainee = _trainee(replicated, opened.original, self.options, opened.goals)
        job = Job(
            stage=self.stage,
            options=self.options,
            goals=opened.goals,
            batches=batches.training,
            validation=batches.validation,
            steps_per_epoch=batches.steps_per_epoch,
            ready_step=prepared.ready_step,
            folder=self.out,
            callbacks=replicated.callbacks,
            tensorboard=tensorboard,
            distribution=self.distribution,
        )
        preparing_s = round(time.perf_counter() - started, 3)
        trained = _Trained(*train(trainee, job), preparing_s)
        if replicated is not prepared:
            prepared.model.set_weights(replicated.model.get_weights())
        return trained

    def facts(self, opened: Opened, prepared: Prepared, trained: _Trained) -> dict[str, Any]:
        """Returns what ``stage.json`` holds."""
        return {
            "record": trained.record.model_dump(mode="json"),
            "optimizer": trained.optimizer,
            "learning_rate": trained.learning_rate,
            "loss": opened.loss_name,
            "metric": opened.main.objective.metric_name,
            "compressed": list(prepared.compressed),
            "left_float": list(prepared.left_float),
            "paths": dict(prepared.paths),
            "output": opened.main.output,
            "labelled": [goal.output for goal in opened.goals],
            "rebuilt": _parity(opened.original.parity),
            "annotated": _parity(prepared.parity),
            "notes": [*opened.notes, *opened.original.notes, *prepared.notes],
            "strategy": self.distribution.description,
            "devices": list(self.distribution.devices),
            "preparing_s": trained.preparing_s,
        }


def _load(source: Mapping[str, Any], model: Any) -> tuple[Any, Compiled, list[str]]:
    """Returns the model, what it was compiled with, and notes on how it was loaded."""
    if model is not None:
        return model, _compiled_object(model), []
    model, notes = load_model(
        Path(source["path"]),
        kind=source["kind"],
        unsafe_load=source["unsafe_load"],
        custom_objects=source["custom_objects"],
        keras2=True,
    )
    return model, read_compiled(source["path"], source["kind"]), notes


def _check_labels(model: Any, goal: Goal, options: TrainingOptions) -> list[str]:
    """Refuses labels that the loss would compare with the wrong outputs, and returns what users should know.

    Args:
        options: With the loss of this output alone.

    Raises:
        DataError: A class number is beyond the outputs, there are more or fewer classes, or targets of another size.
    """
    if goal.kind in PLACES:
        return []
    index, data, objective = goal.index, goal.data, goal.objective
    if options.own_loss is None or ":" not in options.own_loss:  # a loss of the user's own compares what it likes
        if goal.kind == "mask":
            _check_mask(model, index, data)
        else:
            _check_sizes(model, index, objective, data)
    present = sum(count > 0 for count in data.class_counts)
    named = len(data.class_names) if data.class_names else None
    return check_labels(model, index, objective, present, named, data.location)


def _check_mask(model: Any, index: int, data: TrainingSet) -> None:
    name, shape = model.output_names[index], model.outputs[index].shape[1:]
    if len(shape) != 3:
        raise DataError(
            f"The labels at {data.location} are masks, and the model's output '{name}' has {list(shape)}.",
            why="Masks go with an output of height, width and classes.",
            fix="Name the output that tells the classes of pixels with --output; or give your own loss with --loss.",
        )
    classes, largest = max(2, int(shape[-1])), int(data.read_labels().max())
    if largest >= classes:
        raise DataError(
            f"The masks at {data.location} have the class {largest}, and the model's output '{name}' has {classes} classes.",
            why="Classes count from 0.",
            fix=f"Number the classes in the order of the model's output. If these pixels are to count for nothing: {data.location}:ignore={largest}, or "
            f"--ignore-label {largest} of 'optimize'.",
        )


def _check_sizes(model: Any, index: int, objective: Objective, data: TrainingSet) -> None:
    shape = model.outputs[index].shape[1:]
    size = int(np.prod([d for d in shape if d]))
    integers = np.dtype(data.label_dtype).kind == "i" and not data.label_shape and data.class_names is None
    largest = int(data.read_labels().max()) if integers else 0
    if 1 < size <= largest and sum(count > 0 for count in data.class_counts) <= size:
        raise DataError(
            f"The data at {data.location} have the label {largest}, and the model has {size} outputs.",
            why="Labels are class numbers, which count from 0.",
            fix="Number the classes in the order of the model's outputs.",
        )
    sparse = objective.loss_name.startswith("sparse")
    if not objective.classes and not sparse and None not in shape and int(np.prod(data.label_shape)) != size:
        raise DataError(
            f"The labels at {data.location} have the shape {list(data.label_shape)}, and the model's output "
            f"'{model.output_names[index]}' has {list(shape)}.",
            why="They are not class numbers, which are integers, and they do not have the shape of targets.",
            fix="Give classes as integers, and targets in the shape of the output; or your own loss with --loss.",
        )


def _batches(
    distribution: Distribution, data: TrainingSet, options: TrainingOptions, seed: int, outputs: Sequence[str]
) -> _Batches:
    make = functools.partial(
        train_batches,
        data,
        batch_size=options.batch_size,
        seed=seed,
        augment=options.augment,
        class_weights=_class_weights(options, data, outputs),
        outputs=outputs,
    )
    samples = min(options.batch_size, data.train_samples)
    validation = None
    if data.validation_samples:
        validation = validation_batches(data, batch_size=max(options.batch_size, CHUNK), outputs=outputs)
        validation = distribution.divide(validation)
    return _Batches(
        lambda first: distribution.spread(lambda shard: make(first_epoch=first, shard=shard)[0], samples),
        validation,
        data.steps(options.batch_size),
    )


def _copy(model: Any, original: Rebuilt, counterparts: Mapping[str, Any]) -> Rebuilt:
    """Returns a second rebuilt model, which may be trained: the first one stays what it is."""
    copied = rebuild(model, counterparts=counterparts, prove=False)
    copied.model.set_weights(original.model.get_weights())
    return copied


def _trainee(prepared: Prepared, original: Rebuilt, options: TrainingOptions, goals: Sequence[Goal]) -> Any:
    model, teacher, first = prepared.model, original.model, goals[0].objective
    if first.joint:
        from tflitekit.training.run.task_losses import packed

        model, teacher = packed(model), packed(teacher)
    if options.distill is None and len(teacher.outputs) == 1 and not first.taught:
        return model
    from tflitekit.training.run.distillation import Lesson, spread, with_teacher

    columns, _ = read_rows(goals[0].data, "train", SETTLING_SAMPLES)
    lessons = {
        0 if first.joint else goal.index: Lesson(goal.objective.classes, goal.objective.probabilities, goal.weight)
        for goal in goals
    }
    return with_teacher(
        model,
        teacher,
        lessons=None if first.taught else lessons,
        share=options.distill,
        temperature=options.temperature,
        spreads=[spread(*pair) for pair in zip(run_model(teacher, columns), column_axes(teacher), strict=True)],
    )


def choose_goals(options: TrainingOptions, model: Any, data: TrainingSet, compiled: Compiled) -> tuple[Goal, ...]:
    """Returns the outputs that are trained, each with its labels, loss and weight; the one with the largest named weight first.

    Weights are those of ``--output``, else those that the model was compiled with.

    Raises:
        UsageError: An option names an output that the model does not have, or that has no labels.
        DataError: There are labels for such an output.
    """
    names = list(model.output_names)
    shown = f"Its outputs are {', '.join(names)}."
    unknown = next((name for name in (*options.weights, *data.by_output) if name not in names), None)
    if unknown is not None and unknown in options.weights:
        raise UsageError(f"The model has no output '{unknown}'.", fix=shown)
    if unknown is not None:
        raise DataError(
            f"The training data at {data.location} have labels for '{unknown}', and the model has no output of that name.",
            fix=f"Name labels as the outputs are named. {shown}",
        )
    trained = [name for name in names if name in data.by_output] or [next(iter(options.weights), names[0])]
    odd = next((name for name in options.loss if name and name not in trained), None)
    if odd is not None:
        raise UsageError(
            f"--loss names '{odd}', which is not trained: it has no labels, or --output leaves it out.",
            fix=f"Outputs that are trained: {', '.join(trained)}.",
        )
    goals = [_goal(options, model, names.index(name), data, compiled, alone=len(trained) == 1) for name in trained]
    return tuple(sorted(goals, key=lambda goal: -options.weights.get(goal.output, 0.0)))


def _goal(
    options: TrainingOptions, model: Any, index: int, data: TrainingSet, compiled: Compiled, *, alone: bool
) -> Goal:
    name = str(model.output_names[index])
    own = data.of(name) if name in data.by_output else data
    size = max(2, int(np.prod([d for d in model.outputs[index].shape[1:] if d])))
    if not alone and own.class_names is not None and len(own.class_names) != size:
        own = own.model_copy(update={"class_names": None})  # those of another output
    kind = _label_kind(own, model, index)
    objective = choose_objective(options.of(name), model, index, kind, compiled.loss, alone=alone)
    weight = 1.0 if alone else options.weights.get(name) or compiled.weight(index, name)
    return Goal(name, index, own, kind, objective, weight)


def _label_kind(data: TrainingSet, model: Any, index: int) -> TrainingLabels:
    """Returns what labels are for an output: numbers beyond 1 for a single one are targets, as in evaluation."""
    output = model.outputs[index]
    shape = tuple(output.shape[1:])
    size = int(np.prod([d for d in shape if d]))
    if data.labels == "class":
        return "values" if data.class_names is None and size == 1 and (data.classes or 0) > 2 else "class"
    if data.labels != "values":
        return data.labels
    labels = data.read_labels()
    if labels.dtype.kind == "i" and len(shape) == 3 and data.label_shape == shape[:2]:
        return "mask"
    several = size > 1 and data.label_shape == shape and len(shape) == 1 and np.isin(labels, (0, 1)).all()
    return "several classes" if several and ends_in(output, {"sigmoid"}) else "values"


def _class_weights(options: TrainingOptions, data: TrainingSet, outputs: Sequence[str]) -> list[float] | None:
    if options.class_weights is None:
        return None
    if len(outputs) > 1:
        raise UsageError(
            f"Class weights are for one output, and {', '.join(outputs)} are trained.",
            fix="Leave out --class-weights, or name one output with --output.",
        )
    if data.labels != "class" or not data.class_counts:
        raise UsageError("Class weights are for labels that are classes.", fix="Leave out --class-weights.")
    return load_class_weights(options.class_weights, data.class_counts, data.class_names)


def _compiled_object(model: Any) -> Compiled:
    """Returns what a model object was compiled with, losses by their names."""
    inner = getattr(model, "compiled_loss", None) or getattr(model, "_compile_loss", None)
    loss = getattr(model, "loss", None) or getattr(inner, "_user_losses", None)
    weights = next((found for n in ("_user_loss_weights", "_loss_weights") if (found := getattr(inner, n, None))), None)
    if isinstance(loss, Mapping):
        return Compiled({name: _name_of(one) for name, one in loss.items()}, weights)
    if isinstance(loss, list | tuple):
        return Compiled([_name_of(one) for one in loss], weights)
    return Compiled(_name_of(loss), weights)


def _name_of(loss: Any) -> str | None:
    if loss is None or isinstance(loss, str):
        return loss
    return getattr(loss, "name", None) or getattr(loss, "__name__", None)


def _parity(found: Parity | None) -> Any:
    return None if found is None else found.model_dump(mode="json")
