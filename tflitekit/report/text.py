"""Numbers as people read them; shared by all renderers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tflitekit.results import Latency, Report, VariantReport

__all__ = ["accuracy", "against", "drop", "integer_ops", "milliseconds", "precision", "row", "size"]

COLUMNS = ("Variant", "Size", "Deflated", "Accuracy", "Change", "p50 ms", "p90 ms", "Memory", "Integer ops")
NARROW = ("Variant", "Size", "Accuracy", "Change", "p50 ms")
"""The columns that fit a terminal of 80 characters."""


def size(value: int | None) -> str:
    """Returns bytes in kB or MB (powers of ten, as stores show them)."""
    if value is None:
        return "–"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value} B"


def milliseconds(value: float) -> str:
    """Returns a time with three significant digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def precision(latency: Latency) -> str:
    """Returns half the width of the median's 95 % interval, in per cent."""
    if latency.median_low_ms is None or latency.median_high_ms is None or not latency.median_ms:
        return "–"
    return f"±{(latency.median_high_ms - latency.median_low_ms) / 2 / latency.median_ms:.1%}"


def against(latency: Latency) -> str:
    """Returns the time as a multiple of the baseline's, or 'tie' where they cannot be told apart."""
    if latency.ratio is None:
        return "baseline"
    return "tie" if latency.ratio.verdict == "tie" else f"{latency.ratio.value:.3g}x"


def accuracy(variant: VariantReport) -> str:
    """Returns the first metric with half the width of its interval."""
    found = variant.accuracy
    if found is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.metric} {found.value:.4g}"
    half = (found.high - found.low) / 2
    if found.metric in ("top1", "top5"):
        return f"{found.value:.2%} ±{half * 100:.1f}"
    return f"{found.metric} {found.value:.4g} ±{half:.2g}"


def drop(variant: VariantReport, baseline: str | None) -> str:
    """Returns the verdict on the difference to the baseline."""
    if variant.name == baseline:
        return "baseline"
    return variant.drop.verdict if variant.drop else "–"


def integer_ops(variant: VariantReport) -> str:
    """Returns the share of integer operators."""
    return "–" if variant.integer_op_fraction is None else f"{variant.integer_op_fraction:.0%}"


def row(variant: VariantReport, report: Report) -> tuple[str, ...]:
    """Returns one row of the table, in the order of `COLUMNS`."""
    if variant.status != "ok":
        return (variant.name, variant.status, *["–"] * (len(COLUMNS) - 2))
    return (
        variant.name,
        size(variant.size_bytes),
        size(variant.deflated_bytes),
        accuracy(variant),
        drop(variant, report.baseline),
        milliseconds(variant.latency.median_ms) if variant.latency else "–",
        milliseconds(variant.latency.p90_ms) if variant.latency else "–",
        size(variant.peak_memory_bytes),
        integer_ops(variant),
    )
