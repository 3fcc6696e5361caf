"""Numbers as people read them; shared by all renderers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tflitekit.results import Confidence, Measured, Report, VariantReport

__all__ = [
    "accuracy",
    "calibration_error",
    "drop",
    "flips",
    "integer_ops",
    "measured",
    "milliseconds",
    "row",
    "size",
    "worst_class",
]

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


def accuracy(variant: VariantReport) -> str:
    """Returns the first metric with half the width of its interval."""
    return measured(variant.accuracy)


def measured(found: Measured | None) -> str:
    """Returns a figure with half the width of its interval."""
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


def worst_class(variant: VariantReport) -> str:
    """Returns the class that lost most recall against the baseline, in points."""
    losses = [(entry.drop.value, entry.label) for entry in variant.per_class if entry.drop is not None]
    value, label = max(losses, default=(0.0, ""))
    return f"{label} {-value * 100:+.1f}" if value > 0 else "–"


def flips(variant: VariantReport) -> str:
    """Returns how many samples turned wrong and how many turned right."""
    return f"{variant.flips.lost:,} / {variant.flips.won:,}" if variant.flips else "–"


def calibration_error(variant: VariantReport, baseline: Confidence | None) -> str:
    """Returns the expected calibration error in percent, and its change from the baseline's in points."""
    found = variant.confidence
    if found is None:
        return "–"
    if baseline is None or baseline is found:
        return f"{found.ece:.1%}"
    change = round((found.ece - baseline.ece) * 100, 1) + 0.0  # no minus zero
    return f"{found.ece:.1%} ({change:+.1f} points)"


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
