"""Quality on data without labels: how closely each variant matches the baseline, as a whole, by output and by column."""

from __future__ import annotations

import math

from tflitekit.render import text
from tflitekit.render.blocks import NOTHING, Cell, Column, Section, Table
from tflitekit.render.sections import View, named, section
from tflitekit.render.sections.accuracy import decisions, metric_cell, outputs
from tflitekit.render.sections.classes import examples
from tflitekit.render.sections.overview import accuracy_cell, samples_text
from tflitekit.render.summary import by_reference
from tflitekit.results import VariantReport
from tflitekit.tasks.metric_words import words_of

__all__ = ["fidelity"]

_MOST_COLUMNS = 60


@section(place=65)
def fidelity(view: View) -> Section:
    """Returns what the baseline's outputs say of the others."""
    scored = [row for row in view.able if row.likeness]
    data = view.report.dataset
    if data is None or view.base is None or not by_reference(view.report) or not scored:
        return Section("fidelity", "Fidelity")
    intro = (
        f"On {samples_text(view)} of {data.location}. The outputs of {view.base.name} are the reference, not labels: this says how "
        "closely a variant matches the float model, and not how often it is right. Intervals are 95 %."
    )
    blocks = (
        _figures(view, scored),
        outputs(view),
        _columns(view, scored),
        decisions(view, scored),
        *examples(view, {row.name: row.differing for row in scored}, _told, f"{view.base.name} says"),
    )
    return Section("fidelity", f"Fidelity to {view.base.name}", intro, blocks)


def _told(row: VariantReport, shown: int) -> tuple[str, str]:
    likeness = row.likeness
    other = round((1 - likeness.value) * likeness.n) if likeness else shown
    return f"Another class in {row.name}", (
        f"{text.counted(other, 'sample')} got another class than in the baseline; which of the two is right, only you can tell. These are the "
        f"{shown} of which {row.name} is most confident."
    )


def _figures(view: View, scored: list[VariantReport]) -> Table | None:
    others = list(dict.fromkeys(found.metric for row in scored for found in row.other_metrics))
    first = next(row.likeness.metric for row in scored if row.likeness)
    unlike = len({row.likeness.n for row in scored if row.likeness}) > 1
    columns = (
        Column("Variant", numeric=False),
        *([Column("Samples", about="That the variant was evaluated on")] if unlike else []),
        Column(text.metric_name(first), about=words_of(first).about),
        *(Column(text.metric_name(metric), about=words_of(metric).about) for metric in others),
        Column("Difference", numeric=False),
    )
    rows = []
    for row in scored:
        further = {found.metric: found for found in row.other_metrics}
        rows.append(
            (
                named(view, row),
                *([Cell(f"{row.likeness.n:,}", row.likeness.n)] if unlike and row.likeness else []),
                accuracy_cell(row),
                *(metric_cell(further.get(metric)) for metric in others),
                Cell("reference") if view.is_base(row) or not row.likeness else Cell(text.difference(row.likeness)),
            )
        )
    return Table.of("Fidelity by variant", columns, rows)


def _columns(view: View, scored: list[VariantReport]) -> Table | None:
    """Returns the columns of outputs, where there are several, one below the other, with a variant in each column of the table."""
    shown = {
        row.name: {(output.output, part.column): part for output in row.fidelity for part in output.worst}
        for row in scored
        if row.fidelity
    }
    known = sorted({place for parts in shown.values() for place in parts})
    if len(known) < 2:
        return None
    rows = []
    for place in known[: view.room(_MOST_COLUMNS)]:
        cells = []
        for parts in shown.values():
            part = parts.get(place)
            if part is None:
                cells.append(NOTHING)
                continue
            interval = text.between(part.low, part.high, lambda value: f"{value * 100:.1f}")
            error = f"relative error {math.sqrt(max(0.0, 1 - part.explained)):.1%}"
            cells.append(
                Cell(text.share(part.explained), part.explained, f"{interval}; {error}" if interval else error)
            )
        rows.append((Cell(f"{place[0]}, column {place[1]}"), *cells))
    columns = (Column("Output", numeric=False), *(Column(name) for name in shown))
    rest = len(known) - len(rows)
    return Table.of(
        "Share of the baseline's variance that is kept, by column",
        columns,
        rows,
        folded="Share of the baseline's variance that is kept, by column",
        more=f"{rest:,} more columns are in report.json." if rest else "",
    )
