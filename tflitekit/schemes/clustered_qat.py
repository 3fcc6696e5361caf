"""See `clustered_qat`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tflitekit.schemes import Stage, scheme
from tflitekit.schemes._trained import IO, check_trained, configure_quantized, quantized_promise


def _stages(options: Mapping[str, Any]) -> tuple[Stage, ...]:
    clusters = options["clusters"]
    return Stage("cluster", clusters=clusters), Stage("quantize", clusters=clusters)


@scheme(needs="training", promise=quantized_promise, check=check_trained, stages=_stages, by_default=False)
def clustered_qat(converter: Any, *, clusters: int = 16, io: IO = "float32") -> None:
    """Clustering, then quantization-aware training that keeps the clusters (CQAT). Two stages of training."""
    configure_quantized(converter, io)
