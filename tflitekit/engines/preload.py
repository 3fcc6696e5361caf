"""What workers import once, before they are forked."""

from __future__ import annotations

import importlib.util

from tflitekit.core.process.workers import TENSORFLOW

__all__ = ["worker_modules"]


def worker_modules(*, tensorflow: bool) -> tuple[str, ...]:
    """Returns the modules that a conversion needs in its workers; the quantizer only where it is installed.

    Args:
        tensorflow: Whether the model is prepared and converted with TensorFlow.
    """
    runtime = TENSORFLOW if tensorflow else ("ai_edge_litert.interpreter",)
    quantizer = ("litert_quantizer.quantizer",) if importlib.util.find_spec("litert_quantizer") is not None else ()
    return (*runtime, *quantizer, "tflitekit.source.models", "tflitekit.engines.variants")
