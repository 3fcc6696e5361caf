"""See `finetuned`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tflitekit.core.errors import UsageError
from tflitekit.schemes import Stage, scheme
from tflitekit.schemes._trained import IO, Then, check_trained, configure_then, promise_then


def _check(options: Mapping[str, Any]) -> None:
    if not 1 <= options["rounds"] <= 9:
        raise UsageError(f"{options['rounds']} is not a valid number of rounds.", fix="Give 1 to 9.")
    check_trained(options)


@scheme(
    needs="training",
    promise=promise_then,
    check=_check,
    stages=lambda options: (Stage("finetune"),) * options["rounds"],
    calibrated=lambda options: options["then"] == "int8",
    by_default=False,
)
def finetuned(converter: Any, *, rounds: int = 1, then: Then = "float32", io: IO = "float32") -> None:
    """The float model trained on for the same steps: the control that tells what compression gained and what training did.

    Trains rounds times as long as one stage of the other schemes; those with two stages are compared with rounds=2. With
    then=int8 the fine-tuned model is quantized after training.
    """
    configure_then(converter, then, io)
