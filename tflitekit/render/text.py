"""Numbers as people read them; shared by all renderers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING

from tflitekit.core.units import counted, duration
from tflitekit.tasks.metric_words import is_share, words_of

if TYPE_CHECKING:
    from tflitekit.results import (
        Agreement,
        ClassRecall,
        Confidence,
        DatasetRecord,
        Drop,
        Latency,
        LatencyRatio,
        Measured,
        Report,
        VariantReport,
    )

_RESOLUTION = 0.05
"""Without labels: half as wide an interval as what healthy variants lose tells nothing."""

__all__ = [
    "COLUMNS",
    "MEDIUM",
    "NARROW",
    "accuracy",
    "against",
    "between",
    "calibration_error",
    "change",
    "counted",
    "difference",
    "difference_parts",
    "drop",
    "duration",
    "figure",
    "figure_columns",
    "flips",
    "integer_ops",
    "interval",
    "latency",
    "latency_against",
    "latency_interval",
    "listed",
    "measured",
    "metric_name",
    "metric_title",
    "per_second",
    "precision",
    "ratio",
    "ratio_interval",
    "row",
    "share",
    "signed",
    "size",
    "table",
    "with_interval",
    "without_empty",
    "worst_class",
]

COLUMNS = (
    "Variant", "Size", "Deflated", "Accuracy", "Change", "Median", "Speed", "Throughput", "p90", "Memory",
    "Integer ops",
)  # fmt: skip
MEDIUM = ("Variant", "Size", "Accuracy", "Change", "Median", "Speed", "Memory", "Integer ops")
"""The columns that fit a terminal of 118 characters."""
NARROW = ("Variant", "Size", "Accuracy", "Change", "Median")
"""The columns that fit a terminal of 80 characters; the median comes without its interval there."""


def size(value: int | None) -> str:
    """Returns bytes in kB or MB (powers of ten, as stores show them)."""
    if value is None:
        return "–"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value} B"


def listed(names: Sequence[str]) -> str:
    """Returns 'a, b and c'."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def between(low: float | None, high: float | None, show: Callable[[float], str]) -> str:
    """Returns 'low to high', or nothing where there is no interval."""
    return "" if low is None or high is None else f"{show(low)} to {show(high)}"


def signed(value: float, digits: int) -> str:
    """Returns a difference with its sign (a true minus); what rounds to zero has none."""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def share(value: float, digits: int = 1) -> str:
    """Returns a share in per cent."""
    return f"{value * 100:.{digits}f}%"


def metric_name(metric: str) -> str:
    """Returns a metric's name for people."""
    return words_of(metric).name


def metric_title(metric: str, output: str | None) -> str:
    """Returns the metric's name as a title; of one of several outputs, with its name."""
    return metric_name(metric) if output is None else f"{output}: {metric_name(metric)}"


def measured(found: Measured) -> str:
    """Returns a metric's value, without its name."""
    return share(found.value, 2) if is_share(found.metric) else f"{found.value:.4g}"


def interval(found: Measured | Agreement | Confidence | ClassRecall, *, percent: bool) -> str:
    """Returns the bounds of an interval."""
    return between(found.low, found.high, lambda value: f"{value * 100:.1f}" if percent else f"{value:.3g}")


def accuracy(variant: VariantReport) -> str:
    """Returns the accuracy, or the fidelity where the data have no labels, with its interval."""
    return with_interval(variant.figure)


def with_interval(found: Measured | None) -> str:
    """Returns a figure with half the width of its interval, or with its bounds where they lie at unlike distances."""
    if found is None:
        return "–"
    percent = is_share(found.metric)
    value = f"{found.value:.2%}" if percent else f"{found.value:.4g}"
    if found.low is None or found.high is None:
        return f"{value} (no interval)"
    from tflitekit.core.statistics import is_skewed  # NumPy, which nothing else here needs

    half = (found.high - found.low) / 2
    if is_skewed(found.value, found.low, found.high):
        return f"{value} ({interval(found, percent=percent)})"
    return f"{value} ±{half * 100:.1f}" if percent else f"{value} ±{half:.2g}"


