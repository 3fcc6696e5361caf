"""See `clustered`."""

from __future__ import annotations

from typing import Any

from tflitekit.schemes import Stage, scheme
from tflitekit.schemes._trained import IO, Then, check_trained, configure_then, promise_then


@scheme(
    needs="training",
    promise=promise_then,
    check=check_trained,
    stages=lambda options: (Stage("cluster", clusters=options["clusters"]),),
    calibrated=lambda options: options["then"] == "int8",
)
def clustered(converter: Any, *, clusters: int = 16, then: Then = "int8", io: IO = "float32") -> None:
    """Weight clustering: trains with few distinct weights per layer, then quantizes. Deflates well.

    clusters is the number of distinct weights in each layer that is compressed: convolutions and Dense with 1,024 weights
    and more. then says how the clustered model is converted. The file itself does not shrink, what an app download
    compresses does.
    """
    configure_then(converter, then, io)
