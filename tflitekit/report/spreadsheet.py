"""``report.csv``: one row per variant with plain numbers, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Any

from tflitekit.results import Latency, Report, VariantReport

__all__ = ["render"]


def render(report: Report) -> str:
    """Returns comma-separated values (RFC 4180) with a header; fractions are fractions, units stand in the names.

    Text that a spreadsheet would take for a formula gets an apostrophe before it, as OWASP advises ('CSV Injection').
    """
    rows = [_row(variant, report) for variant in report.variants]
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _plain(value) for name, value in row.items()})
    return file.getvalue()


def _row(variant: VariantReport, report: Report) -> dict[str, Any]:
    answer = report.recommendation
    row: dict[str, Any] = {
        "variant": variant.name,
        "scheme": variant.scheme,
        "status": variant.status,
        "recommended": "yes" if answer and answer.chosen == variant.name else "no",
        "baseline": "yes" if report.baseline == variant.name else "no",
        "file": variant.file,
        "sha256": variant.sha256,
        "size_bytes": variant.size_bytes,
        "deflated_bytes": variant.deflated_bytes,
        "integer_op_fraction": variant.integer_op_fraction,
        "min_runtime_version": variant.min_runtime_version,
    }
    found = variant.accuracy
    if found is not None:
        row |= {"metric": found.metric, "value": found.value, "value_low": found.low, "value_high": found.high}
        row |= {"samples": found.n}
    for other in variant.other_metrics:
        row[other.metric] = other.value
    if variant.drop is not None:
        row |= {"drop": variant.drop.value, "drop_low": variant.drop.low, "drop_high": variant.drop.high}
        row |= {"drop_p_value": variant.drop.p_value, "drop_verdict": variant.drop.verdict}
    if variant.agreement is not None:
        row["agreement"] = variant.agreement.value
    if variant.flips is not None:
        row |= {"lost": variant.flips.lost, "won": variant.flips.won}
    if variant.confidence is not None:
        row["expected_calibration_error"] = variant.confidence.ece
    losses = [entry for entry in variant.per_class if entry.drop is not None]
    if losses:
        worst = max(losses, key=lambda entry: entry.drop.value if entry.drop else 0.0)
        row |= {"worst_class": worst.label, "worst_class_drop": worst.drop.value if worst.drop else None}
    if variant.latency is not None:
        row |= _latency(variant.latency)
    row |= {"peak_memory_bytes": variant.peak_memory_bytes, "arena_bytes": variant.arena_bytes}
    row |= {"warnings": len(variant.warnings), "error": variant.error}
    return row


def _latency(found: Latency) -> dict[str, Any]:
    row: dict[str, Any] = {"target": found.target, "threads": found.threads, "protocol": found.protocol}
    row |= {f"latency_{name}": getattr(found, name) for name in ("median_ms", "median_low_ms", "median_high_ms")}
    row |= {f"latency_{name}": getattr(found, name) for name in ("p90_ms", "p99_ms", "mean_ms", "min_ms")}
    row |= {"init_ms": found.init_ms, "first_ms": found.first_ms, "runs": found.runs}
    if found.ratio is not None:
        row |= {"latency_ratio": found.ratio.value, "latency_ratio_low": found.ratio.low}
        row |= {"latency_ratio_high": found.ratio.high, "latency_verdict": found.ratio.verdict}
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