def figure(found: Measured) -> str:
    """Returns 'Dice 53.9%' or 'RMSE 0.21'."""
    value = share(found.value) if is_share(found.metric) else f"{found.value:.4g}"
    return f"{metric_name(found.metric)} {value}"


def change(found: Drop, value: Measured) -> tuple[str, str]:
    """Returns the difference to the baseline and its interval, as they are added to its value.

    For shares in points, negative is worse; else in the metric's unit, with the digits that its value is shown with, positive where the
    value grows.
    """
    if is_share(value.metric):
        return f"{signed(-found.value * 100, 2)} points", between(
            found.high, found.low, lambda bound: signed(-bound * 100, 1)
        )
    digits = max(0, 3 - math.floor(math.log10(abs(value.value)))) if value.value and math.isfinite(value.value) else 3
    sign, bounds = (-1, (found.high, found.low)) if value.higher_is_better else (1, (found.low, found.high))
    return signed(sign * found.value, digits), between(*bounds, lambda bound: signed(sign * bound, digits))


def drop(variant: VariantReport, baseline: str | None) -> str:
    """Returns the verdict on the difference to the baseline."""
    if variant.name == baseline:
        return "reference" if variant.likeness else "baseline"
    if variant.likeness is not None:
        return difference(variant.likeness)
    return variant.drop.verdict if variant.drop else "–"


def difference(found: Measured) -> str:
    """Returns on how many samples a variant answers otherwise than the baseline, or its error relative to what outputs vary by."""
    value, what = difference_parts(found)
    if found.metric == "fidelity":
        said = f"relative error {value}"
    elif found.metric != "agreement":
        said = f"{value} {what.partition(';')[0]}"
    else:
        said = f"another class for {value}" if found.value < 1 else f"the same class for all {found.n:,}"
    return f"too few samples to tell ({said})" if "too few" in what else said


def difference_parts(found: Measured) -> tuple[str, str]:
    """Returns the same as a figure and what it is, for the cell of a table."""
    if found.metric == "agreement":
        value, what = f"{round((1 - found.value) * found.n):,} of {found.n:,}", "another class"
    elif found.metric != "fidelity":
        value, what = f"{(1 - found.value) * 100:.1f} points", "from the baseline"
    else:
        value, what = f"{math.sqrt(max(0.0, 1 - found.value)):.1%}", "relative error"
    wide = found.low is None or found.high is None or (found.high - found.low) / 2 > _RESOLUTION
    return value, f"{what}; too few samples" if wide else what


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


def measured_shapes(latency: Latency, of: str = "") -> str:
    """Returns at which sizes a file that leaves them open was measured, in a sentence behind a space; else nothing."""
    if not latency.input_shapes:
        return ""
    shapes = [f"'{name}' {' x '.join(map(str, shape))}" for name, shape in latency.input_shapes.items()]
    return f" The files leave sizes open; measured with {listed(shapes)}{of}."


def per_second(values: Sequence[float]) -> str:
    """Returns the median of throughputs."""
    return f"{median(values):,.4g}/s" if values else "–"


def precision(latency: Latency) -> str:
    """Returns half the width of the median's 95 % interval, in percent."""
    if latency.median_low_ms is None or latency.median_high_ms is None or not latency.median_ms:
        return "–"
    return f"±{(latency.median_high_ms - latency.median_low_ms) / 2 / latency.median_ms:.1%}"


def latency(found: Latency) -> str:
    """Returns the figure that decides under the protocol, with its unit."""
    if found.statistic == "throughput" and found.throughput_per_s:
        return per_second(found.throughput_per_s)
    return duration(found.deciding_ms)


def latency_interval(found: Latency) -> str:
    """Returns the 95 % interval of the figure that `latency` shows."""
    if found.statistic == "throughput" and found.throughput_per_s and found.low_ms and found.high_ms:
        return between(1000 / found.high_ms, 1000 / found.low_ms, lambda value: f"{value:.3g}")
    low, high = found.low_ms, found.high_ms
    if found.value_ms is None:  # a report of version 1
        low, high = found.median_low_ms, found.median_high_ms
    return between(low, high, duration)


