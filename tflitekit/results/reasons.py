"""Why a variant was chosen, and why not the others, in words."""

from __future__ import annotations

from collections.abc import Sequence

from tflitekit.core.units import duration
from tflitekit.hardware import Hardware
from tflitekit.results import Constraints, Latency, VariantReport
from tflitekit.results.choice import SAME_SIZE, SAME_SPEED, Choice, by_download, measurably_better
from tflitekit.results.limits import class_caution, drop_amount, figure_text, min_fidelity
from tflitekit.results.on_hardware import estimated_text, hardware_reasons, in_firmware, unlike_text

__all__ = ["beyond_reach", "latency_caveats", "reasons_for", "why_not"]


def reasons_for(
    choice: Choice,
    baseline: VariantReport | None,
    constraints: Constraints,
    limit: float,
    data: str | None,
) -> list[str]:
    """Says what speaks for the chosen variant, and what its accuracy depends on."""
    chosen, hardware = choice.chosen, choice.hardware
    assert chosen.figure is not None
    size = chosen.size_bytes or 0
    whole = baseline.size_bytes or size if baseline else size
    times = f", {whole / size:.1f} times smaller than {baseline.name}" if baseline and whole > size * 1.05 else ""
    of = "that meets every limit"
    found = hardware_reasons(chosen, hardware) if hardware is not None else []
    if hardware is not None and len(choice.fitting) < choice.good:
        of = f"that {hardware.name} takes as well"
    if choice.estimated and hardware is not None:
        found.append(f"{estimated_text(chosen, hardware)}: as fast as any {of} (within {SAME_SPEED:.0%})")
        of = "of those"
    elif choice.fast is not None and chosen.latency is not None:
        found.append(f"{_latency_text(chosen.latency)}: as fast as any {of} (within {SAME_SPEED:.0%})")
        of = "of those"
    if by_download(hardware) and chosen.deflated_bytes:
        found.append(
            f"{chosen.deflated_bytes:,} bytes to download: the smallest {of} (within {SAME_SIZE:.0%}); {size:,} as a file{times}"
        )
    else:
        found.append(f"{size:,} bytes{times}: the smallest {of} (within {SAME_SIZE:.0%})")
    found += _figure_reasons(chosen, baseline, constraints, limit)
    if chosen.integer_op_fraction == 1:
        real = any(spec.dtype.startswith("float") for spec in (*chosen.inputs, *chosen.outputs))
        taken = hardware is not None and hardware.io[0].startswith("float")
        note = " (inputs and outputs stay float: int8:io=int8 makes them integers too)" if real and not taken else ""
        found.append(f"every operator computes in integers, as accelerators and microcontrollers need{note}")
    if len(choice.deflated) < len(choice.plain):
        others = [v for v in choice.plain if v not in choice.deflated]
        next_best = min(others, key=lambda v: v.deflated_bytes or 0)
        found.append(
            f"{chosen.deflated_bytes or 0:,} bytes deflated, {_less(chosen, next_best)} less than {next_best.name}, which is as "
            "small as a file: an app download is compressed"
        )
    found += _training_reasons(chosen, data)
    if chosen.min_runtime_version and not (hardware is not None and in_firmware(hardware)):
        where = "on the board" if hardware is not None and hardware.kind == "board" else "in the app"
        found.append(f"needs TensorFlow Lite {chosen.min_runtime_version} or newer {where}")
    return found


def _figure_reasons(
    chosen: VariantReport, baseline: VariantReport | None, constraints: Constraints, limit: float
) -> list[str]:
    """Says how good the chosen variant is, and what its samples leave open."""
    assert chosen.figure is not None
    n = f"n = {chosen.figure.n:,}"
    if chosen.likeness is not None:
        least, found = min_fidelity(constraints), chosen.likeness
        given = "" if constraints.min_fidelity is not None else ", the default"
        if baseline is not None and chosen.name == baseline.name:
            return [f"it is the float model itself; {n}, limit {least * 100:.4g}%{given}"]
        said = [f"{figure_text(chosen)}; {n}, limit {least * 100:.4g}%{given}"]
        if chosen.sequential is None and found.low is not None and found.low < least:
            said.append(f"caution: the interval reaches down to {found.low:.1%}; more data would decide it")
        said.append("caution: this says how closely it matches the float model, not how often it is right")
        return said
    given = "" if constraints.max_accuracy_drop is not None else ", the default"
    said = [f"{figure_text(chosen)}; {n}, limit {drop_amount(chosen, limit)}{given}"]
    high = chosen.drop.high if chosen.drop is not None and chosen.sequential is None else None
    if high is not None and high > limit:
        said.append(f"caution: the interval of its drop reaches {drop_amount(chosen, high)}; more data would decide it")
    return said + class_caution(chosen, constraints)


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
        what = "its accuracy was measured" if chosen.likeness is None else "it was compared with the float model"
        found.append(
            f"caution: it was trained on {training.data}, and {what} on {data}: it holds only if no sample is in both"
        )
    if chosen.likeness is not None:
        found.append(
            "caution: training changed its weights, so where it answers otherwise than the float model, it may be right"
        )
    return found


