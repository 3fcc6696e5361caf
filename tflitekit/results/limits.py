"""Which limits a variant breaks, in words."""

from __future__ import annotations

from tflitekit.core.units import duration
from tflitekit.results import ClassRecall, Constraints, Drop, VariantReport
from tflitekit.results.on_hardware import hardware_problems
from tflitekit.tasks.metric_words import is_share, words_of

__all__ = [
    "DEFAULT_MAX_DROP_POINTS",
    "broken_limits",
    "certainty_limit",
    "class_caution",
    "class_problems",
    "drop_amount",
    "drop_limit",
    "drop_problems",
    "drop_text",
    "fidelity_problems",
    "figure_problems",
    "figure_text",
    "min_fidelity",
    "output_problems",
]

DEFAULT_MAX_DROP_POINTS = 1.0
DEFAULT_MIN_FIDELITY_PERCENT = 95.0
_RELATIVE_ERROR_LIMIT = 0.05


def min_fidelity(constraints: Constraints) -> float:
    """Returns the least agreement with the baseline, or share of its variance, that is accepted, as a fraction."""
    given = constraints.min_fidelity
    return (DEFAULT_MIN_FIDELITY_PERCENT if given is None else given) / 100


def certainty_limit(constraints: Constraints, *, by_reference: bool) -> float:
    """Returns the largest share of samples that may be lost against the baseline; without labels: that may get another class."""
    return 1 - min_fidelity(constraints) if by_reference else _share_limit(constraints)


def _share_limit(constraints: Constraints) -> float:
    given = constraints.max_accuracy_drop
    return (DEFAULT_MAX_DROP_POINTS if given is None else given) / 100


def drop_limit(baseline: VariantReport | None, constraints: Constraints) -> float:
    """Returns the largest drop that is accepted, in the unit of `Drop.value`."""
    given = constraints.max_accuracy_drop
    if baseline is None or baseline.accuracy is None:
        return 0.0
    if is_share(baseline.accuracy.metric):
        return _share_limit(constraints)
    return _RELATIVE_ERROR_LIMIT * abs(baseline.accuracy.value) if given is None else given


def broken_limits(variant: VariantReport, constraints: Constraints, limit: float, counts_latency: bool) -> list[str]:
    """Returns what speaks against a variant, in words: nothing where it keeps all limits."""
    if variant.status != "ok":
        return [f"{variant.status}: {(variant.error or 'no reason recorded').splitlines()[0]}"]
    found = hardware_problems(variant) + _broken_parts(variant) + figure_problems(variant, constraints, limit)
    size = variant.size_bytes or 0
    if constraints.max_size_bytes is not None and size > constraints.max_size_bytes:
        found.append(f"{size:,} bytes, more than the limit of {constraints.max_size_bytes:,}")
    if counts_latency and constraints.max_latency_ms is not None:
        if variant.latency is None:
            found.append("its latency was not measured")
        elif variant.latency.deciding_ms > constraints.max_latency_ms:
            found.append(
                f"{duration(variant.latency.deciding_ms)} on {variant.latency.target}, "
                f"more than the limit of {constraints.max_latency_ms:g} ms"
            )
    return found


def _broken_parts(variant: VariantReport) -> list[str]:
    """Names parts of outputs of which too little is left, whatever the average says."""
    return [loss.text for output in variant.fidelity for loss in output.losses if loss.broken]


def figure_problems(variant: VariantReport, constraints: Constraints, limit: float) -> list[str]:
    """Says where accuracy, or fidelity where the data have no labels, misses a limit."""
    untold = any(finding.kind in ("too-few-samples", "not-comparable") for finding in variant.warnings)
    if variant.likeness is not None or untold:
        return fidelity_problems(variant, constraints)
    return drop_problems(variant, limit) + output_problems(variant, constraints) + class_problems(variant, constraints)


def fidelity_problems(variant: VariantReport, constraints: Constraints) -> list[str]:
    """The figure itself decides, and that of every other output; where a sequential test decided, that does."""
    if variant.likeness is None:
        return ["its fidelity cannot be told from these samples"]
    least = min_fidelity(constraints)
    allowed = f"less than the limit of {least * 100:.4g}%"
    decided = variant.sequential
    low = variant.likeness.value < least if decided is None else decided.decision == "breaks"
    found = [f"{figure_text(variant)}, {allowed}"] if low else []
    if variant.likeness.metric == "agreement":  # the other figure is of the output that is kept least
        found += [
            f"{_kept(output.mean, output.low, output.high)} in the output '{output.output}', {allowed}"
            for output in variant.fidelity
            if not output.scored and output.mean is not None and output.mean < least
        ]
    return found


def drop_problems(variant: VariantReport, limit: float) -> list[str]:
    """The drop itself decides, not the end of its interval; where a sequential test decided, that does."""
    if variant.drop is None or variant.accuracy is None:
        return ["it was not evaluated"]
    if variant.sequential is not None:
        return [drop_text(variant)] if variant.sequential.decision == "breaks" else []
    if variant.drop.value <= limit:  # not so where it is not a number
        return []
    allowed = drop_amount(variant, limit)
    if variant.drop.verdict.startswith("too few samples"):
        accuracy, lost = _accuracy_text(variant), drop_amount(variant, variant.drop.value)
        return [f"{accuracy}, drops {lost}{_range_text(variant)}, and the limit is {allowed}"]
    return [f"{drop_text(variant)}, more than the limit of {allowed}"]


