"""``report.md``: for a pull request, so it is short; the page has the rest."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tflitekit.core.printable import printable
from tflitekit.render import hardware_text, outputs_text, targets_text, text, thresholds_text, training_text
from tflitekit.render.summary import (
    caution,
    class_figure,
    fidelity_table,
    grouped_warnings,
    latency_conditions,
    latency_is_of_host,
    model_name,
    ordered_classes,
    places_table,
    refused,
    scored_on,
    subject,
)
from tflitekit.results import Report
from tflitekit.results.on_hardware import what_ran

__all__ = ["escape", "fill", "render"]

_MOST_CLASSES = 10
_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#"})


def escape(value: Any) -> str:
    """Makes text from files harmless inside Markdown: no markup, no line breaks, no controls."""
    return " ".join(printable(str(value)).split()).translate(_SPECIAL)


def fill(template: str, **values: Any) -> str:
    """Fills in a Markdown template of this folder; every value is escaped."""
    return _templates().get_template(template).render(**values) + "\n"


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("tflitekit.render"),
        autoescape=False,
        finalize=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def render(report: Report) -> str:
    """Returns the report as Markdown; everything that comes from files is escaped."""
    columns, rows = text.table(report)
    reasons = report.recommendation.reasons if report.recommendation else ()
    classes = ordered_classes(report)
    place_columns, place_rows = places_table(report)
    output_columns, output_rows = fidelity_table(report)
    threshold_columns, threshold_rows = thresholds_text.table(report.variants)
    scored_columns, scored_rows = outputs_text.table(report.variants, report.baseline)
    training_columns, training_rows = training_text.table(report)
    target_columns, target_rows = targets_text.table(report.variants)
    return fill(
        "report.md.jinja",
        report=report,
        model=model_name(report),
        reasons=[reason for reason in reasons if not caution(reason)],
        cautions=[reason.removeprefix("caution: ") for reason in reasons if caution(reason)],
        columns=columns,
        rows=rows,
        scored=scored_on(report),
        conditions=latency_conditions(report),
        of_host=latency_is_of_host(report),
        place_columns=place_columns,
        place_rows=place_rows,
        target_columns=target_columns,
        target_rows=target_rows,
        target_notes=targets_text.notes(report.variants),
        threshold_columns=threshold_columns,
        threshold_rows=threshold_rows,
        scored_columns=scored_columns,
        scored_rows=scored_rows,
        output_columns=output_columns,
        output_rows=output_rows,
        hardware=hardware_text.title(report),
        hardware_columns=hardware_text.COLUMNS,
        hardware_rows=hardware_text.table(report),
        hardware_ran=what_ran(report.hardware, report.variants) if report.hardware else "",
        hardware_points=hardware_text.points(report),
        training_columns=training_columns,
        training_rows=training_rows,
        training_remarks=training_text.remarks(report),
        parities=[
            (row.name, training_text.parity(found))
            for row in report.variants
            if (found := training_text.three_way(row)) is not None
        ],
        warnings=grouped_warnings(report),
        refusals=refused(report),
        subject=subject(report),
        classes=classes[:_MOST_CLASSES],
        more_classes=len(classes) - _MOST_CLASSES,
        changes=any(entry.drop for row in report.variants for entry in row.per_class),
        class_figure=class_figure(report),
        examples=", ".join(f"{len(row.examples)} of {row.name}" for row in report.variants if row.examples),
        recalls=_recalls(report, classes[:_MOST_CLASSES]),
        tools=", ".join(f"{name} {version}" for name, version in report.tool.items()),
    )


def _recalls(report: Report, labels: list[str]) -> list[tuple[str, list[str]]]:
    """Returns each variant that has recalls by class, with those of the labels and the change from the baseline."""
    found = []
    for row in report.variants:
        known = {entry.label: entry for entry in row.per_class}
        if known:
            cells = []
            for label in labels:
                entry = known.get(label)
                if entry is None:
                    cells.append("–")
                    continue
                change = f" ({text.signed(-entry.drop.value * 100, 1)})" if entry.drop else ""
                cells.append(text.share(entry.value) + change)
            found.append((row.name, cells))
    return found
