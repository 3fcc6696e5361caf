"""Which of the variants that keep all limits is the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tflitekit.results import VariantReport

__all__ = ["SAME_SIZE", "SAME_SPEED", "Choice", "choose", "measurably_better"]

SAME_SPEED = 0.05
"""Where latency counts, variants within this share of the fastest are equally fast: phones differ by more. So are those whose
interval reaches into that of the fastest."""

SAME_SIZE = 0.02
"""Files within this share of the smallest count as equally small: something else then decides."""

SAME_DEFLATED = 0.05
"""The same for deflated files: the entropy of weights differs by some percent between trainings of one scheme."""


class Choice(NamedTuple):
    """The chosen variant, what remained of the good ones after each step that led to it, and the best untrained of those.

    ``fast`` is None where latency did not count, or was not measured of any.
    """

    chosen: VariantReport
    fast: list[VariantReport] | None
    small: list[VariantReport]
    integer: list[VariantReport]
    deflated: list[VariantReport]
    untrained: VariantReport | None


def choose(good: Sequence[VariantReport], baseline: VariantReport | None, counts_latency: bool) -> Choice:
    """Narrows variants that keep all limits down to one, step by step."""
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
        return changed, variant.loss or 0.0, variant.size_bytes or 0, variant.name

    untrained = min((v for v in deflated if v.training is None), key=preference, default=None)
    worth = [v for v in deflated if v.training is None or untrained is None or measurably_better(v, untrained)]
    return Choice(min(worth, key=preference), fast, small, integer, deflated, untrained)


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
