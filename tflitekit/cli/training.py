"""The options of training, which `convert` and `optimize` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tflitekit.cli.options import build, takes_options
from tflitekit.core.errors import UsageError
from tflitekit.options.training import TrainingOptions

__all__ = ["takes_training"]


def takes_training(*flags: str) -> Callable[[Any], Any]:
    """Gives a command the options of training; it gets them as ``training``, a `TrainingOptions` or None.

    Args:
        flags: Of the option for the training data.
    """
    return takes_options(TrainingOptions, "training", flags={"data": flags}, make=_training)


def _training(given: dict[str, Any], name_of: Callable[[str], str]) -> TrainingOptions | None:
    data = given.pop("data", None)
    if not data:
        if given:
            raise UsageError(
                f"{name_of(next(iter(given)))} is an option of training, and no training data were given.",
                fix="Give labelled training data (convert: --data DATA, optimize: --train DATA).",
            )
        return None
    if len(set(data)) > 1:
        raise UsageError(
            f"Training data were given more than once: {', '.join(data)}.",
            fix="Name one; --validation takes data to validate on.",
        )
    options: TrainingOptions = build(TrainingOptions, given | {"data": _path(data[0])}, name_of)
    return options


def _path(data: str) -> str:
    return str(Path(data)) if Path(data).exists() else data
