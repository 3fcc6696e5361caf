"""See `pruned_qat`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tflitekit.schemes import Stage, scheme
from tflitekit.schemes._trained import IO, check_trained, configure_quantized, quantized_promise


def _stages(options: Mapping[str, Any]) -> tuple[Stage, ...]:
    sparsity = options["sparsity"]
    return Stage("prune", sparsity=sparsity), Stage("quantize", sparsity=sparsity)


@scheme(needs="training", promise=quantized_promise, check=check_trained, stages=_stages, by_default=False)
def pruned_qat(converter: Any, *, sparsity: float = 0.5, io: IO = "float32") -> None:
    """Pruning, then quantization-aware training that keeps the zeros (PQAT). Two stages of training."""
    configure_quantized(converter, io)
