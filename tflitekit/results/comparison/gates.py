"""Limits on what may get worse, judged with the intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tflitekit.core.errors import UsageError
from tflitekit.results.comparison.results import Change, Figure, GateResult, VariantChange
from tflitekit.results.comparison.words import describe_change, describe_limit

__all__ = ["GATES", "judge_gates", "judge_presence"]

GATES: dict[str, Figure] = {
    "max-accuracy-drop": "accuracy",
    "max-fidelity-drop": "fidelity",
    "max-class-drop": "recall",
    "max-latency-increase": "latency",
    "max-size-increase": "size",
}
"""Each gate and the figure that it limits."""


def judge_presence(variants: Sequence[VariantChange], chosen: str | None) -> list[GateResult]:
    """A variant that worked and fails now, here or on a further target, breaks the build, whatever gates were asked for; one that is gone
    is a doubt.

    The one that the old report recommends must not be gone either.
    """
    results = [result for variant in variants for result in _judge_targets(variant)]
    for variant in variants:
        if variant.old_status != "ok" or variant.new_status == "ok":
            continue
        if variant.presence == "removed":
            shipped = (variant.old_name or variant.name) == chosen
            state = "broken" if shipped else "missing"
            message = "is not in the new report" + (", and the old one recommends it" if shipped else "")
        else:
            state = "broken" if variant.new_status == "failed" else "missing"
            why = f": {variant.error.splitlines()[0]}" if variant.error else ""
            message = f"was ok and is {variant.new_status} now{why}"
        results.append(
            GateResult.model_validate(
                {"gate": "status", "variant": variant.name, "state": state, "message": f"{variant.name} {message}"}
            )
        )
    return results


def _judge_targets(variant: VariantChange) -> Iterator[GateResult]:
    for one in variant.targets:
        if one.old_refused is None and one.new_refused is not None:
            message = f"{variant.name} ran on {one.target} and does not now: {one.new_refused}"
            yield GateResult(gate="status", variant=variant.name, label=one.target, state="broken", message=message)


def judge_gates(variants: Sequence[VariantChange], limits: dict[str, float], *, allow_unlike: bool) -> list[GateResult]:
    """Judges each limit for every variant that works in both reports.

    Args:
        limits: By gate, as the user gives them: points, percent, or the metric's unit.
        allow_unlike: Judge also what was not measured alike.

    Raises:
        UsageError: Something was not measured alike, or nothing was measured.
    """
    results: list[GateResult] = []
    for gate, limit in limits.items():
        stretch = _stretch(gate, variants)
        judged = [result for variant in variants for result in _judge(gate, limit, variant, allow_unlike, stretch)]
        failed = any(variant.old_status == "ok" and variant.new_status == "failed" for variant in variants)
        if not any(variant.presence == "both" for variant in variants):
            names = [", ".join(v.name for v in variants if v.presence == side) for side in ("removed", "new")]
            raise UsageError(
                "No variant has the same name in both reports.",
                why=f"The old one has {names[0] or 'none'}; the new one {names[1] or 'none'}.",
                fix="Pair them with --variants OLD=NEW.",
            )
        if all(result.limit is None for result in judged) and not failed:  # a failure says enough
            if gate == "max-accuracy-drop" and any(variant.change("fidelity") for variant in variants):
                raise UsageError(
                    "--max-accuracy-drop cannot be judged: both reports were made on data without labels.",
                    fix="Give --max-fidelity-drop, the gate on the fidelity to the float model.",
                )
            raise UsageError(
                f"--{gate} cannot be judged: no variant has this figure in both reports.",
                why="A custom metric must also say which direction is better; reports before schema version 2 do not.",
                fix="Compare reports of 'tflitekit optimize' that measured it, or leave the gate out.",
            )
        results += judged
    return results


def _stretch(gate: str, variants: Sequence[VariantChange]) -> float:
    """Returns how much wider than for one question the intervals must be, so that noise breaks a gate in 5 % at most.

    Bonferroni's correction over everything that the gate asks: the same quantile of the normal distribution for a level of
    0.05 / m. Byte-identical files count once.
    """
    from scipy.stats import norm

    asked = {
        (variant.sha256 or variant.name, change.label)
        for variant in variants
        for change in variant.changes
        if change.figure == GATES[gate] and change.low is not None and change.low != change.high
    }
    return float(norm.ppf(1 - 0.025 / max(1, len(asked))) / norm.ppf(0.975))


def _judge(gate: str, limit: float, variant: VariantChange, allow_unlike: bool, stretch: float) -> Iterator[GateResult]:
    if (variant.old_status, variant.new_status) != ("ok", "ok"):
        return
    changes = [change for change in variant.changes if change.figure == GATES[gate]]
    for change in changes:
        if change.unlike and not allow_unlike:
            raise UsageError(
                f"--{gate} cannot be judged for {variant.name}: the two reports were not measured in the same way.",
                why=f"Not the same in both: {'; '.join(change.unlike)}.",
                fix="Measure both in the same way, leave the gate out to see the figures side by side, or judge them all the "
                "same with --allow-unlike.",
            )
        yield _judge_change(gate, _in_unit(limit, change), variant, change, stretch)
    if not changes:
        words = {"accuracy": "the same metric", "fidelity": "the same figure of fidelity", "recall": "recall by class"}
        what = words.get(GATES[gate], GATES[gate])
        yield GateResult(
            gate=gate,
            variant=variant.name,
            state="missing",
            message=f"{variant.name}: only one report or neither has {what}",
        )


def _certain_low(change: Change, stretch: float) -> float:
    """Returns the lower end of the interval, moved outwards for many questions at once."""
    if change.low is None or change.high is None:
        return -math.inf
    middle = (change.low + change.high) / 2
    return middle - (middle - change.low) * stretch


def _in_unit(limit: float, change: Change) -> float:
    """Returns the user's limit in the unit of `Change.value`."""
    return limit if change.figure == "accuracy" and not change.is_share else limit / 100


def _judge_change(gate: str, limit: float, variant: VariantChange, change: Change, stretch: float) -> GateResult:
    kind = "output" if change.figure == "accuracy" else "class"
    name = f"{variant.name}, {kind} {change.label}" if change.label is not None else variant.name
    figure = {"accuracy": change.metric, "fidelity": change.metric, "recall": change.metric}.get(
        change.figure, change.figure
    )
    text = f"{name}: {figure} {describe_change(change)}"
    bound = f"the limit of {describe_limit(change, limit)}"
    if change.figure == "latency" and variant.same_file and not change.unlike:
        state, message = "kept", f"{text}, but the file is the same: this is the machine's noise"
    elif change.value <= limit:
        state, message = "kept", f"{text}, within {bound}"
    elif _certain_low(change, stretch) > limit:
        state, message = "broken", f"{text}, beyond {bound}"
    else:
        more = "rounds" if change.figure == "latency" else "samples"
        reason = (
            f"but the interval reaches back: more {more} would decide it"
            if change.low is not None
            else "but without an interval this may be noise"
        )
        state, message = "undecided", f"{text}, beyond {bound}, {reason}"
    if change.unlike:
        message += f" (not measured alike: {'; '.join(change.unlike)})"
    return GateResult.model_validate(
        {
            "gate": gate,
            "variant": variant.name,
            "label": change.label,
            "limit": limit,
            "state": state,
            "message": message,
        }
    )
