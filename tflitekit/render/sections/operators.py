"""Where the time goes, by operator and by the user's layers."""

from __future__ import annotations

from tflitekit.render import text
from tflitekit.render.blocks import NOTHING, Cell, Column, Figure, Section, Table
from tflitekit.render.plots.speed import operator_times
from tflitekit.render.sections import View, named, section
from tflitekit.results import OpTime, VariantReport

__all__ = ["operators"]

_MOST_OPERATORS = 15
_MOST_OPERATOR_ROWS = 60


@section(place=50)
def operators(view: View) -> Section:
    """Returns where the time goes, by operator."""
    rows, rest = view.few([row for row in view.able if row.profile and row.profile.ops])
    profiled = [(row, row.profile) for row in rows if row.profile]
    if not profiled:
        return Section("operators", "Where the time goes")
    selected = view.subject.name if view.subject else None
    specs, tables = {}, []
    for row, profile in profiled:
        slowest = sorted(profile.ops, key=lambda op: -op.time_us)
        values = [
            {"operator": f"{op.index}  {op.op}  {op.layer}".strip(), "time_us": op.time_us}
            | {"time": f"{op.time_us:.3g} µs", "share": text.share(op.share)}
            for op in slowest[:_MOST_OPERATORS]
        ]
        told = "; ".join(f"{entry['operator']}: {entry['share']}" for entry in values[:5])
        specs[row.name] = operator_times(values, about=f"Slowest operators of {row.name}. {told}.")
        tables.append(_operator_table(row, slowest, view.room(_MOST_OPERATOR_ROWS)))
    sums = [
        (
            named(view, row),
            Cell(f"{profile.sum_us:,.4g}", profile.sum_us),
            Cell(f"{profile.whole_us:,.4g}", profile.whole_us),
            Cell(text.share(profile.sum_us / profile.whole_us), profile.sum_us / profile.whole_us)
            if profile.whole_us > 0
            else NOTHING,
        )
        for row, profile in profiled
    ]
    heads = (
        Column("Variant", numeric=False),
        *map(Column, ("Sum of operators µs", "Whole inference µs", "Sum over whole")),
    )
    figure = Figure.of_variants(
        "profile",
        "Slowest operators",
        profiled[0][1].method + rest,
        specs,
        selected=selected,
        table=Table.of("Sum of the operators over the whole inference", heads, sums),
    )
    return Section("operators", "Where the time goes", blocks=(figure, *tables))


def _operator_table(row: VariantReport, slowest: list[OpTime], most: int) -> Table | None:
    columns = (Column("Operator", numeric=False), Column("Layer", numeric=False), Column("Time µs"), Column("Share"))
    rows = [
        (
            Cell(f"{op.index} {op.op}", op.index),
            Cell(op.layer) if op.layer else NOTHING,
            Cell(f"{op.time_us:.3g}", op.time_us),
            Cell(text.share(op.share), op.share),
        )
        for op in slowest[:most]
    ]
    rest = slowest[most:]
    more = f"{len(rest)} more operators take {text.share(sum(op.share for op in rest))} together." if rest else ""
    return Table.of(f"Operators of {row.name}", columns, rows, folded=f"All operators of {row.name}", more=more)
