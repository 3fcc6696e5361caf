"""What is minimized and watched: loss, metric and optimizer, the user's or those that data and model call for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tflitekit.core.errors import DataError, ModelError, UnreadableError, UsageError
from tflitekit.core.remote import local_copy
from tflitekit.core.structured import read_json
from tflitekit.core.user_code import call_function, load_function
from tflitekit.options.training import TrainingOptions
from tflitekit.source.allowlist import named_beyond
from tflitekit.source.keras_file import read_archive_config, read_hdf5_config
from tflitekit.training.data.labels import PLACES, LabelKind
from tflitekit.training.data.store import TrainingSet

__all__ = [
    "Compiled",
    "Goal",
    "Objective",
    "TrainingLabels",
    "check_labels",
    "choose_objective",
    "ends_in",
    "load_class_weights",
    "make_optimizer",
    "read_compiled",
]

_WARM_UP = 0.05  # share of the steps in which the learning rate rises
# A trained model needs small steps; weights that are taken away need larger ones to be made up for.
_RATES = {"adam": 1e-4, "adamw": 1e-4, "sgd": 1e-3}
_PRUNING = 10.0
_CROSSENTROPIES = ("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")

TrainingLabels = LabelKind | Literal["several classes"]
"""What labels are for an output: as the data have them, or targets of 0 and 1 for an output of sigmoids: any number of classes a sample."""


@dataclass(frozen=True)
class Objective:
    """A loss and a metric for tf_keras.

    Attributes:
        loss: For ``compile``; ``loss_name`` for people.
        metric: For ``compile``; None where only the loss is watched. ``metric_name`` for people.
        classes: Whether labels are classes.
        probabilities: Whether the output holds probabilities (else logits or values).
        taught: Whether the loss compares with the float model's outputs alone, because nothing says how labels would.
        joint: Whether the loss takes all outputs.
        notes: What users should know.
    """

    loss: Any
    loss_name: str
    metric: Any
    metric_name: str | None
    classes: bool
    probabilities: bool
    taught: bool = False
    joint: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Goal:
    """An output that is trained.

    Attributes:
        index: Its place among the model's outputs.
        data: With its labels.
        weight: Of its loss.
    """

    output: str
    index: int
    data: TrainingSet
    kind: TrainingLabels
    objective: Objective
    weight: float = 1.0


@dataclass(frozen=True)
class Compiled:
    """What a model was compiled with.

    Attributes:
        loss: As its configuration says: one, or one for each output; None where nothing says.
        weights: Of the losses of several outputs, in the model's order or by name; None for 1 each.
    """

    loss: Any = None
    weights: Any = None

    def weight(self, index: int, name: str) -> float:
        """Returns the weight of an output's loss."""
        found = _of_output(self.weights, index, name)
        return float(found) if isinstance(found, int | float) and found > 0 else 1.0


def read_compiled(path: str | Path | None, kind: str) -> Compiled:
    """Returns the losses that a model file was compiled with, with their weights.

    Raises:
        ModelError: One of them is beyond computation.
    """
    if path is None or kind not in ("keras", "hdf5"):
        return Compiled()
    if kind == "keras":
        config = read_archive_config(Path(path)).get("compile_config")
    else:
        config = read_hdf5_config(Path(path), "training_config", needed=False)
    loss = config.get("loss") if isinstance(config, dict) else None
    beyond = [named.what for named in named_beyond(loss) if not named.own]
    if beyond:
        raise ModelError(
            f"The model {path} was compiled with {beyond[0]}, and the kit runs nothing from a file beyond computation.",
            fix="Name the loss with --loss.",
        )
    return Compiled(loss, config.get("loss_weights") if isinstance(config, dict) else None)


