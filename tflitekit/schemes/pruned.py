"""See `pruned`."""

from __future__ import annotations

from typing import Any

from tflitekit.schemes import Stage, scheme
from tflitekit.schemes._trained import IO, Then, check_trained, configure_then, promise_then


@scheme(
    needs="training",
    promise=promise_then,
    check=check_trained,
    stages=lambda options: (Stage("prune", sparsity=options["sparsity"]),),
    calibrated=lambda options: options["then"] == "int8",
)
def pruned(converter: Any, *, sparsity: float = 0.5, then: Then = "int8", io: IO = "float32") -> None:
    """Magnitude pruning: trains while the smallest weights become zero, then quantizes. Deflates to a fraction.

    sparsity is the share of zeros in each layer that is compressed: convolutions and Dense with 1,024 weights and more.
    then says how the pruned model is converted. The file itself does not shrink, what an app download compresses does.
    """
    configure_then(converter, then, io)