def why_not(variant: VariantReport, choice: Choice) -> str:
    """Says where a variant that keeps all limits fell behind."""
    chosen = choice.chosen
    if (unlike := unlike_text(variant, chosen)) is not None:
        return unlike
    size, best = variant.size_bytes or 0, chosen.size_bytes or 1
    if by_download(choice.hardware) and variant.deflated_bytes and chosen.deflated_bytes:
        size, best = variant.deflated_bytes, chosen.deflated_bytes
    if choice.estimated and choice.hardware is not None and variant not in (choice.fast or ()):
        return f"meets the limits, but is slower than {chosen.name}: {estimated_text(variant, choice.hardware)}"
    if choice.fast is not None and variant not in choice.fast:
        if variant.latency is None or chosen.latency is None:
            return "meets the limits, but its latency was not measured on the target"
        times = variant.latency.deciding_ms / chosen.latency.deciding_ms
        return (
            f"meets the limits, but takes {times:.2f} times as long as {chosen.name} ({_latency_text(variant.latency)})"
        )
    if variant not in choice.small:
        what = " to download" if by_download(choice.hardware) else ""
        larger = (
            f"{size / best:.1f} times as large{what} as"
            if size > best * 1.5
            else f"{size / best - 1:.0%} larger{what} than"
        )
        return f"meets the limits, but is {larger} {chosen.name}"
    if variant.sha256 == chosen.sha256:
        return f"the same file as {chosen.name}, byte for byte"
    if variant not in choice.quick:
        return (
            f"as small as {chosen.name}, but most of its operators compute on int16 activations, for which CPUs have reference kernels only: "
            "many times slower"
        )
    if variant not in choice.integer:
        return (
            f"as small as {chosen.name}, but only {variant.integer_op_fraction or 0:.0%} of its operators are integer"
        )
    if variant not in choice.plain:
        mine, others = _io_types(variant), _io_types(chosen)
        if mine != others:
            return f"as small as {chosen.name}, but its inputs and outputs are {mine}, and the hardware wants {others}"
        return f"as small as {chosen.name}, but its tensors need more memory there"
    if variant not in choice.deflated:
        return f"as small as {chosen.name}, but {chosen.name} deflates to {_less(chosen, variant)} less, which an app download saves"
    better = "closer to the float model" if variant.likeness else "more accurate"
    untrained = choice.untrained
    if variant.training is not None and untrained is not None and not measurably_better(variant, untrained):
        return f"meets the limits, but is not measurably {better} than {untrained.name}, which needs no training"
    return f"meets the limits and is as small as {chosen.name}, but not {better}"


def _io_types(variant: VariantReport) -> str:
    return " and ".join(dict.fromkeys(spec.dtype for spec in (*variant.inputs, *variant.outputs)))


def beyond_reach(able: Sequence[VariantReport], constraints: Constraints, counts_latency: bool) -> str | None:
    """Names a latency limit for a phone that even this host misses with every variant."""
    limit = constraints.max_latency_ms
    measured = [v.latency.deciding_ms for v in able if v.latency is not None]
    if counts_latency or limit is None or not measured or min(measured) <= limit:
        return None
    return f"no variant reaches {limit:g} ms even on this host (the fastest takes {duration(min(measured))})"


def latency_caveats(
    able: Sequence[VariantReport], constraints: Constraints, counts_latency: bool, hardware: Hardware | None = None
) -> list[str]:
    """Says what a latency that was not measured on the target leaves open."""
    if counts_latency:
        return []
    where = "a phone" if hardware is None or hardware.kind == "phone" else hardware.name
    text = f"latency was not measured on the target: this host's figures say little about {where} and did not count"
    measured = {v.latency.target for v in able if v.latency is not None and v.latency.counts}
    if hardware is not None and measured:
        text = f"latency was measured on {', '.join(sorted(measured))}, which is not {hardware.name}, so it did not count: optimize again with its own --deploy-on"
    if constraints.max_latency_ms is not None:
        text += f"; the limit of {constraints.max_latency_ms:g} ms is therefore not verified"
    over = [
        v.name
        for v in able
        if v.latency and constraints.max_latency_ms and v.latency.deciding_ms > constraints.max_latency_ms
    ]
    return [text + (f" (over it on this host: {', '.join(over)})" if over else "")]


def _latency_text(latency: Latency) -> str:
    ratio = latency.ratio
    against = ""
    if ratio is not None and ratio.verdict == "tie":
        against = f", a tie with {ratio.baseline}"
    elif ratio is not None:
        factor = ratio.value if ratio.verdict == "slower" else 1 / ratio.value
        against = f", {factor:.3g} times {ratio.verdict} than {ratio.baseline} there"
    return f"{duration(latency.deciding_ms)} on {latency.target}{against}"


def _less(variant: VariantReport, other: VariantReport) -> str:
    return f"{1 - (variant.deflated_bytes or 0) / (other.deflated_bytes or 1):.0%}"
