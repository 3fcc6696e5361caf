"""Quality as a whole: figures by variant, sequential decisions, and whether scores can be trusted."""

from __future__ import annotations

from tflitekit.render import outputs_text, text
from tflitekit.render.blocks import NOTHING, Cell, Column, Figure, Section, Table
from tflitekit.render.plots.quality import reliability
from tflitekit.render.sections import View, named, section
from tflitekit.render.sections.overview import accuracy_cell, change_cell, samples_text
from tflitekit.render.summary import by_reference, fidelity_table
from tflitekit.results import Measured, VariantReport
from tflitekit.tasks.metric_words import is_share

__all__ = ["accuracy", "decisions", "metric_cell", "outputs"]


@section(place=60)
def accuracy(view: View) -> Section:
    """Returns what was found out about the answers as a whole."""
    scored = [row for row in view.able if row.accuracy]
    data = view.report.dataset
    intro = ""
    if data is not None:
        intro = f"On {samples_text(view)} of {data.location}. Intervals are 95 %; changes are paired with the baseline."
    blocks = (
        _figures(view, scored),
        _by_output(view, scored),
        outputs(view),
        decisions(view, scored),
        _reliability(view),
    )
    return Section("accuracy", "Accuracy", intro, blocks if scored else ())


def _figures(view: View, scored: list[VariantReport]) -> Table | None:
    metrics = list(dict.fromkeys((found.metric, found.output) for row in scored for found in row.other_metrics))
    first = next(
        (text.metric_title(row.accuracy.metric, row.accuracy.output) for row in scored if row.accuracy), "Accuracy"
    )
    unlike = len({row.accuracy.n for row in scored if row.accuracy}) > 1
    columns = (
        Column("Variant", numeric=False),
        *([Column("Samples", about="That the variant was evaluated on")] if unlike else []),
        Column(first),
        *(Column(text.metric_title(*metric)) for metric in metrics),
        Column("Change", about="Paired difference from the baseline"),
        Column("p", about="McNemar's exact test for classes, else the paired t test"),
        Column("Verdict", numeric=False),
        Column("Agreement", about="Share of samples with the baseline's answer"),
        Column("Lost", about="Right in the baseline, wrong here"),
        Column("Won", about="Wrong in the baseline, right here"),
        Column("ECE", about="Expected calibration error: how far scores are from being probabilities, in points"),
    )
    rows = []
    for row in scored:
        others = {(found.metric, found.output): found for found in row.other_metrics}
        rows.append(
            (
                named(view, row),
                *([Cell(f"{row.accuracy.n:,}", row.accuracy.n)] if unlike and row.accuracy else []),
                accuracy_cell(row),
                *(metric_cell(others.get(metric)) for metric in metrics),
                change_cell(view, row),
                Cell(f"{row.drop.p_value:.2g}", row.drop.p_value) if row.drop and not view.is_base(row) else NOTHING,
                Cell(row.drop.verdict) if row.drop and not view.is_base(row) else NOTHING,
                Cell(text.share(row.agreement.value), row.agreement.value, text.interval(row.agreement, percent=True))
                if row.agreement and not view.is_base(row)
                else NOTHING,
                Cell(f"{row.flips.lost:,}", row.flips.lost) if row.flips else NOTHING,
                Cell(f"{row.flips.won:,}", row.flips.won) if row.flips else NOTHING,
                Cell(f"{row.confidence.ece * 100:.1f}", row.confidence.ece, text.interval(row.confidence, percent=True))
                if row.confidence
                else NOTHING,
            )
        )
    return Table.of("Accuracy by variant", columns, rows)


def _by_output(view: View, scored: list[VariantReport]) -> Table | None:
    """Returns what each output that has labels scores."""
    titles, lines = outputs_text.table(scored, view.report.baseline)
    columns = tuple(Column(title, numeric=i in (3, 4)) for i, title in enumerate(titles))
    rows = [tuple(map(Cell, cells)) for cells in lines]
    return Table.of("Each output with labels", columns, rows) if rows else None


