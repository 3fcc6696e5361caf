"""Lints of the calibration samples, alone and beside the samples that accuracy was measured on."""

from __future__ import annotations

import numpy as np

from tflitekit.accuracy.lints.inputs import lint_inputs
from tflitekit.data.calibration import CalibrationSet
from tflitekit.data.dataset import Dataset, InputPipeline, UnreadableSampleError
from tflitekit.data.facts import Inputs, picture_facts
from tflitekit.data.samples import same_place
from tflitekit.results import Finding
from tflitekit.tflite.variant import Variant

__all__ = ["lint_calibration"]

# TensorFlow Lite's guide to post-training quantization asks for about 100 to 500 samples. With n of them, a new sample leaves
# the range of a given activation with a probability of 2 / (n + 1): 2 % at 100.
_FEWEST = 100
# A few duplicates are in many published data sets, and do not move a range.
_SHARED = 0.01
# If both sets are alike, a sample leaves the range that n others span with a probability of at most 2 / (n + 1), whatever the
# distribution. A quarter is no chance with 23 or more, and three times the expectation is asked of fewer.
_OUTSIDE, _TIMES_EXPECTED = 0.25, 3
# Of the range's width. Preprocessings differ by more: -1 to 1 leaves 0 to 1 by a whole width, and ImageNet's 'caffe' means move
# 0 to 255 by half of it.
_MARGIN = 0.25
# Neighbouring pixels of noise correlate by 0 within a hundredth; those of photographs by more than 0.8.
_NOISE, _STRUCTURE = 0.1, 0.3
_COMPARED_PICTURES = 32
# A preprocessing that was left out or done twice changes values by a factor of 127.5 or 255.
_OTHER_SCALE = 8


def lint_calibration(
    calibration: CalibrationSet,
    location: str,
    *,
    pictures: bool,
    evaluation: Inputs | None,
    dataset: Dataset,
    prepared: Variant,
) -> list[Finding]:
    """Finds calibration samples that cannot stand for what the model will see.

    Args:
        calibration: With its facts.
        location: Where the calibration samples come from.
        pictures: Whether they come from image files.
        evaluation: What the baseline was fed, where it was scored.
        dataset: The evaluation data.
        prepared: A variant with the contract that both sets were prepared by.
    """
    inputs = calibration.inputs
    assert inputs is not None and prepared.contract is not None
    preprocessing = prepared.contract.preprocessing
    found = _few(inputs) + _one_class(inputs, evaluation)
    found += lint_inputs(inputs, what="calibration", preprocessing=preprocessing, pictures=pictures)
    found += _leak(inputs, evaluation, location, dataset)
    if evaluation is not None:
        found += _ranges(inputs, evaluation)
    return found + _noise(inputs, dataset, InputPipeline(prepared.contract.inputs, preprocessing))


def _few(inputs: Inputs) -> list[Finding]:
    distinct = len(np.unique(inputs.facts["content"]))
    if distinct >= _FEWEST:
        return []
    text = (
        f"Only {len(inputs)} calibration samples"
        if distinct == len(inputs)
        else f"Only {distinct} of the {len(inputs)} calibration samples differ"
    )
    return [
        Finding(
            kind="few-calibration-samples",
            message=f"{text}; TensorFlow Lite's guide asks for 100 to 500.",
            advice="Give more with --calibration; --calibration-curve shows what more of them would gain.",
        )
    ]


def _one_class(inputs: Inputs, evaluation: Inputs | None) -> list[Finding]:
    labels = inputs.facts["label"]
    if len(labels) < 2 or labels.min() < 0 or len(np.unique(labels)) > 1:
        return []
    if evaluation is None or not np.any(evaluation.facts.get("label", labels) != labels[0]):
        return []
    name = f"'{inputs.classes[labels[0]]}'" if inputs.classes and labels[0] < len(inputs.classes) else f"{labels[0]}"
    return [
        Finding(
            kind="one-class-calibration",
            message=f"All {len(labels):,} calibration samples are of the class {name}; the evaluation data have others too. "
            "Activations of other classes may leave the ranges that were seen.",
            advice="Calibrate on samples of all classes.",
        )
    ]


