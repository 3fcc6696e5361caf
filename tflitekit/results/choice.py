"""Which of the variants that keep all limits is the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tflitekit.hardware import Hardware
from tflitekit.results import VariantReport
from tflitekit.results.on_hardware import arena_of, estimate_of, io_rank, verdict_rank

__all__ = ["SAME_SIZE", "SAME_SPEED", "Choice", "by_download", "choose", "measurably_better"]

SAME_SPEED = 0.05
"""Where latency counts, variants within this share of the fastest are equally fast: phones differ by more. So are those whose
interval reaches into that of the fastest."""

SAME_SIZE = 0.02
"""Files within this share of the smallest count as equally small: something else then decides."""

SAME_DEFLATED = 0.05
"""The same for deflated files: the entropy of weights differs by some percent between trainings of one scheme."""


class Choice(NamedTuple):
    """The chosen variant, what remained of the good ones after each step that led to it, and the best untrained of those.

    ``good`` counts those that kept all limits. ``fast`` is None where latency did not count, or was not measured of any. ``estimated`` says that it was only estimated, and ``hardware`` what they are for.
    """

    chosen: VariantReport
    good: int
    fitting: list[VariantReport]
    fast: list[VariantReport] | None
    small: list[VariantReport]
    quick: list[VariantReport]
    integer: list[VariantReport]
    plain: list[VariantReport]
    deflated: list[VariantReport]
    untrained: VariantReport | None
    estimated: bool
    hardware: Hardware | None


def choose(
    good: Sequence[VariantReport],
    baseline: VariantReport | None,
    counts_latency: bool,
    hardware: Hardware | None = None,
    *,
    trust_estimates: bool = False,
) -> Choice:
    """Narrows variants that keep all limits down to one, step by step.

    Args:
        hardware: What they are meant for: first come those that it takes best; then what it says decides.
        trust_estimates: Whether estimated latency counts where none was measured.
    """
    fitting = _least(good, verdict_rank)
    fast, estimated = _fast(fitting) if counts_latency else None, False
    if fast is None and trust_estimates and hardware is not None:
        fast = _fast_by_estimate(fitting, hardware)
        estimated = fast is not None
    left = fitting if fast is None else fast
    small = _small(left, hardware)
    quick = [v for v in small if not on_reference_kernels(v, hardware)] or small
    integer = _least(quick, lambda v: -(v.integer_op_fraction or 0.0))
    plain = integer if hardware is None else _least(integer, lambda v: io_rank(v, hardware))
    plain = plain if hardware is None else _small_arena(plain, hardware)
    sizes = {v.name: v.deflated_bytes for v in plain if v.deflated_bytes is not None}
    least = min(sizes.values(), default=0)
    known = len(sizes) == len(plain)
    deflated = [v for v in plain if not known or sizes[v.name] <= least * (1 + SAME_DEFLATED)]

    def preference(variant: VariantReport) -> tuple[bool, float, int, str]:
        changed = baseline is None or variant.name != baseline.name  # no gain, no change
        return changed, variant.loss or 0.0, variant.size_bytes or 0, variant.name

    untrained = min((v for v in deflated if v.training is None), key=preference, default=None)
    worth = [v for v in deflated if v.training is None or untrained is None or measurably_better(v, untrained)]
    return Choice(
        chosen=min(worth, key=preference),
        good=len(good),
        fitting=fitting,
        fast=fast,
        small=small,
        quick=quick,
        integer=integer,
        plain=plain,
        deflated=deflated,
        untrained=untrained,
        estimated=estimated,
        hardware=hardware,
    )


def _least(variants: Sequence[VariantReport], of: Callable[[VariantReport], Any]) -> list[VariantReport]:
    """Returns those of which something is least."""
    best = min(map(of, variants))
    return [v for v in variants if of(v) == best]


def on_reference_kernels(variant: VariantReport, hardware: Hardware | None) -> bool:
    """Tells whether most operators compute on int16 activations, for which TensorFlow Lite has reference kernels only on CPUs."""
    if hardware is not None and (hardware.accelerator not in ("", "cpu") or "arena" in hardware.decides):
        return False  # microcontrollers have kernels of their own
    return 2 * sum(op.count for op in variant.ops if op.compute == "int16") > sum(op.count for op in variant.ops)


def by_download(hardware: Hardware | None) -> bool:
    """Tells whether the size that counts is that of the deflated file."""
    order = hardware.decides if hardware is not None else ()
    return "download" in order and ("size" not in order or order.index("download") < order.index("size"))


def _small(variants: Sequence[VariantReport], hardware: Hardware | None) -> list[VariantReport]:
    """Returns those that are as small as the smallest: as files, or deflated where the download decides and all are known."""
    sizes = {v.name: v.size_bytes or 0 for v in variants}
    if by_download(hardware) and all(v.deflated_bytes for v in variants):
        sizes = {v.name: v.deflated_bytes or 0 for v in variants}
    return [v for v in variants if sizes[v.name] <= min(sizes.values()) * (1 + SAME_SIZE)]


def _small_arena(variants: list[VariantReport], hardware: Hardware) -> list[VariantReport]:
    """Returns those that need as little memory for tensors as any, where an interpreter of the hardware told it of all."""
    arenas = {v.name: arena for v in variants if (arena := arena_of(v, hardware)) is not None}
    if "arena" not in hardware.decides or len(arenas) < len(variants):
        return variants
    return [v for v in variants if arenas[v.name] <= min(arenas.values()) * (1 + SAME_SIZE)]


def _fast_by_estimate(good: Sequence[VariantReport], hardware: Hardware) -> list[VariantReport] | None:
    """Returns those that are estimated to be as fast as the fastest; None where not all were estimated."""
    times = {v.name: found[0] for v in good if (found := estimate_of(v, hardware)) is not None}
    if len(times) < len(good):
        return None
    return [v for v in good if times[v.name] <= min(times.values()) * (1 + SAME_SPEED)]


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


def measurably_better(trained: VariantReport, untrained: VariantReport) -> bool:
    """Tells whether the whole interval of one loss lies below that of the other; not so where an interval is missing."""
    high, low = _most_lost(trained), _least_lost(untrained)
    return high is not None and low is not None and high < low


def _most_lost(variant: VariantReport) -> float | None:
    if variant.likeness is not None:
        return None if variant.likeness.low is None else 1 - variant.likeness.low
    return variant.drop.high if variant.drop else None


def _least_lost(variant: VariantReport) -> float | None:
    if variant.likeness is not None:
        return None if variant.likeness.high is None else 1 - variant.likeness.high
    return variant.drop.low if variant.drop else None