def outputs(view: View) -> Table | None:
    """Returns how far every output is the baseline's, whether it is scored or not."""
    titles, lines = fidelity_table(view.report)
    about = {
        "Columns that vary": "Parts of the output that vary enough in the baseline to be compared",
        "Kept": "Share of the baseline's variance that the variant explains, on average over columns; for outputs that number "
        "something the share of values that are the same",
    }
    columns = tuple(Column(title, numeric=2 <= i < 5, about=about.get(title, "")) for i, title in enumerate(titles))
    rows = [(*map(Cell, cells[:5]), Cell(cells[5], tone="" if cells[5] == "–" else "bad")) for cells in lines]
    return Table.of("Every output compared with the baseline's", columns, rows) if rows else None


def metric_cell(found: Measured | None) -> Cell:
    """Returns a further metric with its interval."""
    if found is None:
        return NOTHING
    return Cell(text.measured(found), found.value, text.interval(found, percent=is_share(found.metric)))


def decisions(view: View, scored: list[VariantReport]) -> Table | None:
    """Returns what was decided about each variant, and on how many samples."""
    lost = "Other classes" if by_reference(view.report) else "Drop"
    columns = (
        Column("Variant", numeric=False),
        Column("Decision", numeric=False),
        Column("Limit"),
        Column(lost, about="Interval on all data, in points, valid for all looks together"),
        Column("Samples", about="After which the decision was certain"),
        Column("Stated error", about="How often such a decision may be wrong"),
    )
    words = {"meets": "meets the limit", "breaks": "breaks the limit"}
    tones = {"meets": "good", "breaks": "bad"}
    rows = []
    for row in scored:
        found = row.sequential
        if found is None:
            continue
        interval = text.between(found.low, found.high, lambda value: text.signed(value * 100, 2))
        rows.append(
            (
                named(view, row),
                Cell(words[found.decision], tone=tones[found.decision]),
                Cell(f"{found.limit * 100:g} points", found.limit),
                Cell(interval, found.high),
                NOTHING if found.decided_at is None else Cell(f"{found.decided_at:,}", found.decided_at),
                Cell(text.share(found.alpha), found.alpha),
            )
        )
    return Table.of("Decisions of the evaluation that stopped early", columns, rows)


def _reliability(view: View) -> Figure | None:
    trusted = [(row, row.confidence) for row in view.able if row.confidence and row.confidence.bins]
    if not trusted:
        return None
    others, rest = view.few([row for row, _ in trusted if not view.is_base(row)] or [row for row, _ in trusted])
    specs = {}
    for row in others:
        pair = [r for r, _ in trusted if view.is_base(r) or r.name == row.name]
        values = [
            {"variant": r.name, "confidence": entry.confidence * 100, "accuracy": entry.accuracy * 100, "n": entry.n}
            | {"scores": f"{entry.low * 100:.0f} to {entry.high * 100:.0f}%", "right": entry.accuracy}
            for r in pair
            for entry in (r.confidence.bins if r.confidence else ())
            if entry.n
        ]
        told = "; ".join(
            f"{r.name}: expected calibration error {c.ece * 100:.1f} points" for r, c in trusted if r in pair
        )
        specs[row.name] = reliability(values, view.looks, about=f"Share of correct answers by score. {told}.")
    head = (Column("Scores %", numeric=False), *(Column(row.name) for row, _ in trusted))
    edges = sorted({(entry.low, entry.high) for _, found in trusted for entry in found.bins})
    rows = []
    for low, high in edges:
        cells = []
        for _, found in trusted:
            entry = next((e for e in found.bins if (e.low, e.high) == (low, high) and e.n), None)
            cells.append(Cell(text.share(entry.accuracy), entry.accuracy, f"n = {entry.n:,}") if entry else NOTHING)
        rows.append((Cell(f"{low * 100:.0f} to {high * 100:.0f}", low), *cells))
    return Figure.of_variants(
        "reliability",
        "Can its scores be trusted?",
        "Apps set thresholds on scores. On the dashed line, answers with a score of 80 % are right in 80 % of the cases; below "
        "it, the model is overconfident. Larger symbols mean more samples." + rest,
        specs,
        selected=view.subject.name if view.subject else None,
        legend=view.legend([row.name for row, _ in trusted]),
        table=Table.of("Share of correct answers by score", head, rows, folded="Share of correct answers, by score"),
    )