def choose_objective(
    options: TrainingOptions, model: Any, index: int, labels: TrainingLabels, compiled: Any, *, alone: bool = True
) -> Objective:
    """Chooses the loss and the metric of an output.

    Args:
        options: With the loss of this output alone (see `TrainingOptions.of`).
        model: The rebuilt tf_keras model.
        index: Which of its outputs the labels belong to.
        labels: What they are for that output (see `TrainingLabels`).
        compiled: The loss in the model's file (see `Compiled`).
        alone: Whether this is the only output with labels; a loss of boxes or keypoints then takes all outputs.

    Raises:
        UsageError: The model was compiled with a loss of the user's own that was not given, or there is no such loss.
    """
    import tf_keras

    if labels in PLACES:
        return _of_places(options, model, labels, alone=alone)
    output = model.outputs[index]
    size = int(output.shape[-1]) if len(output.shape) > 1 and output.shape[-1] is not None else 1
    probabilities = ends_in(output, {"softmax", "sigmoid"})
    classes = labels == "class"
    metric: Any = None
    metric_name = None
    if options.metric is not None:
        metric, metric_name = load_function(options.metric, "metric"), options.metric.rpartition(":")[2]
    elif classes:
        if size == 1:
            metric = tf_keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.5 if probabilities else 0.0)
        else:
            metric = tf_keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        metric_name = "accuracy"
    compiled = _of_output(compiled, index, list(model.output_names)[index])
    if labels == "mask":
        loss, name = _pixel_loss(options, compiled, size, probabilities)
    else:
        loss, name = _loss(options, compiled, labels, size, probabilities)
    return Objective(loss, name, metric, metric_name, classes, probabilities)


def _of_places(options: TrainingOptions, model: Any, labels: str, *, alone: bool) -> Objective:
    """Returns the user's loss for boxes or keypoints; without one, the distance to what the float model says.

    Which cell of an output is to find which box is known to those alone who trained the model.
    """
    import tf_keras

    metric = load_function(options.metric, "metric") if options.metric is not None else None
    metric_name = options.metric.rpartition(":")[2] if options.metric is not None else None
    what = "boxes" if labels == "boxes" else "keypoints"
    if options.own_loss is None:
        note = (
            f"The {what} took no part in training: how they belong to the outputs is known to those who trained the model. The loss was "
            "the squared difference from the float model's outputs, over the variance of each; --loss module:function gives your own."
        )
        loss, name = tf_keras.losses.MeanSquaredError(), "squared difference from the float model's outputs"
        return Objective(loss, name, None, None, classes=False, probabilities=False, taught=True, notes=(note,))
    if ":" not in options.own_loss:
        raise UsageError(
            f"The loss '{options.own_loss}' cannot compare {what} with the model's outputs.",
            why=f"How the {what} of a sample, of which there may be any number, belong to the outputs is known to those who trained the model.",
            fix="Give their loss as module:function(y_true, y_pred), or leave out --loss: the model then learns from its own float outputs.",
        )
    own, joint = load_function(options.own_loss, "loss"), alone and len(model.outputs) > 1
    if joint:
        from tflitekit.training.run.task_losses import of_all_outputs

        own = of_all_outputs(own, model)
    name = options.own_loss.rpartition(":")[2]
    return Objective(own, name, metric, metric_name, classes=False, probabilities=False, joint=joint)


def _pixel_loss(options: TrainingOptions, compiled: Any, size: int, probabilities: bool) -> tuple[Any, str]:
    """Returns the loss of each pixel's class."""
    from tflitekit.training.run.task_losses import of_known_pixels, pixel_crossentropy

    if options.own_loss is not None and ":" in options.own_loss:
        return load_function(options.own_loss, "loss"), options.own_loss.rpartition(":")[2]
    wanted = options.own_loss or _name(compiled)
    if wanted in (None, *_CROSSENTROPIES):
        kind = "binary" if size == 1 else "categorical"
        return pixel_crossentropy(size, probabilities), f"{kind} cross-entropy of each pixel"
    assert wanted is not None
    return of_known_pixels(_keras_loss(options, compiled, wanted, classes=True), size), f"{wanted} of each pixel"


def _of_output(compiled: Any, index: int, name: str) -> Any:
    """Returns the loss, or the weight, of one output, where a model was compiled with one for each."""
    if isinstance(compiled, list | tuple):
        return compiled[index] if index < len(compiled) else None
    if isinstance(compiled, Mapping) and "class_name" not in compiled:
        return compiled.get(name)
    return compiled


