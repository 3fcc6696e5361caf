"""The verb *recommend*: a pure function of measurements and constraints."""

from __future__ import annotations

from collections.abc import Sequence

from tflitekit.hardware import Hardware
from tflitekit.results import Constraints, Finding, Recommendation, Rejection, VariantReport
from tflitekit.results.choice import choose
from tflitekit.results.limits import (
    broken_limits,
    class_problems,
    drop_limit,
    drop_problems,
    fidelity_problems,
    output_problems,
)
from tflitekit.results.on_hardware import is_of
from tflitekit.results.reasons import beyond_reach, latency_caveats, reasons_for, why_not

__all__ = ["UNFIT", "broken_gates", "recommend"]

UNFIT = ("chance", "class-numbers", "no-baseline", "not-evaluated", "other-preprocessing")
"""Findings about a run whose measurements support no recommendation."""


def recommend(
    variants: Sequence[VariantReport],
    constraints: Constraints,
    *,
    baseline: str | None = None,
    latency_is_of_target: bool = False,
    cautions: Sequence[str] = (),
    unfit: Finding | None = None,
    data: str | None = None,
    hardware: Hardware | None = None,
) -> Recommendation:
    """Chooses the smallest variant that meets all constraints.

    Of files for a named hardware, those that it takes best come first; one that would not run there is refused. Where latency was measured on the target, only variants that are as fast as the fastest stay. Among files of practically the
    same size it prefers integer-only ones, then those that deflate best, then those that need no training unless a trained
    one is measurably more accurate, then the more accurate. Latency of a host never decides for a phone: there it only shows
    that a limit is out of reach.

    Args:
        variants: Rows of the report, the baseline among them.
        constraints: What the team can accept.
        baseline: The variant that drops were measured against; the first that is not failed when not given.
        latency_is_of_target: Whether latency was measured on the device that the model is for.
        cautions: What casts doubt on the measurements; comes first among the reasons.
        unfit: Why nothing can be recommended at all, such as a baseline that does not work.
        data: Where the evaluation samples come from.
        hardware: What the model is meant for. Latency then counts where it was measured on such hardware, whatever
            ``latency_is_of_target`` says.

    Returns:
        The variant that is chosen, with the reasons, or the one that comes nearest.

    Example:
        >>> report = tk.read_report("build")
        >>> answer = tk.recommend(report.variants, tk.Constraints(max_size_bytes=200_000), baseline="float32")
        >>> print(answer.chosen, answer.reasons)
    """
    able = [v for v in variants if v.status == "ok"]
    counts_latency = latency_is_of_target or constraints.deploy_on == "host"
    if hardware is not None:
        timed = [v.latency for v in able if v.latency is not None]
        counts_latency = bool(timed) and all(is_of(latency, hardware) for latency in timed)
    reference = next((v for v in able if v.name == baseline), able[0] if able else None)
    limit = drop_limit(reference, constraints)
    problems = {v.name: broken_limits(v, constraints, limit, counts_latency) for v in variants}
    good = [v for v in able if not problems[v.name]]
    caveats = latency_caveats(able, constraints, counts_latency, hardware)
    out_of_reach = beyond_reach(able, constraints, counts_latency) if _host_is_faster(hardware) else None
    if unfit is not None:
        return _nothing_yet(unfit, variants, problems, [*cautions, *caveats])
    if not good or out_of_reach:
        return _nothing_meets(able, variants, problems, out_of_reach, caveats)
    choice = choose(good, reference, counts_latency, hardware, trust_estimates=constraints.trust_estimates)
    chosen = choice.chosen
    rejected = tuple(
        Rejection(name=v.name, reasons=tuple(problems[v.name]) or (why_not(v, choice),))
        for v in variants
        if v.name != chosen.name
    )
    return Recommendation(
        chosen=chosen.name,
        reasons=(*cautions, *reasons_for(choice, reference, constraints, limit, data), *caveats),
        rejected=rejected,
        constraints_met=True,
    )


def _host_is_faster(hardware: Hardware | None) -> bool:
    """Tells whether what this host misses is out of reach there too: accelerators may be faster than any host."""
    return hardware is None or hardware.processor == "CPU"


def broken_gates(
    variants: Sequence[VariantReport], constraints: Constraints, *, baseline: str | None
) -> tuple[Rejection, ...]:
    """Returns the variants that break a limit on accuracy that was asked for, with the reasons, by the same rules."""
    limit = drop_limit(next((v for v in variants if v.name == baseline), None), constraints)
    found = []
    for variant in variants:
        broken = class_problems(variant, constraints)
        if variant.likeness is not None:
            asked = constraints.min_fidelity is not None or variant.sequential is not None
            broken = fidelity_problems(variant, constraints) if asked else []
        elif constraints.max_accuracy_drop is not None or variant.sequential is not None:
            broken = drop_problems(variant, limit) + output_problems(variant, constraints) + broken
        if variant.status == "ok" and broken:
            found.append(Rejection(name=variant.name, reasons=tuple(broken)))
    return tuple(found)


def _nothing_yet(
    unfit: Finding, variants: Sequence[VariantReport], problems: dict[str, list[str]], cautions: list[str]
) -> Recommendation:
    rejections = {v.name: tuple(problems[v.name]) if v.status != "ok" else ("cannot be judged yet",) for v in variants}
    return Recommendation(
        chosen=None,
        reasons=(
            f"nothing can be recommended yet: {unfit.message[0].lower()}{unfit.message[1:]}".rstrip("."),
            *([unfit.advice.rstrip(".")] if unfit.advice else []),
            *cautions,
        ),
        rejected=tuple(Rejection(name=v.name, reasons=rejections[v.name]) for v in variants),
        constraints_met=False,
    )


def _nothing_meets(
    able: Sequence[VariantReport],
    variants: Sequence[VariantReport],
    problems: dict[str, list[str]],
    out_of_reach: str | None,
    caveats: list[str],
) -> Recommendation:
    measured = [v for v in able if v.loss is not None]
    nearest = min(
        measured,
        key=lambda v: (len(problems[v.name]), v.loss or 0.0, v.size_bytes or 0),
        default=None,
    )
    if out_of_reach:
        first = f"nothing meets all limits: {out_of_reach}"
    elif not measured:
        first = "nothing can be recommended: no variant was converted and measured"
    else:
        first = "nothing meets all limits"
    said = [first]
    if nearest is not None:
        why = "; ".join(problems[nearest.name]) or "it meets the others"
        said.append(f"{nearest.name} comes nearest: {why}")
    return Recommendation(
        chosen=None,
        reasons=(*said, *caveats),
        rejected=tuple(
            Rejection(name=v.name, reasons=tuple(problems[v.name]) or (out_of_reach or "",)) for v in variants
        ),
        constraints_met=False,
        nearest=nearest.name if nearest else None,
    )
