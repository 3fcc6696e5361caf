"""What to try instead of a scheme that fails or answers wrongly: never itself, and nothing that it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tflitekit.core.errors import UsageError
from tflitekit.schemes import Request, find

__all__ = ["finer", "learned_from", "more_accurate", "request_of", "without_integer_kernels"]


def request_of(scheme: str | None, options: Mapping[str, Any]) -> Request | None:
    """Returns what a variant was made with; None for a foreign file, or a scheme that is not installed here."""
    if scheme is None:
        return None
    try:
        found = find(scheme)
    except UsageError:
        return None
    return Request(found, {**found.defaults, **options})  # other versions have other options


def learned_from(request: Request | None) -> str:
    """Returns where the ranges of a file come from: 'train' or 'calibrate' on samples."""
    return "train" if _quantized_in_training(request) else "calibrate"


def finer(request: Request | None) -> str:
    """Returns a way to keep finer steps, as the rest of a sentence."""
    if request is not None and "then" in request.options:
        return f"convert the trained model with then=float16 ({request.scheme.name}:then=float16)"
    own = request.scheme.name if request is not None else None
    if own == "int16x8":
        return "try float16"
    return "try " + " or ".join(name for name in ("int16x8", "dynamic_range") if name != own)


def more_accurate(request: Request | None) -> str:
    """Returns what helps a variant whose answers are wrong or coarse."""
    if request is not None and not request.calibrated and not request.stages:
        return {
            "float32": "Check the model itself: its weights were stored unchanged.",
            "float16": "Use float32: values or weights are too large or too small for 16 bits.",
        }.get(request.scheme.name, "Try int8 with calibration data, or float16.")
    if request is not None and not request.calibrated and not _quantized_in_training(request):
        return "Train longer, or compress less."
    verb = learned_from(request).capitalize()
    return f"{verb} on samples with the preprocessing that the model was trained with, or {finer(request)}."


def without_integer_kernels(request: Request) -> str | None:
    """Returns what to try where operators have no integer kernel; None for schemes that need none."""
    if _quantized_in_training(request):
        return "Replace them by layers that 'tflitekit preflight' calls quantized, or try int8_float_fallback, which trains nothing."
    if not request.calibrated:
        return None
    if "then" in request.options:
        name = request.scheme.name
        return f"Convert the trained model without integers: {name}:then=dynamic_range or {name}:then=float16."
    if request.scheme.name == "int8_float_fallback":
        return "Try dynamic_range or float16, which need no integer kernels."
    return "Try int8_float_fallback, which leaves operators without an integer kernel in float, and names them."


def _quantized_in_training(request: Request | None) -> bool:
    return request is not None and any(stage.kind == "quantize" for stage in request.stages)