def output_problems(variant: VariantReport, constraints: Constraints) -> list[str]:
    """Names the outputs beside the first that lose more than they may, where each has to keep the limit by itself."""
    shown = variant.accuracy.output if variant.accuracy is not None else None
    found = []
    for score in variant.output_scores:
        if not score.decides or score.weight is not None or score.output == shown or score.drop is None:
            continue
        own = variant.model_copy(update={"accuracy": score.accuracy, "drop": score.drop, "sequential": None})
        before = score.accuracy.value + (1 if score.accuracy.higher_is_better else -1) * score.drop.value
        baseline = own.model_copy(update={"accuracy": score.accuracy.model_copy(update={"value": before})})
        found += drop_problems(own, drop_limit(baseline, constraints))
    return found


def class_problems(variant: VariantReport, constraints: Constraints) -> list[str]:
    """Names the class that lost most, where one lost more than it may; here too the drop itself decides."""
    limit = constraints.max_class_drop
    if limit is None:
        return []
    over = [(c.drop.value, c) for c in variant.per_class if c.drop is not None and c.drop.value > limit / 100]
    if not over:
        return []
    value, worst = max(over, key=lambda pair: pair[0])
    drop = worst.drop
    assert drop is not None
    text = (
        f"the {_of_class(worst)} of '{worst.label}' falls from {worst.value + value:.1%} to {worst.value:.1%}, by {value * 100:.1f} "
        f"points ({_interval(drop)}, n = {drop.n:,}), more than the limit of {limit:g} for a class"
    )
    if drop.low is not None and drop.low <= limit / 100:
        text += f" (though {drop.n:,} samples cannot distinguish it from that)"
    if len(over) > 1:
        text += f"; {len(over) - 1} other class{'es' if len(over) > 2 else ''} too"
    return [text]


def _of_class(row: ClassRecall) -> str:
    return "recall" if row.metric == "recall" else words_of(row.metric).name


def class_caution(variant: VariantReport, constraints: Constraints) -> list[str]:
    """Says where too few samples leave open whether a class lost more than it may."""
    limit = constraints.max_class_drop
    if limit is None:
        return []
    open_ = [(c.drop.high, c) for c in variant.per_class if c.drop and c.drop.high and c.drop.high > limit / 100]
    if not open_:
        return []
    _, worst = max(open_, key=lambda pair: pair[0])
    assert worst.drop is not None
    others = f"; likewise {len(open_) - 1} other class{'es' if len(open_) > 2 else ''}" if len(open_) > 1 else ""
    return [
        f"caution: with {worst.drop.n:,} samples of '{worst.label}' it cannot be told whether its {_of_class(worst)} drops by more than "
        f"{limit:g} points (interval {_interval(worst.drop)}){others}"
    ]


def figure_text(variant: VariantReport) -> str:
    """Returns 'accuracy 86.0%, no measurable drop', or 'agrees with the baseline on 97.6% of the samples (96.5 to 98.4)'."""
    found = variant.likeness
    if found is None:
        return drop_text(variant)
    if found.metric == "agreement":
        return f"agrees with the baseline on {found.value:.1%} of the samples{_percents(found.low, found.high)}"
    if found.metric != "fidelity":
        words = words_of(found.metric)
        return f"{words.short or words.name} {found.value:.1%}{_percents(found.low, found.high)}"
    return _kept(found.value, found.low, found.high)


def _kept(value: float, low: float | None, high: float | None) -> str:
    return f"keeps {value:.1%}{_percents(low, high)} of the baseline's variance"


def _percents(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low * 100:.1f} to {high * 100:.1f})"


def drop_text(variant: VariantReport) -> str:
    """Returns 'accuracy 86.0%, no measurable drop'."""
    assert variant.drop is not None
    return f"{_accuracy_text(variant)}, {variant.drop.verdict}"


def drop_amount(variant: VariantReport, value: float) -> str:
    """Returns '1 point' for shares, else a figure in the metric's unit."""
    if variant.accuracy is not None and is_share(variant.accuracy.metric):
        return f"{value * 100:.3g} point{'' if value == 0.01 else 's'}"
    return f"{value:.4g}"


def _interval(drop: Drop) -> str:
    if drop.low is None or drop.high is None:
        return "no interval"
    return f"{drop.low * 100:.1f} to {drop.high * 100:.1f}"


def _range_text(variant: VariantReport) -> str:
    """Returns the interval of a drop in brackets, in points where it is one of accuracy; nothing where there is none."""
    drop = variant.drop
    if drop is None or drop.low is None or drop.high is None:
        return ""
    points = variant.accuracy is not None and is_share(variant.accuracy.metric)
    return f" (interval {_interval(drop)})" if points else f" (interval {drop.low:.4g} to {drop.high:.4g})"


def _accuracy_text(variant: VariantReport) -> str:
    assert variant.accuracy is not None
    words, value, output = words_of(variant.accuracy.metric), variant.accuracy.value, variant.accuracy.output
    name = (words.short or words.name) if words.share else variant.accuracy.metric
    of = "" if output is None else f" of '{output}'"
    return f"{name}{of} {value:.1%}" if words.share else f"{name}{of} {value:.4g}"
