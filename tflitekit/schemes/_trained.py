"""What the schemes that train share: how the trained model is converted, and which numbers can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tflitekit.core.errors import UsageError
from tflitekit.schemes import Promise, find

__all__ = ["IO", "Then", "check_trained", "configure_quantized", "configure_then", "promise_then", "quantized_promise"]

KEPT_SPARSITY = 0.1
"""Least sparsity of schemes with a stage after pruning, well above what that stage takes for pruned (`Patterns`)."""

IO = Literal["float32", "int8", "uint8"]
Then = Literal["int8", "float32", "float16", "dynamic_range"]


def configure_then(converter: Any, then: str, io: str) -> None:
    """Sets up the converter as the scheme ``then`` does."""
    find(then).configure(converter, **({"io": io} if then == "int8" else {}))


def promise_then(options: Mapping[str, Any]) -> Promise:
    """Returns what the scheme ``then`` promises."""
    return find(options["then"]).promise(options)


def configure_quantized(converter: Any, io: str) -> None:
    """Sets up the converter for a model that was trained with the rounding of int8: its ranges are in the graph."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(io)


def quantized_promise(options: Mapping[str, Any]) -> Promise:
    """Returns the promise of quantization-aware training; layers that preflight leaves float are excepted from it."""
    return Promise(io=options["io"], weights="int8", integer_only=True)


def check_trained(options: Mapping[str, Any]) -> None:
    """Raises `UsageError` for numbers that no stage can reach, and for `io` where the file is not quantized."""
    then = options.get("then")  # without it, the last stage quantizes
    if "sparsity" in options:
        _check_sparsity(options["sparsity"], least=KEPT_SPARSITY if then is None else 0.0)
    if "clusters" in options:
        _check_clusters(options["clusters"], sparse="sparsity" in options)
    if then not in (None, "int8") and options["io"] != "float32":
        raise UsageError(f"io={options['io']} needs then=int8, not then={then}.", fix="Leave one of them out.")


def _check_sparsity(value: float, *, least: float) -> None:
    # A later stage needs `least` to tell a pruned kernel from one that is not.
    if not max(0.0, least) <= value < 1 or value == 0:
        raise UsageError(
            f"The sparsity {value:g} is out of range.",
            why=f"A later stage keeps the zeros of kernels that have at least {least:.0%} of them." if least else None,
            fix=f"Give the share of zeros: at least {least:g} and less than 1, as in sparsity=0.75."
            if least
            else "Give the share of zeros between 0 and 1, as in sparsity=0.75.",
        )


def _check_clusters(value: int, *, sparse: bool) -> None:
    least = 3 if sparse else 2  # zero is one of the values of a sparse kernel
    if not least <= value <= 256:
        raise UsageError(
            f"{value} is not a valid number of clusters.",
            why="Zero is one of them." if sparse and value == 2 else None,
            fix=f"Give the number of distinct weights per layer, from {least} to 256.",
        )
