"""The verb *recommend*: a pure function of measurements and constraints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tflitekit.results import Constraints, Drop, Finding, Latency, Recommendation, Rejection, VariantReport

__all__ = ["DEFAULT_MAX_DROP_POINTS", "UNFIT", "broken_gates", "recommend", "top1_limit"]

DEFAULT_MAX_DROP_POINTS = 1.0
UNFIT = ("chance", "no-baseline", "not-evaluated")
"""Findings about a run whose measurements support no recommendation."""

SAME_SPEED = 0.05
"""Where latency counts, variants within this share of the fastest are equally fast: phones differ by more. So are those whose
interval reaches into that of the fastest."""

SAME_SIZE = 0.02
"""Files within this share of the smallest count as equally small: something else then decides."""

SAME_DEFLATED = 0.05
"""The same for deflated files: the entropy of weights differs by some percent between trainings of one scheme."""

_RELATIVE_ERROR_LIMIT = 0.05


def recommend(
    variants: Sequence[VariantReport],
    constraints: Constraints,
    *,
    baseline: str | None = None,
    latency_is_of_target: bool = False,
    cautions: Sequence[str] = (),
    unfit: Finding | None = None,
    data: str | None = None,
) -> Recommendation:
    """Chooses the smallest variant that meets all constraints.

    Where latency was measured on the target, only variants that are as fast as the fastest stay. Among files of practically the
    same size it prefers integer-only ones, then those that deflate best, then those that need no training unless a trained
    one is measurably more accurate, then the more accurate. Latency of a host never decides for a phone: there it only shows
    that a limit is out of reach.

    Args:
        variants: Rows of the report, the baseline among them.
        constraints: What the team can accept.
        baseline: The variant that drops were measured against; the first that is not failed when not given.
        latency_is_of_target: Whether latency was measured where the model will run.
        cautions: What casts doubt on the measurements themselves; stands first among the reasons.
        unfit: Why these measurements support no recommendation at all: without a baseline that works no drop means anything.
        data: Where the samples come from that accuracy was measured on.
    """
    counts_latency = latency_is_of_target or constraints.deploy_on == "host"
    able = [v for v in variants if v.status == "ok"]
    reference = next((v for v in able if v.name == baseline), able[0] if able else None)
    limit = _limit(reference, constraints)
    problems = {v.name: _problems(v, constraints, limit, counts_latency) for v in variants}
    good = [v for v in able if not problems[v.name]]
    caveats = _latency_caveats(able, constraints, counts_latency)
    out_of_reach = _beyond_reach(able, constraints, counts_latency)
    if unfit is not None:
        return _nothing_yet(unfit, variants, problems, [*cautions, *caveats])
    if not good or out_of_reach:
        return _nothing_meets(able, variants, problems, out_of_reach, caveats)
    choice = _choose(good, reference, counts_latency)
    chosen = choice.chosen
    rejected = tuple(
        Rejection(name=v.name, reasons=tuple(problems[v.name]) or (_why_not(v, choice),))
        for v in variants
        if v.name != chosen.name
    )
    return Recommendation(
        chosen=chosen.name,
        reasons=(*cautions, *_reasons(choice, reference, constraints, limit, data), *caveats),
        rejected=rejected,
        constraints_met=True,
    )


def broken_gates(
    variants: Sequence[VariantReport], constraints: Constraints, *, baseline: str | None
) -> tuple[Rejection, ...]:
    """Returns the variants that break a limit on accuracy that was asked for, with the reasons, by the same rules."""
    limit = _limit(next((v for v in variants if v.name == baseline), None), constraints)
    found = []
    for variant in variants:
        reasons = _class_problems(variant, constraints)
        if constraints.max_accuracy_drop is not None or variant.sequential is not None:
            reasons = _drop_problems(variant, limit) + reasons
        if variant.status == "ok" and reasons:
            found.append(Rejection(name=variant.name, reasons=tuple(reasons)))
    return tuple(found)


def top1_limit(constraints: Constraints) -> float:
    """Returns the largest drop of top-1 accuracy that is accepted, as a fraction."""
    given = constraints.max_accuracy_drop
    return (DEFAULT_MAX_DROP_POINTS if given is None else given) / 100


def _limit(baseline: VariantReport | None, constraints: Constraints) -> float:
    """Returns the largest drop that is accepted, in the unit of `Drop.value`."""
    given = constraints.max_accuracy_drop
    if baseline is None or baseline.accuracy is None:
        return 0.0
    if baseline.accuracy.metric == "top1":
        return top1_limit(constraints)
    return _RELATIVE_ERROR_LIMIT * abs(baseline.accuracy.value) if given is None else given


def _problems(variant: VariantReport, constraints: Constraints, limit: float, counts_latency: bool) -> list[str]:
    if variant.status != "ok":
        return [f"{variant.status}: {(variant.error or 'no reason recorded').splitlines()[0]}"]
    found = _broken_parts(variant) + _drop_problems(variant, limit) + _class_problems(variant, constraints)
    size = variant.size_bytes or 0
    if constraints.max_size_bytes is not None and size > constraints.max_size_bytes:
        found.append(f"{size:,} bytes, more than the limit of {constraints.max_size_bytes:,}")
    if counts_latency and constraints.max_latency_ms is not None:
        if variant.latency is None:
            found.append("its latency was not measured")
        elif variant.latency.deciding_ms > constraints.max_latency_ms:
            found.append(
                f"{variant.latency.deciding_ms:.3g} ms on {variant.latency.target}, "
                f"more than the limit of {constraints.max_latency_ms:g} ms"
            )
    return found


def _broken_parts(variant: VariantReport) -> list[str]:
    """Names parts of outputs of which too little is left, whatever the average says."""
    return [loss.text for output in variant.fidelity for loss in output.losses if loss.broken]


def _drop_problems(variant: VariantReport, limit: float) -> list[str]:
    """The drop itself decides, not the end of its interval; where a sequential test decided, that does."""
    if variant.drop is None or variant.accuracy is None:
        return ["its accuracy was not measured"]
    if variant.sequential is not None:
        return [_drop_text(variant)] if variant.sequential.decision == "breaks" else []
    if variant.drop.value <= limit:  # not so where it is not a number
        return []
    allowed = _amount(variant, limit)
    if variant.drop.verdict.startswith("too few samples"):
        accuracy, amount = _accuracy_text(variant), _amount(variant, variant.drop.value)
        return [f"{accuracy}, drops {amount}{_range_text(variant)}, and the limit is {allowed}"]
    return [f"{_drop_text(variant)}, more than the limit of {allowed}"]


def _class_problems(variant: VariantReport, constraints: Constraints) -> list[str]:
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
        f"the recall of '{worst.label}' falls from {worst.value + value:.1%} to {worst.value:.1%}, by {value * 100:.1f} "
        f"points ({_interval(drop)}, n = {drop.n:,}), more than the limit of {limit:g} for a class"
    )
    if drop.low is not None and drop.low <= limit / 100:
        text += f" (though {drop.n:,} samples cannot tell it from that)"
    if len(over) > 1:
        text += f"; {len(over) - 1} other class{'es' if len(over) > 2 else ''} too"
    return [text]


def _class_caution(variant: VariantReport, constraints: Constraints) -> list[str]:
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
        f"caution: with {worst.drop.n:,} samples of '{worst.label}' it cannot be told whether its recall drops by more than "
        f"{limit:g} points (interval {_interval(worst.drop)}){others}"
    ]


def _interval(drop: Drop) -> str:
    assert drop.low is not None and drop.high is not None
    return f"{drop.low * 100:.1f} to {drop.high * 100:.1f}"


def _amount(variant: VariantReport, value: float) -> str:
    if variant.accuracy is not None and variant.accuracy.metric == "top1":
        return f"{value * 100:.3g} point{'' if value == 0.01 else 's'}"
    return f"{value:.4g}"


def _range_text(variant: VariantReport) -> str:
    """Returns the interval of a drop in brackets, in points where it is one of accuracy; nothing where there is none."""
    drop = variant.drop
    if drop is None or drop.low is None or drop.high is None:
        return ""
    points = variant.accuracy is not None and variant.accuracy.metric == "top1"
    return f" (interval {_interval(drop)})" if points else f" (interval {drop.low:.4g} to {drop.high:.4g})"


def _accuracy_text(variant: VariantReport) -> str:
    assert variant.accuracy is not None
    if variant.accuracy.metric == "top1":
        return f"accuracy {variant.accuracy.value:.1%}"
    return f"{variant.accuracy.metric} {variant.accuracy.value:.4g}"


def _drop_text(variant: VariantReport) -> str:
    assert variant.drop is not None
    return f"{_accuracy_text(variant)}, {variant.drop.verdict}"


class _Choice(NamedTuple):
    """The chosen variant, what remained of the good ones after each step that led to it, and the best untrained of those.

    ``fast`` is None where latency did not count, or was not measured of any.
    """

    chosen: VariantReport
    fast: list[VariantReport] | None
    small: list[VariantReport]
    integer: list[VariantReport]
    deflated: list[VariantReport]
    untrained: VariantReport | None


def _choose(good: Sequence[VariantReport], baseline: VariantReport | None, counts_latency: bool) -> _Choice:
    fast = _fast(good) if counts_latency else None
    good = good if fast is None else fast
    smallest = min(v.size_bytes or 0 for v in good)
    small = [v for v in good if (v.size_bytes or 0) <= smallest * (1 + SAME_SIZE)]
    most = max(v.integer_op_fraction or 0.0 for v in small)
    integer = [v for v in small if (v.integer_op_fraction or 0.0) == most]
    sizes = {v.name: v.deflated_bytes for v in integer if v.deflated_bytes is not None}
    least = min(sizes.values(), default=0)
    known = len(sizes) == len(integer)
    deflated = [v for v in integer if not known or sizes[v.name] <= least * (1 + SAME_DEFLATED)]

    def preference(variant: VariantReport) -> tuple[bool, float, int, str]:
        changed = baseline is None or variant.name != baseline.name  # no gain, no change
        return changed, variant.drop.value if variant.drop else 0.0, variant.size_bytes or 0, variant.name

    untrained = min((v for v in deflated if v.training is None), key=preference, default=None)
    worth = [v for v in deflated if v.training is None or untrained is None or _measurably_better(v, untrained)]
    return _Choice(min(worth, key=preference), fast, small, integer, deflated, untrained)


def _fast(good: Sequence[VariantReport]) -> list[VariantReport] | None:
    """Returns those that are as fast as the fastest; None where no latency was measured."""
    timed = [(variant, variant.latency) for variant in good if variant.latency is not None]
    if not timed:
        return None
    best = min((latency for _, latency in timed), key=lambda latency: latency.deciding_ms)
    reach = best.high_ms or best.deciding_ms
    return [
        variant
        for variant, latency in timed
        if latency.deciding_ms <= best.deciding_ms * (1 + SAME_SPEED)
        or (latency.low_ms or latency.deciding_ms) <= reach
    ]


def _measurably_better(trained: VariantReport, untrained: VariantReport) -> bool:
    """Tells whether the whole interval of one drop lies below that of the other; not so where an interval is missing."""
    high = trained.drop.high if trained.drop else None
    low = untrained.drop.low if untrained.drop else None
    return high is not None and low is not None and high < low


def _reasons(
    choice: _Choice, baseline: VariantReport | None, constraints: Constraints, limit: float, data: str | None
) -> list[str]:
    chosen = choice.chosen
    assert chosen.accuracy is not None
    size = chosen.size_bytes or 0
    whole = baseline.size_bytes or size if baseline else size
    times = f", {whole / size:.1f} times smaller than {baseline.name}" if baseline and whole > size * 1.05 else ""
    of = "that meets every limit"
    reasons = []
    if choice.fast is not None and chosen.latency is not None:
        reasons.append(f"{_latency_text(chosen.latency)}: as fast as any {of} (within {SAME_SPEED:.0%})")
        of = "of those"
    reasons.append(f"{size:,} bytes{times}: the smallest {of} (within {SAME_SIZE:.0%})")
    given = "" if constraints.max_accuracy_drop is not None else ", the default"
    reasons.append(f"{_drop_text(chosen)}; n = {chosen.accuracy.n:,}, limit {_amount(chosen, limit)}{given}")
    undecided = chosen.sequential is None and chosen.drop is not None
    if undecided and chosen.drop is not None and chosen.drop.high is not None and chosen.drop.high > limit:
        reasons.append(
            f"caution: the interval of its drop reaches {_amount(chosen, chosen.drop.high)}; more data would tell"
        )
    reasons += _class_caution(chosen, constraints)
    if chosen.integer_op_fraction == 1:
        real = any(spec.dtype.startswith("float") for spec in (*chosen.inputs, *chosen.outputs))
        note = " (inputs and outputs stay float: int8:io=int8 makes them integers too)" if real else ""
        reasons.append(f"every operator computes in integers, as accelerators and microcontrollers want{note}")
    if len(choice.deflated) < len(choice.integer):
        others = [v for v in choice.integer if v not in choice.deflated]
        next_best = min(others, key=lambda v: v.deflated_bytes or 0)
        reasons.append(
            f"{chosen.deflated_bytes or 0:,} bytes deflated, {_less(chosen, next_best)} less than {next_best.name}, which is as "
            "small as a file: an app download is compressed"
        )
    reasons += _training_reasons(chosen, data)
    if chosen.min_runtime_version:
        reasons.append(f"needs TensorFlow Lite {chosen.min_runtime_version} or newer in the app")
    return reasons


def _latency_text(latency: Latency) -> str:
    ratio = latency.ratio
    against = ""
    if ratio is not None and ratio.verdict == "tie":
        against = f", a tie with {ratio.baseline}"
    elif ratio is not None:
        factor = ratio.value if ratio.verdict == "slower" else 1 / ratio.value
        against = f", {factor:.3g} times {ratio.verdict} than {ratio.baseline} there"
    return f"{latency.deciding_ms:.3g} ms on {latency.target}{against}"


def _less(variant: VariantReport, other: VariantReport) -> str:
    return f"{1 - (variant.deflated_bytes or 0) / (other.deflated_bytes or 1):.0%}"


def _training_reasons(chosen: VariantReport, data: str | None) -> list[str]:
    """Says of a trained variant what it lost against the control, and what its accuracy depends on."""
    training = chosen.training
    if training is None:
        return []
    found = []
    if chosen.drop_from_control is not None:
        found.append(
            f"against {chosen.control}, the float model trained for the same steps: {chosen.drop_from_control.verdict}"
        )
    leak = next((f for f in chosen.warnings if f.kind == "trained-on-evaluation-data"), None)
    if leak is not None:
        found.append(f"caution: do not trust its accuracy. {leak.message}")
    elif data is not None:
        found.append(
            f"caution: it was trained on {training.data}, and its accuracy was measured on {data}: it holds only if no sample "
            "is in both"
        )
    return found


def _why_not(variant: VariantReport, choice: _Choice) -> str:
    chosen = choice.chosen
    size, best = variant.size_bytes or 0, chosen.size_bytes or 1
    if choice.fast is not None and variant not in choice.fast:
        if variant.latency is None or chosen.latency is None:
            return "meets the limits, but its latency was not measured on the target"
        times = variant.latency.deciding_ms / chosen.latency.deciding_ms
        return (
            f"meets the limits, but takes {times:.2f} times as long as {chosen.name} ({_latency_text(variant.latency)})"
        )
    if variant not in choice.small:
        larger = f"{size / best:.1f} times as large as" if size > best * 1.5 else f"{size / best - 1:.0%} larger than"
        return f"meets the limits, but is {larger} {chosen.name}"
    if variant.sha256 == chosen.sha256:
        return f"the same file as {chosen.name}, byte by byte"
    if variant not in choice.integer:
        return (
            f"as small as {chosen.name}, but only {variant.integer_op_fraction or 0:.0%} of its operators are integer"
        )
    if variant not in choice.deflated:
        return f"as small as {chosen.name}, but {chosen.name} deflates to {_less(chosen, variant)} less, which an app download saves"
    untrained = choice.untrained
    if variant.training is not None and untrained is not None and not _measurably_better(variant, untrained):
        return f"meets the limits, but is not measurably more accurate than {untrained.name}, which needs no training"
    return f"meets the limits and is as small as {chosen.name}, but not more accurate"


def _beyond_reach(able: Sequence[VariantReport], constraints: Constraints, counts_latency: bool) -> str | None:
    """A latency limit for a phone that even this host misses with every variant."""
    limit = constraints.max_latency_ms
    measured = [v.latency.deciding_ms for v in able if v.latency is not None]
    if counts_latency or limit is None or not measured or min(measured) <= limit:
        return None
    return f"no variant reaches {limit:g} ms even on this host (the fastest takes {min(measured):.3g} ms)"


def _latency_caveats(able: Sequence[VariantReport], constraints: Constraints, counts_latency: bool) -> list[str]:
    if counts_latency:
        return []
    text = "latency was not measured on the target: this host's figures say little about a phone and decided nothing"
    if constraints.max_latency_ms is not None:
        text += f"; the limit of {constraints.max_latency_ms:g} ms is therefore not verified"
    over = [
        v.name
        for v in able
        if v.latency and constraints.max_latency_ms and v.latency.deciding_ms > constraints.max_latency_ms
    ]
    return [text + (f" (over it on this host: {', '.join(over)})" if over else "")]


def _nothing_yet(
    unfit: Finding, variants: Sequence[VariantReport], problems: dict[str, list[str]], cautions: list[str]
) -> Recommendation:
    reasons = {v.name: tuple(problems[v.name]) if v.status != "ok" else ("cannot be judged yet",) for v in variants}
    return Recommendation(
        chosen=None,
        reasons=(
            f"nothing can be recommended yet: {unfit.message[0].lower()}{unfit.message[1:]}".rstrip("."),
            *([unfit.advice.rstrip(".")] if unfit.advice else []),
            *cautions,
        ),
        rejected=tuple(Rejection(name=v.name, reasons=reasons[v.name]) for v in variants),
        constraints_met=False,
    )


def _nothing_meets(
    able: Sequence[VariantReport],
    variants: Sequence[VariantReport],
    problems: dict[str, list[str]],
    out_of_reach: str | None,
    caveats: list[str],
) -> Recommendation:
    measured = [v for v in able if v.drop is not None]
    nearest = min(
        measured,
        key=lambda v: (len(problems[v.name]), v.drop.value if v.drop else 0.0, v.size_bytes or 0),
        default=None,
    )
    if out_of_reach:
        first = f"nothing meets all limits: {out_of_reach}"
    elif not measured:
        first = "nothing can be recommended: no variant was converted and measured"
    else:
        first = "nothing meets all limits"
    reasons = [first]
    if nearest is not None:
        why = "; ".join(problems[nearest.name]) or "it meets the others"
        reasons.append(f"{nearest.name} comes nearest: {why}")
    return Recommendation(
        chosen=None,
        reasons=(*reasons, *caveats),
        rejected=tuple(
            Rejection(name=v.name, reasons=tuple(problems[v.name]) or (out_of_reach or "",)) for v in variants
        ),
        constraints_met=False,
        nearest=nearest.name if nearest else None,
    )
