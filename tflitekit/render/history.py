"""The page of a history: plots of each figure over time, and a table of the shifts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tflitekit.core.units import counted
from tflitekit.render import history_text as words
from tflitekit.render.blocks import Badge, Cell, Choice, Column, Figure, Note, Section, Table
from tflitekit.render.page import PLOTTING, fill, plots_of
from tflitekit.render.plots.history import Points, course
from tflitekit.store.history import FIGURES, Change, History, Series

__all__ = ["render"]

_TONES = {"worse": "bad", "better": "good", "undecided": "warn"}
_MOST_LATEST = 12
_MOST_OPEN = 3
"""Of more models each is folded, and drawn when it is opened: plots of hundreds would keep the page from opening."""


def render(history: History) -> str:
    """Returns the page."""
    models: dict[str, list[Series]] = {}
    for one in history.series:
        models.setdefault(one.model, []).append(one)
    about, places = Points(), {model: f"model-{number}" for number, model in enumerate(models)}
    sections = [
        _section(places[model], series, about, folded=len(models) > _MOST_OPEN) for model, series in models.items()
    ]
    if len(models) > 1:
        sections.insert(0, Section("latest", "Latest shifts", blocks=(_latest(history.series, places),)))
    last = max((point.created for one in history.series for point in one.points), default="")
    return fill(
        "history.html.jinja",
        libraries=(*PLOTTING, "sortable.min.js"),
        script="report.js",
        styles=("report.css", "history.css"),
        title=next(iter(models)) if len(models) == 1 else f"{len(models):,} models",
        last=last,
        sections=sections,
        note=words.testing_line(history.series),
        warnings=history.warnings,
        plots=plots_of(
            {figure.id: figure.specs for section in sections for figure in section.figures}, points=about.columns
        ),
    )


def _section(id: str, series: Sequence[Series], about: Points, *, folded: bool) -> Section:
    figures = (_figure(f"{id}-{figure}", [one for one in series if one.figure == figure], about) for figure in FIGURES)
    blocks = (*figures, _shifts(series), _overview(series))
    return Section(id, series[0].model, _told(series) if folded else "", blocks, folded=folded)


def _told(series: Sequence[Series]) -> str:
    """Returns what stands beside the name of a model that is folded."""
    reports = {point.report: point.created for one in series for point in one.points}
    shifts = sum(len(one.changes) for one in series)
    told = [counted(len(reports), "report"), f"last {max(reports.values())[:10]}", counted(shifts, "shift")]
    return ", ".join(told if shifts else told[:-1])


def _figure(id: str, series: Sequence[Series], about: Points) -> Figure | None:
    if not series:
        return None
    names = tuple(_name(one) for one in series)
    specs = {str(number): course(one, _titled(one), about) for number, one in enumerate(series)}
    title = {"accuracy": "Accuracy", "size": "Size", "latency": "Latency"}[series[0].figure]
    if len(series) == 1:
        return Figure(id, f"{title}: {names[0]}", _caption(series), {"": specs["0"]})
    first = max(range(len(series)), key=lambda number: _weight(series[number]))
    return Figure(id, title, _caption(series), specs, choices=(Choice("Series", names, first),))


def _caption(series: Sequence[Series]) -> str:
    """Explains what is drawn, and nothing else."""
    points = [point for one in series for point in one.points]
    told = [
        "Points are reports, with the 95 % interval of each."
        if any(p.low is not None for p in points)
        else "Points are reports."
    ]
    if any(one.changes for one in series):
        told.append(
            "Horizontal lines are levels; a dashed line marks a shift, and the shaded stretch its 95 % interval."
        )
    elif any(len(one.points) > 1 for one in series):
        told.append("The line is their mean.")
    if any(point.accepted for point in points):
        told.append("Diamonds were accepted.")
    if any(point.noisy for point in points):
        told.append("Pale points were measured on a noisy or busy machine.")
    return " ".join(told)


def _weight(series: Series) -> tuple[str, str, str, bool]:
    """Says which series is shown first: what got worse last, else what shifted last, else what the newest report recommends."""
    worse, shifted = (
        max((series.points[c.at].created for c in series.changes if c.verdict in verdicts), default="")
        for verdicts in (("worse",), _TONES)
    )
    return worse, shifted, series.points[-1].created, series.points[-1].chosen


def _titled(series: Series) -> str:
    name = words.figure_name(series)
    return name[:1].upper() + name[1:]


def _name(series: Series) -> str:
    return ", ".join(filter(None, (series.variant, series.output, series.device, series.conditions)))


def _shifts(series: Iterable[Series]) -> Table | Note:
    columns = (
        Column("Variant", numeric=False),
        Column("Change", about="Positive is worse for accuracy; with the 95 % interval."),
        Column("Figure", numeric=False),
        Column(
            "From",
            numeric=False,
            about="The first report after the shift, which leads to its run in MLflow if it has one, and the 95 % interval of that.",
        ),
        Column("p", about="Share of the orders of the same figures in which a shift this large shows."),
        Column(
            "With it",
            numeric=False,
            about="Versions that changed between the reports before and after, and what else may explain the shift.",
        ),
    )
    rows = [_shift_row(one, change) for one, change in _by_date(series)]
    if rows:
        return Table("Shifts", columns, tuple(rows))
    if any(one.tested for one in series if one.figure != "size"):
        return Note("No shift stands out from the noise.")
    return Note("Sizes did not change. Other shifts can be told from noise with eight reports or more.")


def _by_date(series: Iterable[Series]) -> list[tuple[Series, Change]]:
    """Returns all shifts, the latest first."""
    shifts = [(one, change) for one in series for change in one.changes]
    return sorted(shifts, key=lambda shift: shift[0].points[shift[1].at].created, reverse=True)


def _latest(series: Sequence[Series], places: Mapping[str, str]) -> Table | Note:
    """Returns what became better or worse last in any model, which leads to it."""
    shifts = [(one, change) for one, change in _by_date(series) if change.verdict != "undecided"]
    if not shifts:
        return Note("Nothing became better or worse in any model, as far as can be told.")
    titles = ("Model", "Change", "Variant", "Figure", "From")
    rows = []
    for one, change in shifts[:_MOST_LATEST]:
        variant, amount, figure, since, *_ = _shift_row(one, change)
        rows.append((Cell(one.model, link=f"#{places[one.model]}"), amount, variant, figure, since))
    more = (
        f"The latest {_MOST_LATEST} of {len(shifts):,}; the others stand with their model."
        if len(shifts) > _MOST_LATEST
        else ""
    )
    return Table(
        "Latest shifts", tuple(Column(title, numeric=title == "Change") for title in titles), tuple(rows), more=more
    )


def _shift_row(series: Series, change: Change) -> tuple[Cell, ...]:
    after = series.points[change.at]
    amount, _, interval = words.amount(series, change).partition(" (")
    return (
        Cell(series.variant),
        Cell(
            amount,
            sort=change.value,
            note=interval.removesuffix(")"),
            badges=(Badge(change.verdict, _TONES[change.verdict]),),
        ),
        Cell(_titled(series), note=", ".join(filter(None, (series.device, series.conditions)))),
        Cell(
            words.place(after),
            sort=after.created,
            note=words.stretch(series, change),
            link=words.web(after.mlflow_link),
        ),
        Cell("exact" if change.p_value is None else f"{change.p_value:.3f}", sort=change.p_value or 0.0),
        Cell(", ".join(words.changed_with(series, change)) or "–", note=words.doubts(series, change)),
    )


def _overview(series: Sequence[Series]) -> Table | None:
    columns = (
        Column("Variant", numeric=False),
        Column("Figure", numeric=False),
        Column("Reports"),
        Column("First"),
        Column("Last"),
        Column("Lowest"),
        Column("Highest"),
    )
    rows = []
    for one in series:
        values = [point.value for point in one.points]
        told = [
            Cell(words.shown_value(one, value), sort=value)
            for value in (values[0], values[-1], min(values), max(values))
        ]
        note = ", ".join(filter(None, (one.device, one.conditions)))
        rows.append(
            (
                Cell(one.variant),
                Cell(_titled(one), note=note),
                Cell(str(len(values)), sort=len(values)),
                *told,
            )
        )
    return Table.of("All series", columns, rows, folded="All series")
