"""``report.csv``: one row per variant with plain numbers, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from tflitekit.core.printable import printable
from tflitekit.render.summary import Place, places
from tflitekit.render.targets_text import named_targets
from tflitekit.render.training_text import stages, three_way
from tflitekit.results import ClassRecall, Measured, Report, VariantReport

__all__ = ["render"]


def render(report: Report) -> str:
    """Returns comma-separated values (RFC 4180): always the same columns, then those of further metrics and merged targets.

    Fractions are fractions, units stand in the names. Text that a spreadsheet would take for a formula gets an apostrophe
    before it, as OWASP advises ('CSV Injection').
    """
    found, targets = places(report), named_targets(report.variants)
    rows = [
        _row(variant, report) | _by_place(variant, found) | _on_targets(variant, targets) for variant in report.variants
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _plain(value) for name, value in row.items()})
    return file.getvalue()


def _row(variant: VariantReport, report: Report) -> dict[str, Any]:
    answer, found = report.recommendation, variant.accuracy
    drop, latency, training = variant.drop, variant.latency, variant.training
    ratio = latency.ratio if latency else None
    worst = max((entry for entry in variant.per_class if entry.drop), key=_class_drop, default=None)
    return {
        "variant": variant.name,
        "scheme": variant.scheme,
        "status": variant.status,
        "recommended": "yes" if answer and answer.chosen == variant.name else "no",
        "baseline": "yes" if report.baseline == variant.name else "no",
        "file": variant.file,
        "sha256": variant.sha256,
        **_fields(variant, "", "size_bytes", "deflated_bytes", "integer_op_fraction", "min_runtime_version"),
        **_fields(variant.figure, "", "metric"),
        **_fields(found, "accuracy_", "value", "low", "high", "n"),
        **_fields(drop, "drop_", "value", "low", "high", "p_value", "verdict"),
        **_fields(variant.likeness, "fidelity_", "value", "low", "high", "n"),
        **_fields(variant.agreement, "agreement_", "value"),
        **_fields(variant.flips, "flips_", "lost", "won"),
        **_fields(variant.confidence, "calibration_error_", "ece", "low", "high"),
        "worst_class": worst.label if worst else None,
        "worst_class_drop": _class_drop(worst) if worst else None,
        **_fields(latency, "", "target", "threads", "protocol", "statistic", "runs", "init_ms", "first_ms"),
        **_fields(latency, "deciding_", "value_ms", "low_ms", "high_ms"),
        **_fields(latency, "", "median_ms", "median_low_ms", "median_high_ms", "p90_ms", "p99_ms", "mean_ms", "min_ms"),
        **_fields(ratio, "latency_ratio_", "value", "low", "high", "verdict"),
        **_fields(variant, "", "peak_memory_bytes", "arena_bytes"),
        "training_stages": stages(variant, report) if training else None,
        **_fields(training, "training_", "steps", "samples", "data"),
        "control": variant.control,
        **_fields(variant.drop_from_control, "drop_from_control_", "value", "low", "high", "p_value", "verdict"),
        **_fields(variant.compression, "", "sparsity", "clusters"),
        **_fields(three_way(variant), "parity_", "samples", "gap", "gap_low", "gap_high"),
        "warnings": len(variant.warnings),
        "error": variant.error,
        **{_titled(other): other.value for other in variant.other_metrics},
        **_by_output(variant),
    }


def _titled(found: Measured) -> str:
    return found.metric if found.output is None else f"{found.metric} of {found.output}"


def _by_output(variant: VariantReport) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for score in variant.output_scores:
        cells[_titled(score.accuracy)] = score.accuracy.value
        cells |= {f"drop_{key} of {score.output}": getattr(score.drop, key, None) for key in ("value", "low", "high")}
    return cells


def _by_place(variant: VariantReport, found: list[Place]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for place in found:
        latency = place.latencies.get(variant.name)
        cells[f"deciding_ms on {place.label}"] = latency.deciding_ms if latency else None
        cells[f"latency_ratio on {place.label}"] = latency.ratio.value if latency and latency.ratio else None
    return cells


def _on_targets(variant: VariantReport, targets: Iterable[str]) -> dict[str, Any]:
    by_name = {one.target: one for one in variant.on_targets}
    cells: dict[str, Any] = {}
    for name in targets:
        one = by_name.get(name)
        figure = None if one is None else one.accuracy or one.likeness
        cells[f"provenance on {name}"] = one.provenance if one else None
        cells[f"refused on {name}"] = one.refused if one else None
        cells[f"accuracy on {name}"] = figure.value if figure else None
        cells |= {f"{key} on {name}": getattr(one, key, None) for key in ("samples", "identical", "deviation")}
        examined = one.examination if one else None
        for key in ("accelerated", "arena_bytes", "sram_bytes", "flash_bytes", "estimated_ms"):
            cells[f"{key} on {name}"] = getattr(examined, key, None)
    return cells


def _fields(part: BaseModel | None, prefix: str, *names: str) -> dict[str, Any]:
    return {prefix + name: getattr(part, name, None) for name in names}


def _class_drop(entry: ClassRecall) -> float:
    return entry.drop.value if entry.drop else 0.0


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{printable(value)}"
    return printable(value) if isinstance(value, str) else value
