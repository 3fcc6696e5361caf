"""See `pruned_clustered_qat`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tflitekit.schemes import Stage, scheme
from tflitekit.schemes._trained import IO, check_trained, configure_quantized, quantized_promise


def _stages(options: Mapping[str, Any]) -> tuple[Stage, ...]:
    sparsity, clusters = options["sparsity"], options["clusters"]
    return (
        Stage("prune", sparsity=sparsity),
        Stage("cluster", sparsity=sparsity, clusters=clusters),
        Stage("quantize", sparsity=sparsity, clusters=clusters),
    )


@scheme(needs="training", promise=quantized_promise, check=check_trained, stages=_stages, by_default=False)
def pruned_clustered_qat(converter: Any, *, sparsity: float = 0.5, clusters: int = 16, io: IO = "float32") -> None:
    """Pruning, clustering that keeps the zeros, then quantization-aware training that keeps both (PCQAT). Three stages."""
    configure_quantized(converter, io)
