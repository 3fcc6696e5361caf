"""What casts doubt on latencies, each with what to do about it: figures in, findings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tflitekit.core.machine import Load
from tflitekit.core.statistics import SAME_TIME
from tflitekit.core.units import duration
from tflitekit.latency.battery import battery_energy
from tflitekit.results import Finding, Latency, Profile, Sustained, VariantReport

__all__ = ["lint_board", "lint_device", "lint_loads", "lint_profile", "lint_session", "lint_sustained", "lint_variant"]

_WIDE = 0.05
_STEAL = 0.02
_OTHERS_CORES = 0.5
_FREQUENCY = 0.05
_TIMER_STEPS = 100
_SLOWED = 1.05
_THROTTLED = 1.1
_SHARED_OUT = 0.15
_TAIL_SAMPLES = 10
"""A percentile needs this many samples beyond it; with fewer, single outliers decide it."""

_HEAVY = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL"}
_TAKEN_SHARE = 0.8


def lint_session(
    rows: Sequence[VariantReport], latencies: Mapping[str, Latency], load: Load, machine: Mapping[str, Any]
) -> list[Finding]:
    """Returns what is doubtful about one session as a whole.

    Args:
        rows: The variants that were measured.
        latencies: Their latencies by name, all of one session.
        load: What else happened meanwhile.
        machine: Of `describe_machine`.
    """
    if not latencies:
        return []
    found = [*_noise(latencies, load), *_budget(latencies), *_few_samples(latencies), *_disagreement(latencies)]
    features = machine.get("kernel_features", {})
    lacking = [name for name, has in features.items() if "int8" in name and not has]
    integer = [row.name for row in rows if row.name in latencies and row.integer_op_fraction]
    any_present = any(has for name, has in features.items() if "int8" in name)
    if lacking and not any_present and integer:
        found.append(
            Finding(
                kind="no-int8-instructions",
                message=f"This processor has no {' or '.join(lacking)} instructions: the latency of {_some(integer)} here says "
                "nothing about a phone.",
                advice="Measure int8 on the device that will run it.",
            )
        )
    return found


def _noise(latencies: Mapping[str, Latency], load: Load) -> list[Finding]:
    widths = {name: _width(latency) for name, latency in latencies.items()}
    worst = max(widths, key=widths.__getitem__)
    wide = widths[worst] > _WIDE
    facts = [f"the interval of {worst}'s median is {widths[worst]:.0%} wide"] if wide else []
    if load.steal is not None and load.steal > _STEAL:
        facts.append(f"other virtual machines took {load.steal:.0%} of the processor time")
    if load.others_cores is not None and load.others_cores > _OTHERS_CORES:
        facts.append(f"other programs kept {load.others_cores:.1f} cores busy")
    if load.frequency_change is not None and load.frequency_change > _FREQUENCY:
        facts.append(f"the processor's frequency changed by {load.frequency_change:.0%}")
    if not facts:
        return []
    advice = "Intervals and ratios hold, but a quiet machine may be faster. Close other programs."
    if wide:
        advice = "Close other programs and measure again (these figures are not reused), or longer with --protocol mlperf-mobile."
    kind = "noisy-machine" if wide else "other-load"
    return [Finding(kind=kind, message=f"While measuring, {'; '.join(facts)}.", advice=advice)]


def _budget(latencies: Mapping[str, Latency]) -> list[Finding]:
    latency = next(iter(latencies.values()))
    if latency.stopped_by != "budget":
        return []
    rounds = f"{latency.rounds} round{'s' if latency.rounds > 1 else ''}"
    return [
        Finding(
            kind="budget-spent",
            message=f"The protocol {latency.protocol} ran out of time after {rounds}: the figures are less certain than the protocol requires.",
            advice="Measure fewer files at once, on a quieter machine, or with --protocol mlperf-mobile.",
        )
    ]


def _reach(latency: Latency) -> tuple[float, float]:
    """Returns the interval of the median; the median alone where there is none."""
    return latency.median_low_ms or latency.median_ms, latency.median_high_ms or latency.median_ms


def _width(latency: Latency) -> float:
    if latency.median_low_ms is None or latency.median_high_ms is None or not latency.median_ms:
        return 0.0
    return (latency.median_high_ms - latency.median_low_ms) / latency.median_ms


def _few_samples(latencies: Mapping[str, Latency]) -> list[Finding]:
    needed = {"p90": 10 * _TAIL_SAMPLES, "p99": 100 * _TAIL_SAMPLES}
    for percentile, least in needed.items():  # what the p90 lacks, the p99 lacks too
        few = {name: latency.runs for name, latency in latencies.items() if latency.runs < least}
        if few:
            shown = ", ".join(f"{name} {runs:,}" for name, runs in few.items())
            return [
                Finding(
                    kind="few-samples",
                    message=f"The {percentile} needs {least:,} samples, but some variants have fewer ({shown}): take it as a hint.",
                    advice="Measure longer with --protocol mlperf-mobile, or with --runs.",
                )
            ]
    return []


def _disagreement(latencies: Mapping[str, Latency]) -> list[Finding]:
    by_median = min(latencies, key=lambda name: latencies[name].median_ms)
    by_mean = min(latencies, key=lambda name: latencies[name].mean_ms)
    first, second = latencies[by_median], latencies[by_mean]
    close = first.mean_ms <= second.mean_ms * (1 + SAME_TIME)
    if by_median == by_mean or close or _reach(first)[1] >= _reach(second)[0]:  # nothing says that one is faster
        return []
    return [
        Finding(
            kind="median-mean-disagree",
            message=f"By the median {by_median} is the fastest ({duration(first.median_ms)} against {duration(second.median_ms)}), by the "
            f"mean {by_mean} ({duration(second.mean_ms)} against {duration(first.mean_ms)}). The {first.statistic} decides here.",
            advice="Look at the distributions: rare slow runs raise the mean. For tail latency use --protocol mlperf-mobile.",
        )
    ]


_ON_A_BOARD = "Cool it, give it a stronger power supply, and measure again. Ratios are affected less than times: variants took turns."
_AGAIN = "Measure again on a cool phone, or with the protocol benchmark-model."
_ON_A_PHONE = {
    "noisy-machine": _AGAIN,
    "budget-spent": "Measure fewer variants at once, or with the protocol benchmark-model.",
    "few-samples": "Measure with the protocol benchmark-model.",
    "median-mean-disagree": "Look at the distributions: rare slow runs raise the mean.",
}


def lint_device(target: str, latencies: Mapping[str, Latency]) -> list[Finding]:
    """Returns what is doubtful about one session on a phone: its heat, its power saving, what ran the models, the figures.

    Args:
        target: How the session is called in the findings.
        latencies: By variant, with samples.
    """
    found = [*_throttling(latencies), *_power_save(latencies), *_other_accelerators(latencies)]
    for doubt in lint_session((), latencies, Load(), {}):
        advice = _ON_A_PHONE.get(doubt.kind, doubt.advice)
        found.append(
            doubt.model_copy(update={"message": doubt.message.removeprefix("While measuring, "), "advice": advice})
        )
    return [doubt.model_copy(update={"message": f"{target}: {doubt.message}"}) for doubt in found]


def _throttling(latencies: Mapping[str, Latency]) -> list[Finding]:
    worst = next((c.worst_thermal_status for one in latencies.values() if (c := one.conditions)), None)
    change = _drift(latencies)
    if worst not in (None, "none"):
        seen = f"the device was throttled while it measured: its thermal status reached '{worst}'."
    elif change > _THROTTLED:
        seen = f"the device slowed down by {change - 1:.0%} while it measured."
    else:
        return []
    advice = (
        "Let it cool down and measure again. Variants took turns, so their ratios are affected less than their times."
    )
    return [Finding(kind="throttled", message=seen, advice=advice)]


def _drift(latencies: Mapping[str, Latency]) -> float:
    """Returns the geometric mean over variants of the median in the last third of the rounds over that in the first."""
    logarithms = []
    for latency in latencies.values():
        rounds = latency.samples.rounds() if latency.samples else []
        if third := len(rounds) // 3:
            start, end = (float(np.median(np.concatenate(part))) for part in (rounds[:third], rounds[-third:]))
            logarithms.append(np.log(end / start))
    return float(np.exp(np.mean(logarithms))) if logarithms else 1.0


def _power_save(latencies: Mapping[str, Latency]) -> list[Finding]:
    if not any(c.before.power_save or c.after.power_save for one in latencies.values() if (c := one.conditions)):
        return []
    message = "the device was in power-saving mode while it measured, which slows it down."
    return [Finding(kind="power-save", message=message, advice="Turn battery saver off and measure again.")]


def _other_accelerators(latencies: Mapping[str, Latency]) -> list[Finding]:
    used = {name: one.accelerator for name, one in latencies.items() if one.accelerator}
    return [
        Finding(
            kind="other-accelerator",
            message=f"{name} was meant to run on {found.requested}, but ran on {found.actual}.",
            advice="Its latency is that of the accelerator in use.",
        )
        for name, found in used.items()
        if found.requested != found.actual
    ]


def lint_board(target: str, latencies: Mapping[str, Latency]) -> list[Finding]:
    """Returns what is doubtful about one session on a board: its heat, its clock, what else ran there.

    Args:
        target: How the board is called in the findings.
        latencies: By variant.
    """
    seen = [one.conditions for one in latencies.values() if one.conditions is not None]
    if not seen:
        return []
    found, first = [], seen[0].before
    now = dict.fromkeys(words for one in seen for state in (one.before, one.after) for words in state.throttled or ())
    before = set(first.throttled_since_start or ())
    since = dict.fromkeys(
        words for one in seen for words in one.after.throttled_since_start or () if words not in before
    )
    change = _drift(latencies)
    if held := list(now | since):
        told = f"the board was held back while it measured: {'; '.join(held)}."
        found.append(Finding(kind="throttled", message=told, advice=_ON_A_BOARD))
    elif change > _THROTTLED:
        told = f"the board slowed down by {change - 1:.0%} while it measured."
        found.append(Finding(kind="throttled", message=told, advice=_ON_A_BOARD))
    if first.governors and set(first.governors) != {"performance"}:
        told = f"the clock of the board follows its load (governor {', '.join(first.governors)})."
        advice = "For steady times let it run at its highest: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        found.append(Finding(kind="governor", message=told, advice=advice))
    if first.load is not None and first.load > _OTHERS_CORES:
        told = f"something computed on the board in the minute before (load {first.load:.1f})."
        found.append(
            Finding(kind="other-load", message=told, advice="See with 'top' what runs there, end it and measure again.")
        )
    return [one.model_copy(update={"message": f"{target}: {one.message}"}) for one in found]


def lint_variant(row: VariantReport, latency: Latency, timer_us: float) -> list[Finding]:
    """Returns what is doubtful about one variant's latency."""
    found: list[Finding] = []
    if timer_us * _TIMER_STEPS > latency.median_ms * 1000:
        found.append(
            Finding(
                kind="timer-too-coarse",
                message=f"The clock's step of {timer_us:.3g} µs is coarse for a median of {latency.median_ms * 1000:.3g} µs.",
                advice="Compare throughputs instead: --protocol mlperf-tiny.",
            )
        )
    accelerator = latency.accelerator
    if accelerator is None or not accelerator.nodes:
        return found
    taken = accelerator.delegated_nodes or 0
    int16 = sum(op.count for op in row.ops if op.compute == "int16" and op.name in _HEAVY)
    if int16 and accelerator.nodes - taken >= int16:
        found.append(
            Finding(
                kind="reference-kernels",
                message=f"{int16} int16 operators run on reference kernels here, which are not optimized.",
                advice="Its latency says nothing about targets that have int16 kernels, such as some DSPs.",
            )
        )
    elif taken < _TAKEN_SHARE * accelerator.nodes:
        found.append(
            Finding(
                kind="partial-delegation",
                message=f"Asked for {accelerator.requested}; {accelerator.delegate or accelerator.actual} took {taken} of {accelerator.nodes} operators "
                f"in {accelerator.partitions or 0} piece{'' if accelerator.partitions == 1 else 's'}.",
                advice="The others run on built-in kernels; 'tflitekit benchmark --profile' shows what they cost.",
            )
        )
    return found


