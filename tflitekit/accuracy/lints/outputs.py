"""Lints of a variant's outputs and of how it stores its inputs, on the samples that it was scored on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Scores
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.facts import Inputs
from tflitekit.results import Finding
from tflitekit.schemes import Request
from tflitekit.schemes.advice import finer, learned_from, more_accurate

__all__ = ["lint_confidence", "lint_constant_output", "lint_output_range", "lint_stored_inputs"]

# Fewer samples may agree by chance.
_ENOUGH = 20
# Values beyond a range by less than this share of its width change by less than that when they are clipped.
_MARGIN = 0.05
# Of n calibration samples and one more, each is equally likely to be the extreme one: about 2 in n + 1 new samples leave
# the range that n samples span, 1 % for 200. Five per cent, and by the margin besides, is no chance from 40 on.
_CLIPPED = 0.05
# Values that span fewer of 256 steps are stored with less than three bits.
_FEWEST_STEPS = 8
# Calibration samples that miss some values of the field span less than they do, but not an eighth; a preprocessing that was
# left out or done twice changes values by a factor of 127.5 or 255.
_OTHER_SCALE = 8


def lint_constant_output(
    scores: Scores, baseline: Scores, labels: Sequence[str] | None = None, *, request: Request | None = None
) -> list[Finding]:
    """Finds an output that never changes: the loudest sign of a broken conversion.

    One class for all samples is a sign, too, but only where the baseline gives several: on lopsided data, or on data that
    it was not made for, a healthy model may give one.
    """
    n = len(scores["finite"])
    if n < _ENOUGH or len(np.unique(scores["content"])) < 2:
        return []
    if float(np.ptp(scores["output_mark"])) == 0:
        low, high = float(scores["output_low"][0]), float(scores["output_high"][0])
        value = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        text = f"The output is the same ({value}) for all {n:,} samples, which differ"
        if float(np.ptp(baseline["output_mark"])) == 0:
            advice = "Check the model and the preprocessing: conversion is not what broke it."
            return [Finding(kind="constant-output", message=f"{text}, the baseline's too.", advice=advice)]
        return [
            Finding(kind="constant-output", message=f"{text}: the variant is broken.", advice=more_accurate(request))
        ]
    if "predicted" not in scores or len(np.unique(scores["predicted"])) > 1:
        return []
    if len(np.unique(baseline["predicted"])) == 1:
        return []
    answer = int(scores["predicted"][0])
    name = f"{answer} ('{labels[answer]}')" if labels is not None and answer < len(labels) else str(answer)
    text = f"The output is the class {name} for all {n:,} samples, some of which the baseline puts into other classes."
    return [Finding(kind="constant-output", message=text, advice=more_accurate(request))]


def lint_output_range(
    variant: Scores, inner: TensorSpec, baseline: Scores, *, request: Request | None = None
) -> list[Finding]:
    """Compares how an output is stored as an integer with the float outputs of the baseline on the same samples.

    Args:
        inner: The integer tensor of the output (`Graph.inner_outputs`); nothing is found for a float one.
        baseline: Scores of a variant whose output is not stored as an integer.
    """
    stored = _range(inner)
    if stored is None or len(baseline["finite"]) < _ENOUGH:
        return []
    low, high, step = stored
    found, learned = [], learned_from(request)
    spread = _spread(baseline)
    if step > spread:  # about four steps for all that the outputs tell: they vary by two deviations to both sides
        found.append(
            Finding(
                kind="coarse-output",
                message=f"The {inner.dtype} output moves in steps of {step:.3g}, and the float outputs vary by only "
                f"{spread:.3g} (standard deviation): most differences are lost to rounding.",
                advice=f"A rare extreme {'training' if learned == 'train' else 'calibration'} sample stretches the scale: remove it, "
                f"or {finer(request)}.",
            )
        )
    margin = _MARGIN * (high - low)
    above = (baseline["output_high"] > high + margin) & (variant["output_high"] > high - step)
    below = (baseline["output_low"] < low - margin) & (variant["output_low"] < low + step)
    share = float(np.mean(above | below))
    if share > _CLIPPED:
        found.append(
            Finding(
                kind="saturated-output",
                message=f"The {inner.dtype} output reaches from {low:.4g} to {high:.4g}. In {share:.0%} of the samples the "
                f"float output lies beyond ({float(baseline['output_low'].min()):.4g} to "
                f"{float(baseline['output_high'].max()):.4g} over all) and is clipped there.",
                advice=f"{learned.capitalize()} on samples that cover what the model sees in the field, of all classes.",
            )
        )
    return found


def lint_stored_inputs(inputs: Inputs, inner: Sequence[TensorSpec], *, request: Request | None = None) -> list[Finding]:
    """Compares how inputs are stored as integers with the values that they were given.

    Args:
        inputs: What the variant was fed.
        inner: The integer tensors of its inputs (`Graph.inner_inputs`).
    """
    found: list[Finding] = []
    if len(inputs) < _ENOUGH:
        return found
    learned = learned_from(request)
    another = f"The file was {'trained' if learned == 'train' else 'calibrated'} on data in another scale: check --preprocess and these data."
    for index in inputs.real():
        stored = _range(inner[index])
        if stored is None:
            continue
        low, high, step = stored
        lows, highs = inputs.facts["input_low"][:, index], inputs.facts["input_high"][:, index]
        margin = _MARGIN * (high - low)
        share = float(np.mean((lows < low - margin) | (highs > high + margin)))
        least, most = float(np.quantile(lows, 0.01)), float(np.quantile(highs, 0.99))
        name, dtype = inputs.specs[index].name, inner[index].dtype
        other_scale = not 1 / _OTHER_SCALE < max(abs(least), abs(most)) / max(abs(low), abs(high)) < _OTHER_SCALE
        if share > _CLIPPED:
            found.append(
                Finding(
                    kind="clipped-input",
                    message=f"The {dtype} input '{name}' holds {low:.4g} to {high:.4g}. In {share:.0%} of the samples values "
                    f"lie beyond ({least:.4g} to {most:.4g}) and are cut off.",
                    advice=another
                    if other_scale
                    else f"{learned.capitalize()} on samples that cover what the model sees in the field, prepared in the same way.",
                )
            )
        elif lows.min() < highs.max() and most - least < _FEWEST_STEPS * step:
            found.append(
                Finding(
                    kind="coarse-input",
                    message=f"The {dtype} input '{name}' holds {low:.4g} to {high:.4g} in steps of {step:.3g}, and the samples "
                    f"only span {least:.4g} to {most:.4g}: {(most - least) / step:.1f} steps.",
                    advice=another
                    if other_scale
                    else f"The values are close together in a wide range: standardize this input, or {finer(request)}.",
                )
            )
    return found


def lint_confidence(
    variant: Scores, baseline: Scores, classes: int, *, request: Request | None = None
) -> list[Finding]:
    """Finds scores that fell most of the way to those of a guess, although the answers may still be right."""
    if "confidence" not in variant or len(variant["finite"]) < _ENOUGH:
        return []
    before, after, guess = float(baseline["confidence"].mean()), float(variant["confidence"].mean()), 1 / classes
    # A fifth above a guess is what an app could set a threshold on; losing half of that is far from rounding, which moves
    # the mean of a healthy int8 variant by about a hundredth.
    if before - guess < 0.2 or after - guess > (before - guess) / 2:
        return []
    return [
        Finding(
            kind="collapsed-confidence",
            message=f"The mean confidence falls from {before:.1%} to {after:.1%} (a guess would have {guess:.1%}).",
            advice="Thresholds on the score that suit the float model do not suit this variant. "
            + more_accurate(request),
        )
    ]


def _range(inner: TensorSpec) -> tuple[float, float, float] | None:
    """Returns the smallest and largest real value of an integer tensor, and its step."""
    if inner.quantization is None or inner.dtype not in ("int8", "uint8", "int16"):
        return None
    scale, zero = inner.quantization.scale[0], inner.quantization.zero_point[0]
    limits = np.iinfo(inner.dtype)
    return scale * (limits.min - zero), scale * (limits.max - zero), scale


def _spread(scores: Scores) -> float:
    """Returns how much outputs differ: between samples and within one, or a quarter of the typical range within one.

    The range counts for outputs with many values that are almost all zero, as the probabilities of many classes.
    """
    mean, std = (scores[f"output_{name}"].astype(np.float64) for name in ("mean", "std"))
    pooled = float(np.sqrt(mean.var() + np.square(std).mean()))
    within: NDArray[Any] = scores["output_high"] - scores["output_low"]
    return max(pooled, float(np.median(within)) / 4)
