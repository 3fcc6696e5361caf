"""How accuracy changed, or fidelity on data without labels: in pairs where both reports scored the same samples, else as two independent samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.packing import unpack_hits, unpack_labels
from tflitekit.core.statistics import paired_accuracy_drop, proportion_difference, welch_half_width
from tflitekit.core.units import counted
from tflitekit.data.drawn import same_samples
from tflitekit.results import ClassRecall, Measured, Report, VariantReport, finite
from tflitekit.results.comparison.results import Change
from tflitekit.tasks.metric_words import is_share, words_of

__all__ = [
    "SharedData",
    "compare_accuracy",
    "compare_fidelity",
    "compare_outputs",
    "compare_recalls",
    "measured_change",
    "shared_data",
    "unlike_metrics",
]

_BETTER_HIGH = {"top1": True, "top5": True, "mae": False, "rmse": False}
"""For reports of schema version 1, which do not say."""


@dataclass(frozen=True)
class SharedData:
    """What both reports were scored on.

    Attributes:
        samples: How many samples are the same in both, one by one; null if they are not.
        unlike: What differs; empty where the figures can be compared.
        classes: The true class of each sample, and their names, where the samples are the same and the reports say.
    """

    samples: int | None
    unlike: tuple[str, ...]
    classes: tuple[NDArray[np.int32], tuple[str, ...] | None] | None = None


def shared_data(old: Report, new: Report) -> SharedData:
    """Finds out whether the accuracies of two reports can be compared, and sample by sample."""
    unlike = []
    if old.contract is not None and new.contract is not None:
        before, after = (r.contract.preprocessing for r in (old, new) if r.contract is not None)
        if before.model_dump(exclude={"name"}) != after.model_dump(exclude={"name"}):
            unlike.append(f"the preprocessing ({before.describe()}; now {after.describe()})")
    first, second = old.dataset, new.dataset
    if first is None or second is None or first.sha256 is None or second.sha256 is None:
        return SharedData(None, (*unlike, "the evaluation data (at least one report cannot say which they were)"))
    if first.sha256 != second.sha256:
        were, are = (f"{counted(d.samples, 'sample')} from {d.location}" for d in (first, second))
        return SharedData(None, (*unlike, f"the evaluation data ({were}; now {are})"))
    if first.stream != second.stream:
        return SharedData(None, (*unlike, "whether the samples are one stream (--stream)"))
    if not same_samples(first, second):
        return SharedData(None, tuple(unlike))
    labels = first.labels or second.labels
    classes = (unpack_labels(labels, first.samples), first.classes) if labels else None
    return SharedData(first.samples, tuple(unlike), classes)


def compare_accuracy(old: VariantReport, new: VariantReport, data: SharedData) -> Change | None:
    """Compares the first metric; None where one has none, they differ (`unlike_metrics`), or it is not known which is better."""
    before, after = old.accuracy, new.accuracy
    if before is None or after is None or (before.metric, before.output) != (after.metric, after.output):
        return None
    pair = _hits(old, new, data) if before.metric == "top1" else None
    if pair is not None:
        found = paired_accuracy_drop(*pair)
        return _change("accuracy", before, after, found.value, (found.low, found.high), data, paired=True)
    return measured_change(before, after, data)


def unlike_metrics(old: VariantReport, new: VariantReport) -> str | None:
    """Says that both have a figure of accuracy, and what the other is; None where they are of the same metric and output."""
    before, after = old.accuracy, new.accuracy
    if before is None or after is None or (before.metric, before.output) == (after.metric, after.output):
        return None
    told = [words_of(m.metric).name + (f" of {m.output}" if m.output else "") for m in (before, after)]
    return f"the metric ({told[0]}; now {told[1]})"


def compare_outputs(old: VariantReport, new: VariantReport, data: SharedData) -> tuple[Change, ...]:
    """Compares the outputs beside the first that decides, where several have labels; their label is the output."""
    before = {score.output: score.accuracy for score in old.output_scores}
    shown = new.accuracy.output if new.accuracy is not None else None
    found = []
    for score in new.output_scores:
        earlier = before.get(score.output)
        if score.output == shown or earlier is None or earlier.metric != score.accuracy.metric:
            continue
        change = measured_change(earlier, score.accuracy, data)
        figure = "accuracy" if score.decides and score.weight is None else "output"
        if change is not None:
            found.append(change.model_copy(update={"label": score.output, "figure": figure}))
    return tuple(found)


def measured_change(before: Measured, after: Measured, data: SharedData) -> Change | None:
    """Compares two figures of one metric as of independent samples; None where it is not known which is better."""
    if before.metric in ("top1", "agreement"):
        return _change("accuracy", before, after, *_unpaired(before, after), data)
    better_high = _BETTER_HIGH.get(after.metric, after.higher_is_better)
    if better_high is None:
        return None
    sign = -1.0 if better_high else 1.0
    value = sign * (after.value - before.value)
    if is_share(after.metric):
        return _change(
            "accuracy", before, after, value, _recovered(before, after, value, better_high=better_high), data
        )
    half = _welch_half(before, after)
    return _change("accuracy", before, after, value, (value - half, value + half), data)


def _recovered(
    old: Measured | ClassRecall, new: Measured | ClassRecall, value: float, *, better_high: bool
) -> tuple[float, float]:
    """Returns the interval of a difference of two independent figures whose intervals need not be symmetric.

    G. Y. Zou and A. Donner, 'Construction of confidence limits about effect measures: a general approach', Stat. Med. 27 (2008);
    Newcombe's is the same with Wilson's intervals.
    """
    if None in (old.low, old.high, new.low, new.high):
        return -math.inf, math.inf
    assert old.low is not None and old.high is not None and new.low is not None and new.high is not None
    below, above = (
        math.hypot(old.value - old.low, new.high - new.value),
        math.hypot(old.high - old.value, new.value - new.low),
    )
    return (value - below, value + above) if better_high else (value - above, value + below)


def compare_fidelity(old: VariantReport, new: VariantReport, data: SharedData) -> Change | None:
    """Compares how closely each matches the baseline of its own report; None where one does not say, or in another way."""
    before, after = old.likeness, new.likeness
    if before is None or after is None or before.metric != after.metric or None in (before.low, after.low):
        return None
    if before.metric == "agreement":
        value, interval = _unpaired(before, after)
    else:
        value = before.value - after.value
        half = math.hypot(*(found.value - found.low for found in (before, after) if found.low is not None))
        interval = (value - half, value + half)
    return _change("fidelity", before, after, value, interval, data)


def compare_recalls(old: VariantReport, new: VariantReport, data: SharedData) -> tuple[Change, ...]:
    """Compares the recall of each class that both reports have, or what a task has instead."""
    before = {row.label: row for row in old.per_class}
    pair = _hits(old, new, data)
    changes = []
    for row in new.per_class:
        earlier = before.get(row.label)
        if earlier is None or earlier.metric != row.metric:
            continue
        own = _of_class(row.label, data)
        if row.metric != "recall":
            value, paired = earlier.value - row.value, False
            interval: tuple[float, float] = _recovered(earlier, row, value, better_high=True)
        elif pair is not None and own is not None:
            found = paired_accuracy_drop(pair[0][own], pair[1][own])
            value, interval, paired = found.value, (found.low, found.high), True
        else:
            (value, interval), paired = _unpaired(earlier, row), False
        changes.append(_change("recall", earlier, row, value, interval, data, paired=paired))
    return tuple(changes)


def _change(
    figure: str,
    old: Measured | ClassRecall,
    new: Measured | ClassRecall,
    value: float,
    interval: tuple[float, float],
    data: SharedData,
    *,
    paired: bool = False,
) -> Change:
    return Change.model_validate(
        {
            "figure": figure,
            "metric": new.metric,
            "label": new.label if isinstance(new, ClassRecall) else None,
            "old": old.value,
            "new": new.value,
            "value": value,
            "low": finite(interval[0]),
            "high": finite(interval[1]),
            "method": "paired" if paired else "unpaired",
            "unlike": data.unlike,
        }
    )


def _hits(
    old: VariantReport, new: VariantReport, data: SharedData
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    n = data.samples
    counted = {v.accuracy.n for v in (old, new) if v.accuracy is not None}
    if n is None or counted != {n} or old.hits is None or new.hits is None:
        return None
    return unpack_hits(old.hits, n), unpack_hits(new.hits, n)


def _of_class(label: str, data: SharedData) -> NDArray[np.bool_] | None:
    """Returns which samples belong to a class, where the reports say."""
    if data.classes is None:
        return None
    labels, names = data.classes
    number = names.index(label) if names is not None and label in names else int(label) if label.isdigit() else -1
    own: NDArray[np.bool_] = labels == number
    return own if own.any() else None


def _unpaired(old: Measured | ClassRecall, new: Measured | ClassRecall) -> tuple[float, tuple[float, float]]:
    """Returns the difference of two shares and its interval, as of independent samples."""
    hits = [round(m.value * m.n) for m in (old, new)]
    value = (hits[0] * new.n - hits[1] * old.n) / max(1, old.n * new.n)
    return value, proportion_difference((hits[0], old.n), (hits[1], new.n))


def _welch_half(old: Measured, new: Measured) -> float:
    """Returns half the 95 % interval of a difference of means from their Student intervals."""
    if min(old.n, new.n) < 2 or old.high is None or new.high is None:
        return math.inf
    from scipy.stats import t

    return welch_half_width(
        [(((m.high - m.value) / float(t.ppf(0.975, m.n - 1))) ** 2, m.n - 1) for m in (old, new) if m.high is not None]
    )