def against(latency: Latency) -> str:
    """Returns how much faster or slower than the baseline, or 'tie' where they cannot be told apart."""
    return "baseline" if latency.ratio is None else ratio(latency.ratio)


def latency_against(found: Latency | None) -> str:
    """Returns the deciding figure and how it compares with the baseline's of the same session: '1.23 ms, 3.1× faster'."""
    if found is None:
        return "–"
    return latency(found) + (f", {ratio(found.ratio)}" if found.ratio else "")


def ratio(found: LatencyRatio) -> str:
    """Returns the verdict on the speed with its factor: '3.1× faster'."""
    if found.verdict == "tie":
        return "tie"
    factor = found.value if found.verdict == "slower" else 1 / max(found.value, 1e-9)
    return f"{factor:.3g}× {found.verdict}"


def ratio_interval(found: LatencyRatio) -> str:
    """Returns the interval of the factor that `ratio` shows."""
    bounds = (found.low, found.high)
    if found.verdict == "faster":
        bounds = (1 / max(found.high, 1e-9), 1 / max(found.low, 1e-9))
    return between(*bounds, lambda value: f"{value:.3g}")


def integer_ops(variant: VariantReport) -> str:
    """Returns the share of integer operators."""
    return "–" if variant.integer_op_fraction is None else f"{variant.integer_op_fraction:.0%}"


def figure_columns(dataset: DatasetRecord | None, rows: Sequence[VariantReport]) -> dict[str, str]:
    """Returns the titles of the columns of accuracy and change: other ones where variants are compared with the float model."""
    if dataset is None or dataset.reference == "labels":
        scored = next((row.accuracy.metric for row in rows if row.accuracy), "top1")
        return {"Accuracy": metric_name(scored) if scored != "top1" else "Accuracy", "Change": "Change"}
    metric = next((row.likeness.metric for row in rows if row.likeness), "fidelity")
    return {"Accuracy": metric_name(metric), "Change": "Difference"}


def row(variant: VariantReport, report: Report) -> tuple[str, ...]:
    """Returns one row of the table, in the order of `COLUMNS`."""
    if variant.status != "ok":
        return (variant.name, variant.status, *["–"] * (len(COLUMNS) - 2))
    times = ["–"] * 4
    if found := variant.latency:
        half = precision(found)
        against_base = against(found) if found.ratio or variant.name == report.baseline else "–"
        times = [duration(found.median_ms) + (f" {half}" if half != "–" else ""), against_base]
        times += [per_second(found.throughput_per_s), duration(found.p90_ms)]
    return (
        variant.name,
        size(variant.size_bytes),
        size(variant.deflated_bytes),
        accuracy(variant),
        drop(variant, report.baseline),
        *times,
        size(variant.peak_memory_bytes),
        integer_ops(variant),
    )


def table(report: Report, columns: Sequence[str] = COLUMNS) -> tuple[list[str], list[list[str]]]:
    """Returns those of the columns that have something to show, and the rows of all variants."""
    rows = [dict(zip(COLUMNS, row(variant, report), strict=True)) for variant in report.variants]
    if columns is NARROW:
        for cells in rows:
            cells["Median"] = cells["Median"].partition(" ±")[0]
    used = [name for name in columns if any(cells[name] not in ("–", "baseline", "reference") for cells in rows)]
    titles = figure_columns(report.dataset, report.variants)
    return [titles.get(name, name) for name in used], [[cells[name] for name in used] for cells in rows]


def without_empty(
    columns: Sequence[str], rows: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Returns a table without the columns in which there is nothing."""
    kept = [i for i in range(len(columns)) if any(row[i] != "–" for row in rows)]
    return tuple(columns[i] for i in kept), [tuple(row[i] for i in kept) for row in rows]