def _loss(
    options: TrainingOptions, compiled: Any, labels: TrainingLabels, size: int, probabilities: bool
) -> tuple[Any, str]:
    import tf_keras

    classes = labels == "class"

    losses = tf_keras.losses
    if options.own_loss is not None and ":" in options.own_loss:
        return load_function(options.own_loss, "loss"), options.own_loss.rpartition(":")[2]
    wanted = options.own_loss or _name(compiled)
    default_class = (losses.BinaryCrossentropy, "binary_crossentropy") if size == 1 else (
        losses.SparseCategoricalCrossentropy, "sparse_categorical_crossentropy")  # fmt: skip
    if classes and wanted in (None, *_CROSSENTROPIES):
        # Labels are class numbers here, however they were encoded when the model was first trained.
        kind, name = default_class
        config = (
            (compiled or {}).get("config", {}) if isinstance(compiled, Mapping) and options.own_loss is None else {}
        )
        smoothing = float(config.get("label_smoothing") or 0.0)
        if smoothing and size > 1:
            return _smoothed(
                smoothing, size, probabilities
            ), f"categorical_crossentropy, labels smoothed by {smoothing:g}"
        return kind(from_logits=not probabilities), name
    if wanted is None and labels == "several classes":
        return losses.BinaryCrossentropy(), "binary_crossentropy"
    if wanted is None:
        return losses.MeanSquaredError(), "mean_squared_error"
    loss = _keras_loss(options, compiled, wanted, classes=classes)
    return (_one_hot(loss, size) if classes and size > 1 and not wanted.startswith("sparse") else loss), wanted


def _keras_loss(options: TrainingOptions, compiled: Any, wanted: str, *, classes: bool) -> Any:
    """Returns a loss of Keras by its name, with the settings in the model's file where it is that one's."""
    import tf_keras

    try:
        return (_configured(compiled) if options.own_loss is None else None) or tf_keras.losses.get(wanted)
    except ValueError as error:
        if options.own_loss is not None:
            raise UsageError(
                f"Keras has no loss '{options.own_loss}'.",
                fix="Give the name of a Keras loss, or module:function.",
            ) from error
        raise UsageError(
            f"The model was compiled with the loss '{wanted}', which Keras does not know.",
            why="It is your own, and the file has only its name.",
            fix="Give it with --loss module:function, or choose a Keras loss by name, as in "
            f"--loss {'sparse_categorical_crossentropy' if classes else 'mean_squared_error'}.",
        ) from error


def _smoothed(smoothing: float, size: int, probabilities: bool) -> Any:
    import tf_keras

    def smoothed_crossentropy(y_true: Any, y_pred: Any) -> Any:
        return tf_keras.losses.categorical_crossentropy(
            y_true, y_pred, from_logits=not probabilities, label_smoothing=smoothing
        )

    return _one_hot(smoothed_crossentropy, size)


def _one_hot(loss: Any, size: int) -> Any:
    """Returns a loss that takes class numbers; what wants a vector of classes would compare each output with the number."""
    import tensorflow as tf

    def of_class_numbers(y_true: Any, y_pred: Any) -> Any:
        return loss(tf.one_hot(tf.cast(tf.reshape(y_true, [-1]), tf.int32), size), y_pred)

    return of_class_numbers


def _configured(compiled: Any) -> Any:
    """Returns a loss of Keras with the settings in a file's configuration, a value for each sample; None without any."""
    import tf_keras

    config = compiled.get("config") if isinstance(compiled, Mapping) else None
    kind = getattr(tf_keras.losses, str(compiled["class_name"]).rpartition(">")[2], None) if config else None
    if not isinstance(config, Mapping) or kind is None:
        return None
    known = set(inspect.signature(kind).parameters) - {"name", "reduction"}
    return kind(**{field: value for field, value in config.items() if field in known}).call


def _name(compiled: Any) -> str | None:
    """Returns the snake-case name of a loss from a file's configuration."""
    if compiled is None:
        return None
    if isinstance(compiled, Mapping):
        config = compiled.get("config")
        name = config.get("name") if isinstance(config, Mapping) else config
        name = name or compiled.get("class_name")
    else:
        name = compiled
    return str(name).rpartition(">")[2] if name else None


def ends_in(tensor: Any, names: set[str]) -> bool:
    """Whether a model's output comes from one of these activations, also through layers that keep values."""
    layer = tensor._keras_history.layer
    while type(layer).__name__ in ("Reshape", "Flatten", "Activation") and _activation(layer) == "linear":
        layer = layer.input._keras_history.layer
    kind = type(layer).__name__
    symbol = str(getattr(layer, "symbol", "")).lower()
    return _activation(layer) in names or (kind == "Softmax" and "softmax" in names) or any(
        symbol.endswith((f".{n}", f":{n}")) for n in names
    )  # fmt: skip


def _activation(layer: Any) -> str:
    function = getattr(layer, "activation", None)
    return "linear" if function is None else str(getattr(function, "__name__", ""))


