"""What the schemes that train share: how the trained model is converted, and which numbers can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tflitekit.core.errors import UsageError
from tflitekit.schemes import Promise, find

__all__ = ["IO", "KEPT_SPARSITY", "Then", "check_clusters", "check_sparsity", "configure_quantized", "configure_then", "promise_then",
           "quantized_promise"]  # fmt: skip

KEPT_SPARSITY = 0.1
"""Least sparsity of schemes with a stage after pruning, well above what that stage takes for pruned (`Patterns`)."""

IO = Literal["float32", "int8", "uint8"]
Then = Literal["int8", "float32", "float16", "dynamic_range"]


def configure_then(converter: Any, then: str, io: str) -> None:
    """Sets up the converter as the scheme ``then`` does."""
    find(then).configure(converter, **({"io": io} if then == "int8" else {}))


def promise_then(options: Mapping[str, Any]) -> Promise:
    """Returns what the scheme ``then`` promises."""
    if options["then"] != "int8" and options["io"] != "float32":
        raise UsageError(
            f"io={options['io']} needs then=int8, not then={options['then']}.", fix="Leave one of them out."
        )
    return find(options["then"]).promise(options)


def configure_quantized(converter: Any, io: str) -> None:
    """Sets up the converter for a model that was trained with the rounding of int8: its ranges are in the graph."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(io)


def quantized_promise(options: Mapping[str, Any]) -> Promise:
    """Returns the promise of quantization-aware training; layers that preflight leaves float are excepted from it."""
    return Promise(io=options["io"], weights="int8", integer_only=True)


def check_sparsity(value: float, *, least: float = 0.0) -> float:
    """Returns the value, or raises `UsageError` if it is not a share of zeros to aim at.

    Args:
        least: What a later stage needs to tell a pruned kernel from one that is not; 0 without one.
    """
    if not max(0.0, least) <= value < 1 or value == 0:
        raise UsageError(
            f"The sparsity {value:g} is out of range.",
            why=f"A later stage keeps the zeros of kernels that have at least {least:.0%} of them." if least else None,
            fix=f"Give the share of zeros: at least {least:g} and less than 1, as in sparsity=0.75."
            if least
            else "Give the share of zeros between 0 and 1, as in sparsity=0.75.",
        )
    return value


def check_clusters(value: int, *, sparse: bool = False) -> int:
    """Returns the value, or raises `UsageError` where weights cannot be put into so many clusters.

    Args:
        sparse: One of the values is zero.
    """
    least = 3 if sparse else 2
    if not least <= value <= 256:
        raise UsageError(
            f"{value} is not a valid number of clusters.",
            why="Zero is one of them." if sparse and value == 2 else None,
            fix=f"Give the number of distinct weights per layer, from {least} to 256.",
        )
    return value
