"""See `finetuned`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tflitekit.core.errors import UsageError
from tflitekit.schemes import Stage, scheme
from tflitekit.schemes._trained import IO, Then, configure_then, promise_then


def _stages(options: Mapping[str, Any]) -> tuple[Stage, ...]:
    rounds: int = options["rounds"]
    if not 1 <= rounds <= 9:
        raise UsageError(f"{rounds} is not a valid number of rounds.", fix="Give 1 to 9.")
    return (Stage("finetune"),) * rounds


@scheme(
    needs="training",
    promise=promise_then,
    stages=_stages,
    calibrated=lambda options: options["then"] == "int8",
    by_default=False,
)
def finetuned(converter: Any, *, rounds: int = 1, then: Then = "float32", io: IO = "float32") -> None:
    """The float model trained on for the same steps: the control that tells what compression gained and what training did.

    Trains rounds times as long as one stage of the other schemes; those with two stages are compared with rounds=2. With
    then=int8 the fine-tuned model is quantized after training.
    """
    configure_then(converter, then, io)
