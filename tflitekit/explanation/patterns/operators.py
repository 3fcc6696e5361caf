"""Operators that integers of eight bits serve badly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflitekit.explanation.patterns import Match, Suspect, grid_pattern, pattern

_NORMALIZATION = {"RSQRT", "SQUARED_DIFFERENCE", "MEAN", "VARIANCE", "L2_NORMALIZATION"}
_RECURRENT = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "WHILE",
    "LSTM",
}
_CURVED = {"EXP", "LOG", "POW", "DIV", "TANH", "LOGISTIC", "SOFTMAX", "GELU"}
_UNROLLED = 3
_COARSE_STEPS = 24.0
_LARGEST_FLOAT16 = 65504.0


@grid_pattern
def hard_swish(suspect: Suspect) -> Match | None:
    """Its small negative values need fine steps, which a wide range does not leave."""
    if suspect.error.operator != "HARD_SWISH" or suspect.error.grid is None:
        return None
    return Match(
        "hard-swish",
        f"A hard-swish whose values reach {suspect.error.high:.3g}: its bend between -3 and 3 has few steps.",
        "Use ReLU6 there, train quantization-aware, or keep this layer in int16 or float.",
        min(2.0, suspect.error.high / 30),
    )


@grid_pattern
def squeeze_and_excite(suspect: Suspect) -> Match | None:
    """A product of a picture and one factor for each channel."""
    shapes = [one.error.shape for one in suspect.inputs]
    if suspect.error.operator != "MUL" or len(shapes) < 2 or suspect.error.grid is None:
        return None
    if not any(len(shape) == 4 and set(shape[1:3]) == {1} for shape in shapes[:2]) or shapes[0] == shapes[1]:
        return None
    return Match(
        "squeeze-and-excite",
        "It multiplies each channel by a factor of its own, so that channels of very different range share one grid.",
        "Keep this product in int16 or float.",
        2.0 if float(np.median(suspect.steps)) < _COARSE_STEPS else 0.5,
    )


@pattern
def before_hard_swish(suspect: Suspect) -> Match | None:
    """The same one layer earlier."""
    found = [(match, one) for one in suspect.readers if (match := hard_swish(one)) is not None and match.weight >= 1]
    return replace(found[0][0], of=found[0][1].error) if found and suspect.error.grid is not None else None


@pattern
def normalization(suspect: Suspect) -> Match | None:
    """Means, variances and roots of layer normalization."""
    if suspect.error.operator not in _NORMALIZATION or suspect.error.grid is None:
        return None
    return Match(
        "normalization",
        f"{suspect.error.operator} of a normalization on integers of 8 bits: small variances become 0.",
        "Keep the normalization in float (int8_float_fallback) or in int16 activations.",
        0.6,
    )


@pattern
def curved(suspect: Suspect) -> Match | None:
    """Functions whose result depends on small differences of their input."""
    if suspect.error.operator not in _CURVED or suspect.error.grid is None:
        return None
    return Match(
        "curved-function",
        f"{suspect.error.operator} turns small errors of its input into large ones.",
        "Keep this operator and the one before it in int16 or float.",
        0.2,
    )


@pattern
def recurrent(suspect: Suspect) -> Match | None:
    """State that goes from step to step, and its errors with it."""
    if suspect.error.operator not in _RECURRENT and suspect.repeats < _UNROLLED:
        return None
    return Match(
        "recurrent-state",
        "Its state goes from step to step, and so do the errors of rounding.",
        "Use int16x8, or dynamic_range, which keeps the state in float.",
        1.5,
    )


def float16_overflow(suspect: Suspect) -> Match | None:
    """Values that float16, in which GPUs compute, cannot hold."""
    largest = max(abs(suspect.error.low), abs(suspect.error.high))
    if largest <= _LARGEST_FLOAT16 or suspect.error.grid is not None:
        return None
    return Match(
        "float16-overflow",
        f"Its values reach {largest:.3g}; float16 ends at {_LARGEST_FLOAT16:.0f}.",
        "Normalize before this layer, or keep it in float32.",
        1.0,
    )


def not_finite(suspect: Suspect) -> Match | None:
    """Values that the quantized file made infinite, or no numbers; only where they begin."""
    if not suspect.error.not_finite or any(one.error.not_finite for one in suspect.inputs):
        return None
    return Match(
        "not-finite",
        f"{suspect.error.not_finite:.1%} of its values are infinite or no numbers, which those of the float model are not.",
        "Keep it in float32; weights beyond 65504 cannot be float16.",
        3.0,
    )
