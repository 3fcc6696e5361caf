"""Lints of one set of samples, for calibration or for evaluation, as the model sees them.

NaN and infinite values are no lint: `tflitekit.data.dataset.InputPipeline` refuses them by the sample's name.
"""

from __future__ import annotations

import numpy as np

from tflitekit.core.errors import ContractError
from tflitekit.data.facts import Inputs
from tflitekit.data.preprocessing import Preprocessing, image_layout
from tflitekit.results import Finding

__all__ = ["lint_inputs"]

# Inputs of a few values (a flag, a reading) repeat and are constant by nature; pictures and signals are not.
_MANY_VALUES = 64
# A blank picture among a hundred happens; more of them are a loader that failed.
_BLANK = 0.01
# Data that were divided by 127.5 or 255 once too often span a hundredth of what pictures with 8 bits span, and pictures
# that are merely dark or flat a quarter. This lies between, on a scale of factors.
_SHRUNK = 1 / 16


def lint_inputs(inputs: Inputs, *, what: str, preprocessing: Preprocessing, pictures: bool) -> list[Finding]:
    """Finds samples that are all alike, blank, without a channel, or normalized twice.

    Args:
        what: What they are for: 'calibration' or 'evaluation'.
        preprocessing: What happened to them.
        pictures: Whether they come from image files, whose pixels are 0 to 255 for certain.
    """
    if len(inputs) < 2:
        return []
    if len(np.unique(inputs.facts["content"])) == 1:
        return [
            Finding(
                kind="constant-input",
                message=f"All {len(inputs):,} {what} samples are the same to the model.",
                advice="Check the loader of these data: it probably returns one sample again and again, or zeros.",
            )
        ]
    found = _blank(inputs, what) + _dead_channels(inputs, what)
    return found if pictures else found + _normalized_twice(inputs, what, preprocessing)


def _blank(inputs: Inputs, what: str) -> list[Finding]:
    found = []
    for index in inputs.real():
        spec = inputs.specs[index]
        if np.prod([abs(d) for d in spec.shape[1:]]) < _MANY_VALUES:
            continue
        blank = int(np.count_nonzero(inputs.facts["input_low"][:, index] == inputs.facts["input_high"][:, index]))
        if blank > max(1, _BLANK * len(inputs)):
            text = f"{blank:,} of {len(inputs):,} {what} samples hold a single value in the input '{spec.name}'."
            found.append(Finding(kind="constant-input", message=text, advice="Check whether they were read correctly."))
    return found


def _dead_channels(inputs: Inputs, what: str) -> list[Finding]:
    if (
        "channel_low" not in inputs.facts or inputs.facts["channel_low"].shape[1] != 3
    ):  # a fourth is alpha, often constant
        return []
    low, high = inputs.facts["channel_low"].min(axis=0), inputs.facts["channel_high"].max(axis=0)
    dead = [str(channel) for channel in np.flatnonzero(low == high)]
    if not dead or len(dead) == 3:
        return []
    return [
        Finding(
            kind="dead-channel",
            message=f"Channel {' and '.join(dead)} (of 0 to 2) has the same value in all {len(inputs):,} {what} samples.",
            advice="Check how the samples were read; a model trained on three channels expects all of them.",
        )
    ]


def _normalized_twice(inputs: Inputs, what: str, preprocessing: Preprocessing) -> list[Finding]:
    if preprocessing.divisor == 1 and all(s == 1 for s in preprocessing.std):
        return []
    try:
        image_layout(inputs.specs[0].shape[1:])
    except ContractError:
        return []
    ends = [
        (pixel / preprocessing.divisor - mean) / std
        for pixel in (0, 255)
        for mean in preprocessing.mean
        for std in preprocessing.std
    ]
    expected = max(ends) - min(ends)
    low = float(np.quantile(inputs.facts["input_low"][:, 0], 0.01))
    high = float(np.quantile(inputs.facts["input_high"][:, 0], 0.99))
    if high - low >= _SHRUNK * expected:
        return []
    return [
        Finding(
            kind="double-normalization",
            message=f"After the preprocessing '{preprocessing.name}' the {what} samples span {low:.4g} to {high:.4g}; pixels "
            f"from 0 to 255 would span {min(ends):.4g} to {max(ends):.4g}. They seem to be normalized already.",
            advice="Store pixels from 0 to 255, or use --preprocess raw for data that are stored as the model wants them.",
        )
    ]