def _leak(inputs: Inputs, evaluation: Inputs | None, location: str, dataset: Dataset) -> list[Finding]:
    content = np.unique(inputs.facts["content"])
    shared = 0
    if evaluation is not None:
        shared = int(np.count_nonzero(np.isin(content, evaluation.facts["content"])))
    same = same_place(location, dataset.location)
    if not same and shared <= _SHARED * len(content):
        return []
    what = "use the same data" if same else "share samples"
    return [
        Finding(
            kind="calibration-leak",
            message=f"Calibration and evaluation {what} ({dataset.location}): {shared:,} of {len(content):,} calibration "
            "samples were evaluated on, by their content. Calibrated variants may look better than they are.",
            advice="Calibrate on other samples.",
        )
    ]


def _ranges(inputs: Inputs, evaluation: Inputs) -> list[Finding]:
    found = []
    names = [spec.name for spec in evaluation.specs]
    for index in inputs.real():
        name = inputs.specs[index].name
        if name not in names:
            continue
        ours = [inputs.facts[f"input_{end}"][:, index] for end in ("low", "high")]
        theirs = [evaluation.facts[f"input_{end}"][:, names.index(name)] for end in ("low", "high")]
        outside = max((_outside(theirs, ours), _outside(ours, theirs)), key=lambda pair: pair[0] - pair[1])
        if outside[0] <= outside[1]:
            continue
        spans = [
            f"{float(np.quantile(low, 0.01)):.4g} to {float(np.quantile(high, 0.99)):.4g}"
            for low, high in (ours, theirs)
        ]
        sizes = [float(max(np.abs(low).max(), np.abs(high).max())) for low, high in (ours, theirs)]
        found.append(
            Finding(
                kind="calibration-range",
                message=f"The input '{name}' spans {spans[0]} in the calibration samples and {spans[1]} in the evaluation "
                f"samples: {outside[0]:.0%} of one set leave the range of the whole other set.",
                advice="Scale both alike: one of them is probably normalized twice or not at all."
                if max(sizes) > _OTHER_SCALE * min(sizes)
                else "Prepare both alike, and calibrate on samples that cover what the model sees.",
            )
        )
    return found


def _outside(
    samples: list[np.ndarray[tuple[int], np.dtype[np.float32]]],
    others: list[np.ndarray[tuple[int], np.dtype[np.float32]]],
) -> tuple[float, float]:
    """Returns the share of samples that leave the others' range, and the share that is too much to be chance."""
    low, high = float(others[0].min()), float(others[1].max())
    margin = _MARGIN * (high - low)
    share = float(np.mean((samples[0] < low - margin) | (samples[1] > high + margin)))
    return share, max(_OUTSIDE, _TIMES_EXPECTED * 2 / (len(others[0]) + 1))


def _noise(inputs: Inputs, dataset: Dataset, pipeline: InputPipeline) -> list[Finding]:
    """Compares with evaluation pictures, because some pictures are rough by nature."""
    if "smoothness" not in inputs.facts or dataset.size is None:
        return []
    ours = float(np.nanmedian(inputs.facts["smoothness"])) if np.isfinite(inputs.facts["smoothness"]).any() else 1.0
    if ours >= _NOISE:
        return []
    found = []
    positions = np.unique(np.linspace(0, dataset.size - 1, _COMPARED_PICTURES).astype(int))
    for sample in dataset.pick(positions.tolist()):
        try:
            facts = picture_facts(pipeline.prepare(sample.read(), sample.key)[0])
        except UnreadableSampleError:
            continue
        if facts is not None and np.isfinite(facts["smoothness"][0]):
            found.append(float(facts["smoothness"][0]))
    if not found or float(np.median(found)) <= _STRUCTURE:
        return []
    return [
        Finding(
            kind="noise-calibration",
            message=f"The calibration samples look like noise: neighboring pixels correlate by {ours:.2f}, and by "
            f"{float(np.median(found)):.2f} in the evaluation samples.",
            advice="Calibrate on real samples; random data give ranges that have nothing to do with those in use.",
        )
    ]