def check_labels(
    model: Any, index: int, objective: Objective, present: int, classes: int | None, location: str
) -> list[str]:
    """Refuses data that cannot belong to the model, before anything trains.

    Args:
        present: Classes of which the data have samples.
        classes: Classes that there are by the labels or the class folders; None where nothing says.

    Returns:
        What users should know.

    Raises:
        DataError: There are more or fewer classes than the model has outputs.
    """
    if not objective.classes:
        return []
    shape = [d for d in model.outputs[index].shape[1:] if d != 1]
    outputs = int(shape[-1]) if shape and shape[-1] is not None else 1
    wanted, found = max(2, outputs), classes or present
    if found != wanted:
        few = found < wanted
        raise DataError(
            f"The training data at {location} have {found} classes, {'fewer' if few else 'more'} than the model's {wanted} outputs.",
            why="Training would make the model forget the missing classes." if few else None,
            fix="Add samples of every class, or give the model's labels, one per line in output order, with --labels FILE "
            "(class folders are then matched by name). Where the output has no score for each class, as an embedding, store what it shall "
            "give as fractions in 'y', such as the float model's own outputs.",
        )
    if present < wanted:
        return [
            f"The training data have no samples of {wanted - present} of {wanted} classes: the model may forget them."
        ]
    return []


def load_class_weights(text: str, counts: Sequence[int], names: Sequence[str] | None) -> list[float]:
    """Returns a weight for each class.

    Args:
        text: 'balanced' for weights that let every class count alike, n / (classes * n of the class); or a JSON file with a
            list in label order, or an object from class name (or number) to weight.
        counts: Training samples of each class.
        names: Class names in label order.

    Raises:
        UsageError: The file is not of that form, or says nothing of a class.
    """
    if text == "balanced":
        return [sum(counts) / (len(counts) * count) if count else 0.0 for count in counts]
    path = local_copy(text)
    fix = "Give 'balanced', or a JSON file with one weight for each class."
    try:
        content = read_json(path)
        if isinstance(content, dict):
            keys = [str(names[i]) if names and str(names[i]) in content else str(i) for i in range(len(counts))]
            content = [content[key] for key in keys]
        weights = [float(value) for value in content]
    except UnreadableError as error:
        if error.missing:
            raise UsageError(f"There are no class weights at '{text}'.", fix=fix) from error
        raise UsageError(f"The class weights in {path} cannot be read: {error.reason}.", fix=fix) from error
    except KeyError as error:
        raise UsageError(f"The class weights in {path} have no entry for the class {error}.", fix=fix) from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"The class weights in {path} cannot be read: {error}.", fix=fix) from error
    if len(weights) != len(counts) or any(not weight >= 0 for weight in weights):
        raise UsageError(f"{path} holds {len(weights)} class weights, but there are {len(counts)} classes.", fix=fix)
    return weights


def make_optimizer(options: TrainingOptions, steps: int, kind: str) -> tuple[Any, float]:
    """Returns the optimizer with its schedule, and the highest learning rate.

    Args:
        kind: Of the stage.

    Raises:
        UsageError: There is no such optimizer, or the user's function returns something else.

    The rate rises over the first steps and falls to zero as a cosine (Loshchilov and Hutter, ICLR 2017).
    """
    import tf_keras

    name = options.optimizer.lower()
    default = _RATES.get(name, 1e-4) * (_PRUNING if kind == "prune" else 1.0)
    rate = options.learning_rate if options.learning_rate is not None else default
    warm_up = min(max(1, round(steps * _WARM_UP)), max(1, steps - 1))
    schedule = tf_keras.optimizers.schedules.CosineDecay(
        rate / warm_up, max(1, steps - warm_up), warmup_target=rate, warmup_steps=warm_up
    )
    if ":" in options.optimizer:
        made = call_function(options.optimizer, "optimizer", schedule)
        if not isinstance(made, tf_keras.optimizers.Optimizer):
            raise UsageError(
                f"The optimizer '{options.optimizer}' returned {type(made).__module__}.{type(made).__name__}.",
                why="Training runs in Keras 2.",
                fix="Return one of tf_keras.optimizers; those of tf_keras.optimizers.legacy do not work.",
            )
        return made, rate
    kinds = {"adam": tf_keras.optimizers.Adam, "adamw": tf_keras.optimizers.AdamW, "sgd": tf_keras.optimizers.SGD}
    if name not in kinds:
        raise UsageError(
            f"There is no optimizer '{options.optimizer}'.",
            fix=f"Give {', '.join(kinds)}, or module:function that takes the learning rate's schedule and returns one.",
        )
    return kinds[name](schedule, **({"momentum": 0.9} if name == "sgd" else {})), rate
