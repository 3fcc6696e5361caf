"""How far a device's output may lie from the host's, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflitekit.bundling.contents import Tolerance, Tolerances
from tflitekit.core.tensor import TensorSpec
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.runtime import Array, dequantize

__all__ = ["largest_difference", "tolerances"]

_ROUNDING = 1e-5
"""Share of the largest value: float32 has 2**-24, and a sum over some hundred terms in another order moves that far."""

_MARGIN = 4
"""Times what two sets of kernels on this host differ by on the golden samples."""

_HALF_PRECISION = 0.02
"""Share of the largest value: a GPU computes in float16 (2**-11), over some tens of layers. A rule of thumb, not measured."""


def largest_difference(one: Array, other: Array) -> float:
    """Returns the largest absolute difference, in the unit of the arrays."""
    return float(np.max(np.abs(one.astype(np.float64) - other.astype(np.float64)), initial=0.0))


def tolerances(
    graph: Graph, default: Sequence[Sequence[Array]], builtin: Sequence[Sequence[Array]] | None
) -> tuple[Tolerances, ...]:
    """Derives the tolerances of each output of one variant.

    Args:
        graph: Of the variant.
        default: Stored outputs by sample, from XNNPACK's kernels.
        builtin: The same from the runtime's own kernels; None where they lack a custom operator.
    """
    found = tuple(
        _of_output(
            spec,
            inner,
            [(one[index], two[index]) for one, two in zip(default, builtin or default, strict=True)],
            integers=graph.integer_op_fraction == 1.0,
        )
        for index, (spec, inner) in enumerate(zip(graph.outputs, graph.inner_outputs, strict=True))
    )
    if builtin is not None:
        return found
    lacking = Tolerance(
        max_difference=None,
        unit="real",
        reason=f"The runtime's own kernels lack {', '.join(graph.custom_ops)}: only XNNPACK computes the model, so there is nothing to compare with.",
    )
    return tuple(one.model_copy(update={"cpu_builtin": lacking}) for one in found)


def _of_output(
    spec: TensorSpec, inner: TensorSpec, pairs: Sequence[tuple[Array, Array]], *, integers: bool
) -> Tolerances:
    steps = spec.quantization is not None
    step = inner.quantization.scale[0] if inner.quantization is not None else 0.0
    largest = max((float(np.max(np.abs(dequantize(one, spec)), initial=0.0)) for one, _ in pairs), default=0.0)
    comparable = pairs if steps else [(dequantize(one, spec), dequantize(two, spec)) for one, two in pairs]
    apart = max((largest_difference(one, two) for one, two in comparable), default=0.0)
    exact, builtin_bound = _of_integers(apart, step, steps) if integers else _of_floats(apart, largest, steps)
    half = _HALF_PRECISION * largest + (2 * step if integers else 0.0)
    return Tolerances(
        cpu=exact,
        cpu_builtin=builtin_bound,
        gpu=Tolerance(
            max_difference=_up(half),
            unit="real",
            reason=f"GPUs compute in 16-bit floats: {_HALF_PRECISION:.0%} of the largest value {largest:.4g}"
            f"{', and two quantization steps' if integers and step else ''}. A rule of thumb, not measured.",
        ),
        nnapi=Tolerance(
            max_difference=None,
            unit="real",
            reason="The driver of the device decides how NNAPI computes: no limit can be given, so differences are only shown.",
        ),
    )


def _of_integers(apart: float, step: float, steps: bool) -> tuple[Tolerance, Tolerance]:
    unit, one = ("steps", 1.0) if steps else ("real", step)
    by = f"{apart / one:.0f} steps" if one else f"{apart:g}"
    exact = Tolerance(
        max_difference=0,
        unit=unit,
        reason="All operators compute with integers, and the same kernels should give the same results on every processor: exact.",
    )
    if apart == 0:
        return exact, exact.model_copy(
            update={"reason": "The runtime's own integer kernels and XNNPACK's agree exactly on these samples: exact."}
        )
    return exact, Tolerance(
        max_difference=_up(apart + one),
        unit=unit,
        reason=f"The runtime's own kernels round differently from XNNPACK's: {by} on these samples on the host"
        f"{', and one more' if one else ''}.",
    )


def _of_floats(apart: float, largest: float, steps: bool) -> tuple[Tolerance, Tolerance]:
    if steps:
        bound, unit = apart + 1, "steps"
        reason = (
            f"Floats are rounded to integers at the end: {apart:.0f} steps between two sets of kernels, and one more."
        )
    else:
        bound, unit = max(_ROUNDING * largest, _MARGIN * apart), "real"
        reason = (
            f"Other processors sum floats in a different order: the larger of {_ROUNDING:g} of the largest value "
            f"{largest:.4g}, and {_MARGIN} times the {apart:.2g} by which two sets of kernels differ on the host."
        )
    found = Tolerance(max_difference=_up(bound), unit=unit, reason=reason)
    return found, found


def _up(value: float) -> float | None:
    """Rounds up to three digits, so that the text of the bound is the bound; none for what is no number."""
    if not np.isfinite(value):
        return None
    if value == 0:
        return 0.0
    scale = 10.0 ** (int(np.floor(np.log10(value))) - 2)
    return float(f"{np.ceil(value / scale) * scale:.12g}")