def lint_profile(profile: Profile) -> list[Finding]:
    """Returns whether the runtime's clock is too coarse for the operators."""
    share = profile.rounding_us / profile.whole_us if profile.whole_us else 0.0
    if share <= _SHARED_OUT:
        return []
    return [
        Finding(
            kind="profile-too-coarse",
            message=f"{share:.0%} of the profile is what the runtime rounds down, shared out equally: operators that take less "
            "than a few microseconds cannot be told apart.",
            advice="Profile a larger batch (convert with --batch 16).",
        )
    ]


def lint_loads(loads: Mapping[tuple[str, str], Sustained]) -> list[Finding]:
    """Returns what is doubtful about sustained loads on phones, by phone and variant; where energy is missing, why."""
    found: list[Finding] = []
    reasons: dict[str, None] = {}
    for (target, name), load in loads.items():
        if load.change > _SLOWED:
            slowed = f"{target}: {name} went from {duration(load.start_ms)} to {duration(load.end_ms)} in {load.minutes:g} minutes."
            found.append(
                Finding(
                    kind="slowed-down", message=slowed, advice="Plan with the figure at the end: the phone heats up."
                )
            )
        told = battery_energy(load)
        if isinstance(told, str):
            reasons[f"{target}: energy was not measured, since {told}"] = None
    return found + [Finding(kind="energy-not-measured", message=reason) for reason in reasons]


def lint_sustained(rows: Sequence[VariantReport]) -> list[Finding]:
    """Returns whether load over minutes slowed the target down or changed the ranking."""
    curves: dict[str, Sustained] = {row.name: row.sustained for row in rows if row.sustained is not None}
    found = [
        Finding(
            kind="slowed-down",
            message=f"{name} went from {duration(curve.start_ms)} to {duration(curve.end_ms)} in {curve.minutes:g} minutes.",
            advice="Plan with the figure at the end: the target heats up or is shared.",
        )
        for name, curve in curves.items()
        if curve.change > _SLOWED
    ]
    start = sorted(curves, key=lambda name: curves[name].start_ms)
    end = sorted(curves, key=lambda name: curves[name].end_ms)
    if start != end:
        found.append(
            Finding(
                kind="ranking-changed",
                message=f"The ranking changed under load: {', '.join(start)} at the start, {', '.join(end)} at the end.",
                advice="Differences this small, or this unsteady, should not decide.",
            )
        )
    return found


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
