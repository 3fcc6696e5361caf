"""The options of training, which `convert` and `optimize` share."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tflitekit.core.errors import UsageError
from tflitekit.training.options import TrainingOptions

__all__ = ["takes_training"]

_PANEL = "Training (schemes that train: finetuned, qat, pruned, clustered, pruned_qat, ...)"


def _option(*names: str, help: str, **settings: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=_PANEL, **settings)


_Epochs = Annotated[int, _option("--epochs", min=1, help="Epochs of each stage of training.")]
_BatchSize = Annotated[int, _option("--batch-size", min=1, help="Samples of a training step, over all devices.")]
_Rate = Annotated[
    float | None, _option("--learning-rate", help="The highest; rises at first, then falls to zero as a cosine.")
]
_Optimizer = Annotated[str, _option("--optimizer", help="adam, adamw, sgd, or module:function(schedule).")]
_Loss = Annotated[
    str | None,
    _option(
        "--loss", help="A loss of Keras by name, or module:function(y_true, y_pred); the model's own if not given."
    ),
]
_Metric = Annotated[
    str | None, _option("--train-metric", help="module:function(y_true, y_pred) to show while training.")
]
_Callbacks = Annotated[str | None, _option("--callbacks", help="module:function that returns tf_keras callbacks.")]
_Function = Annotated[
    str | None, _option("--train-function", help="module:function that trains in place of the kit's loop.")
]
_Augment = Annotated[str | None, _option("--augment", help="flip, crop, flip-crop, or module:function(x, seed).")]
_Weights = Annotated[str | None, _option("--class-weights", help="'balanced', or a JSON file with a weight per class.")]
_Validation = Annotated[
    str | None, _option("--validation", help="Labelled data to validate on; a part of the training data if not given.")
]
_Split = Annotated[float, _option("--validation-split", help="Share of the training data that is held out for that.")]
_Patience = Annotated[
    int | None, _option("--patience", min=1, help="Stop after so many epochs without a better one on validation data.")
]
_Distill = Annotated[
    float | None, _option("--distill", help="Share of the loss that compares with the float model's outputs, as 0.5.")
]
_Strategy = Annotated[str, _option("--strategy", help="one-device, mirrored (all GPUs) or multi-worker (TF_CONFIG).")]
_TensorBoard = Annotated[bool, _option("--tensorboard", help="Write logs for TensorBoard into OUT/tensorboard.")]
_Strict = Annotated[
    bool, _option("--strict", help="Fail rather than leave a layer float in quantization-aware training.")
]
_Control = Annotated[
    bool,
    _option("--control", help="Also fine-tune the float model for the same steps, and quantize it after training."),
]
_Limit = Annotated[int | None, _option("--train-limit", min=1, help="Train on a seeded, class-balanced sample.")]

# By the name on the command line; the rest are named as the fields of `TrainingOptions`, which has the defaults.
_RENAMED = {"train_metric": "metric", "train_function": "function", "train_limit": "limit"}
_ANNOTATIONS: dict[str, Any] = {
    "epochs": _Epochs,
    "batch_size": _BatchSize,
    "learning_rate": _Rate,
    "optimizer": _Optimizer,
    "loss": _Loss,
    "train_metric": _Metric,
    "callbacks": _Callbacks,
    "train_function": _Function,
    "augment": _Augment,
    "class_weights": _Weights,
    "validation": _Validation,
    "validation_split": _Split,
    "patience": _Patience,
    "distill": _Distill,
    "strategy": _Strategy,
    "tensorboard": _TensorBoard,
    "strict": _Strict,
    "control": _Control,
    "train_limit": _Limit,
}
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(TrainingOptions)}
_PARAMETERS = {name: (annotation, _DEFAULTS[_RENAMED.get(name, name)]) for name, annotation in _ANNOTATIONS.items()}


def takes_training(*names: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Gives a command the options of training; it gets them as ``training``, a `TrainingOptions` or None.

    Args:
        names: Of the option for the training data.
    """
    data = Annotated[
        list[str] | None,
        _option(*names, help="Labelled training data: folder of class folders, .npz, or module:function."),
    ]
    options: dict[str, tuple[Any, Any]] = {"train": (data, None), **_PARAMETERS}

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.name != "training"]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in options.items()
        ]

        @functools.wraps(command)
        def run(*args: Any, **values: Any) -> int:
            given = {name: values.pop(name) for name in options}
            return command(*args, training=_training_options(given), **values)

        merged = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + added
        run.__signature__ = signature.replace(parameters=merged)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in merged} | {"return": int}
        return run

    return decorate


def _training_options(given: dict[str, Any]) -> Any:
    data = given.pop("train")
    if not data:
        changed = [name for name, value in given.items() if value != _PARAMETERS[name][1]]
        if changed:
            raise UsageError(
                f"--{changed[0].replace('_', '-')} is an option of training, and no training data were given.",
                fix="Give labelled training data (convert: --data DATA, optimize: --train DATA).",
            )
        return None
    if len(set(data)) > 1:
        raise UsageError(
            f"Training data were given more than once: {', '.join(data)}.",
            fix="Name one; --validation takes data to validate on.",
        )
    return TrainingOptions(data=_path(data[0]), **{_RENAMED.get(name, name): value for name, value in given.items()})


def _path(data: str) -> str:
    return str(Path(data)) if Path(data).exists() else data
