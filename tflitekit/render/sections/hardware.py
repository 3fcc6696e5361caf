"""What the hardware that the model is meant for would do with each variant, by its profile."""

from __future__ import annotations

from collections.abc import Sequence

from tflitekit.hardware import Judgement, Verdict
from tflitekit.hardware.words import shown_type
from tflitekit.render import hardware_text
from tflitekit.render.blocks import NOTHING, Cell, Column, Note, Section, Table
from tflitekit.render.sections import View, named, section
from tflitekit.results import VariantReport
from tflitekit.results.on_hardware import what_ran

__all__ = ["hardware"]

_TONES: dict[Verdict, str] = {
    "runs": "good",
    "computes otherwise": "warn",
    "not known": "warn",
    "falls back": "bad",
    "would not run": "bad",
}


_MOST = 6


@section(place=22)
def hardware(view: View) -> Section:
    """Returns the verdict on each variant, its operators, and what is not known of the hardware."""
    found = view.report.hardware
    rows = hardware_text.judged(view.report)
    if found is None or not rows:
        return Section("hardware", "Hardware")
    intro = (
        f"What {found.title} ({found.name}) would do with each file, judged by what its makers document: {what_ran(found, rows)}. "
        f"What decides between files that it takes: {', '.join(found.decides)}."
    )
    kinds = hardware_text.alike(view.report)
    notes = [Note(each) for each in hardware_text.points(view.report)]
    tables = [_operators(one, others) for one, others in kinds[:_MOST]]
    return Section(
        "hardware", "Hardware", intro=intro, blocks=(_verdicts(view, kinds), *tables, _sources(view), *notes)
    )


def _verdicts(view: View, kinds: Sequence[tuple[Judgement, list[VariantReport]]]) -> Table | None:
    columns = (
        Column("Variant", numeric=False),
        Column("There", numeric=False),
        Column("Operators taken", about="By the processor that the profile is about, of all in the file"),
        Column("What would happen", numeric=False),
        Column("What to do", numeric=False),
    )
    cells = [
        (
            named(view, rows[0], badges=True) if len(rows) == 1 else Cell(_names(rows)),
            Cell(one.verdict, tone=_TONES[one.verdict]),
            Cell(f"{one.taken} of {one.total}", one.taken / max(1, one.total)),
            Cell(one.summary),
            Cell(one.advice) if one.advice else NOTHING,
        )
        for one, rows in kinds
    ]
    return Table.of("Each variant on the hardware", columns, cells)


def _names(rows: Sequence[VariantReport]) -> str:
    return ", ".join(row.name for row in rows)


def _operators(one: Judgement, rows: Sequence[VariantReport]) -> Table | None:
    """Returns what becomes of the operators, where not all of them are simply taken."""
    if one.verdict == "runs":
        return None
    columns = (
        Column("Operator", numeric=False),
        Column("Computes in", numeric=False),
        Column("Count"),
        Column("Runs on", numeric=False),
        Column("Why", numeric=False),
        Column("Layers", numeric=False),
    )
    cells = [
        (
            Cell(group.op),
            Cell(shown_type(group.compute)),
            Cell(str(group.count), group.count),
            Cell(group.where),
            Cell(group.why) if group.why else NOTHING,
            Cell(", ".join(dict.fromkeys(group.layers))) if group.layers else NOTHING,
        )
        for group in one.operators
    ]
    title = f"Operators of {rows[0].name}" + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")
    return Table.of(title, columns, cells, folded=title)


def _sources(view: View) -> Table | None:
    found = view.report.hardware
    if found is None:
        return None
    columns = (Column("Source", numeric=False), Column("Address", numeric=False))
    rows = [(Cell(each.title), Cell(each.url) if each.url else NOTHING) for each in found.sources]
    return Table.of("Where this stands", columns, rows, folded="Sources of the profile")
