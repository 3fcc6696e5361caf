"""Shows a report, and the parts of it that verbs show alone: failures, warnings, what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tflitekit.cli import console
from tflitekit.core.printable import printable
from tflitekit.render import (
    hardware_text,
    outputs_text,
    search_text,
    targets_text,
    text,
    thresholds_text,
    training_text,
)
from tflitekit.render.summary import (
    Warned,
    fidelity_table,
    further_warnings,
    latency_conditions,
    places_table,
    refused,
)

if TYPE_CHECKING:
    from tflitekit.results import Report, VariantReport
    from tflitekit.tflite.variant import Variant


__all__ = ["show_failures", "show_findings", "show_report", "show_searches", "show_targets", "show_trained"]

_WIDE, _MEDIUM = 148, 118


def show_report(report: Report) -> None:
    """Prints the table, the decision with its reasons, and the warnings with what to do."""
    chosen = report.recommendation.chosen if report.recommendation else None
    columns, rows = text.table(report, _fitting(text.COLUMNS, text.MEDIUM, text.NARROW))
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        words = column in ("Variant", "Change", "Difference")
        usual = all(
            cell_len(cells[index]) <= 2 * console.WORD for cells in rows
        )  # what is longer would push the others out
        table.add_column(
            column,
            justify="left" if words else "right",
            no_wrap=usual and column not in ("Change", "Difference"),
            overflow="fold",
        )
    for variant, cells in zip(report.variants, rows, strict=True):
        table.add_row(*map(_cell, cells), style=_style(variant, chosen))
    console.stdout.print(table)
    if report.source is not None and report.source.proof is not None:
        console.print_dim(str(report.source.proof))
    if conditions := latency_conditions(report):
        console.print_dim(conditions)
    place_columns, place_rows = places_table(report)
    if place_rows:
        console.stdout.print(Text("\nLatency by target", style="bold"))
        console.show_table(tuple(place_columns), [tuple(cells) for cells in place_rows])
    show_targets(report.variants)
    scored_columns, scored_rows = outputs_text.table(report.variants, report.baseline)
    if scored_rows:
        console.stdout.print(Text("\nEach output with labels", style="bold"))
        console.show_table(tuple(scored_columns), [tuple(cells) for cells in scored_rows])
    threshold_columns, threshold_rows = thresholds_text.table(report.variants)
    if threshold_rows:
        console.stdout.print(Text("\nAt each threshold", style="bold"))
        console.show_table(tuple(threshold_columns), [tuple(cells) for cells in threshold_rows])
    output_columns, output_rows = fidelity_table(report)
    if output_rows:
        console.stdout.print(Text("\nEvery output compared with the baseline's", style="bold"))
        console.show_table(tuple(output_columns), [tuple(cells) for cells in output_rows])
    _show_hardware(report)
    _show_training(report, chosen)
    show_searches(report.variants)
    show_failures(report.variants)
    recommendation = report.recommendation
    if recommendation is not None:
        if chosen:
            console.stdout.print(Text.assemble(("\nRecommended: ", "bold"), (chosen, "bold green")))
        else:
            console.stdout.print(Text("\nNo recommendation", style="bold red"))
        console.print_points([Text(reason) for reason in recommendation.reasons])
        if others := refused(report):
            console.stdout.print(Text("\nWhy not the others", style="bold"))
            for other in others:
                line = Text.assemble((", ".join(other.variants), "bold"), ": " + "; ".join(other.reasons))
                for advice in other.advice:
                    line.append(f"\n{advice}", style="dim")
                console.stdout.print(Padding(line, (0, 0, 0, 2)))
    _show_culprits(report)
    show_findings(further_warnings(report))


def show_targets(rows: Sequence[VariantReport]) -> None:
    """Prints what further targets say of each variant."""
    columns, cells = targets_text.lines(rows)
    if cells:
        console.stdout.print(Text("\nOn other hardware", style="bold"))
        console.show_table(tuple(columns), [tuple(row) for row in cells])
        for note in targets_text.notes(rows):
            console.print_dim(note)


def _show_hardware(report: Report) -> None:
    """Prints what the hardware would do with the variants, and what is not known of it."""
    if (sentence := hardware_text.all_run(report)) is not None:
        console.print_dim(sentence)
    elif rows := hardware_text.table(report):
        console.stdout.print(Text(f"\n{hardware_text.title(report)}", style="bold"))
        console.show_table(hardware_text.COLUMNS, rows)
        for point in hardware_text.points(report):
            console.print_dim(point)


def show_searches(rows: Sequence[Variant] | Sequence[VariantReport]) -> None:
    """Prints what searches found and what they tried."""
    for name, record in search_text.searched(rows):
        console.stdout.print(Text(f"\nSearch for {name}", style="bold"))
        console.print_points([Text(line) for line in (*search_text.changes(record), *search_text.sentences(record))])


def _show_culprits(report: Report) -> None:
    """Prints which layers are to blame for what variants lost."""
    found = {row.name: row.explanation.culprits for row in report.variants if row.explanation is not None}
    if not found:
        return
    console.stdout.print(Text("\nWhere they depart from float", style="bold"))
    for name, culprits in found.items():
        if not culprits:
            console.stdout.print(Padding(Text.assemble((name, "bold"), ": no layer is to blame"), (0, 0, 0, 2)))
        for one in culprits:
            line = Text.assemble((name, "bold"), f": {one.layer}. {one.message}", (f"\n{one.advice}", "dim"))
            console.stdout.print(Padding(line, (0, 0, 0, 2)))


def show_findings(found: list[Warned]) -> None:
    """Prints each warning with the variants that it is about, and below it what to do."""
    if not found:
        return
    console.stdout.print(Text("\nWarnings", style="bold yellow"))
    points = []
    for warned in found:
        lines = []
        for message, names in warned.said:
            lines.append(Text.assemble((f"{', '.join(names)}: ", "bold") if names else "", message))
        if warned.advice:
            lines.append(Text(warned.advice, style="dim"))
        points.append(Text("\n").join(lines))
    console.print_points(points)


def _show_training(report: Report, chosen: str | None) -> None:
    """Prints what was trained beside what it is to be compared with, how to read it, and whether the files compute it."""
    rows = training_text.compared(report)
    if not rows:
        return
    fitting = _fitting(training_text.COLUMNS, training_text.MEDIUM, training_text.NARROW)
    columns, cells = training_text.table(report, fitting)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, title="Training", title_justify="left")
    for column in columns:
        words = column in ("Variant", "Stages", "Trained for", "Verified")
        table.add_column(
            column, justify="left" if words else "right", no_wrap=column in ("Variant", "Size", "Deflated")
        )
    for row, line in zip(rows, cells, strict=True):
        table.add_row(*map(_cell, line), style=_style(row, chosen))
    console.stdout.print(table)
    for row in rows:
        if (found := training_text.three_way(row)) is not None:
            bad = "red" if found.is_failure else ""
            console.stdout.print(Text.assemble((f"{row.name}: ", "bold"), (training_text.parity(found), bad)))
    for remark in training_text.remarks(report):
        console.print_dim(remark)


def show_failures(variants: Sequence[VariantReport | Variant]) -> None:
    """Prints what failed or was skipped, variants with the same error together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for variant in variants:
        if variant.status != "ok":
            error = (variant.error or "no reason was recorded").removeprefix(f"{variant.name}:").strip()
            groups.setdefault((variant.status, error), []).append(variant.name)
    for (status, error), names in groups.items():
        color = "red" if status == "failed" else "yellow"
        console.stdout.print(
            Text.assemble((f"{status.capitalize()}: ", color), (", ".join(names), "bold"), f": {error}")
        )


def show_trained(variants: Sequence[Variant]) -> None:
    """Prints for each trained variant what it reached on the samples that were held out, and what was counted in it."""
    for variant in variants:
        if variant.training is None or variant.training.three_way is None:
            continue
        quantized = variant.training.stages[-1].kind == "quantize"
        words = [training_text.parity(variant.training.three_way, "fake-quantized" if quantized else "trained")]
        counted = training_text.compression(variant.compression)
        if counted != "–":
            words.append(f"in the file: {counted}")
        console.stdout.print(Text.assemble((f"{variant.name}: ", "bold"), "; ".join(words)))


def _fitting(wide: Sequence[str], medium: Sequence[str], narrow: Sequence[str]) -> Sequence[str]:
    """Returns the columns that the terminal has room for."""
    width = console.stdout.width
    return wide if width >= _WIDE else medium if width >= _MEDIUM else narrow


def _style(row: VariantReport, chosen: str | None) -> str:
    return "bold green" if row.name == chosen else "dim" if row.status != "ok" else ""


def _cell(text: str) -> str:
    """Returns the text of a table's cell without markup or controls, so that its width is known."""
    return escape(printable(text))
