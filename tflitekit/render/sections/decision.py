"""The answer first: which variant, its figures, why, what speaks for caution, and the limits."""

from __future__ import annotations

from dataclasses import dataclass

from tflitekit.render import text
from tflitekit.render.blocks import NOTHING, Badge, Cell, Column, Table
from tflitekit.render.sections import View
from tflitekit.render.sections.overview import change_cell
from tflitekit.render.summary import caution, class_losses, latency_is_of_host
from tflitekit.results import VariantReport
from tflitekit.results.recommendation import UNFIT
from tflitekit.tasks.metric_words import is_share

__all__ = ["Decision", "Tile", "decide"]


@dataclass(frozen=True)
class Tile:
    """One figure of the variant that the page is about."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Decision:
    """The head of the page; ``name`` is the variant that the tiles are about, if that is not the chosen one."""

    title: str
    badges: tuple[Badge, ...]
    name: str | None
    tiles: tuple[Tile, ...]
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]
    limits: Table | None


_UNFIT = {
    "chance": ("Check the data first", "The baseline is at chance"),
    "class-numbers": ("Check the classes first", "The classes are numbered otherwise"),
    "other-preprocessing": ("Name the preprocessing first", "Another preprocessing fits"),
}


def decide(view: View) -> Decision:
    """Returns the answer of the report as the page shows it."""
    answer = view.report.recommendation
    main = view.subject
    badges = []
    if answer is None:
        title = f"{text.counted(len(view.report.variants), 'variant')} measured"
        main = None
    elif unfit := next((found.kind for found in view.report.warnings if found.kind in UNFIT), None):
        title, badge = _UNFIT.get(unfit, ("Nothing to compare with", "No baseline"))
        badges.append(Badge(badge, "bad"))
    elif answer.chosen:
        title = f"Ship {answer.chosen}"
        badges.append(Badge(_met(view), "good") if answer.constraints_met else Badge("Limits not met", "bad"))
    else:
        title = "No variant meets the limits"
        badges.append(Badge("Limits not met", "bad"))
    if latency_is_of_host(view.report):
        badges.append(Badge("Not measured on the target", "warn"))
    reasons = answer.reasons if answer else ()
    return Decision(
        title,
        tuple(badges),
        main.name if main and main.name != view.chosen else None,
        _tiles(view, main) if main else (),
        tuple(reason for reason in reasons if not caution(reason)),
        tuple(reason.removeprefix("caution: ") for reason in reasons if caution(reason)),
        _limits(view, main) if main else None,
    )


def _met(view: View) -> str:
    """Says whose limits were met: nobody's, where none was given."""
    limits = view.report.constraints
    given = (
        limits.max_accuracy_drop,
        limits.min_fidelity,
        limits.max_class_drop,
        limits.max_size_bytes,
        limits.max_latency_ms,
    )
    return "Within the default limit" if all(limit is None for limit in given) else "All limits met"


def _tiles(view: View, row: VariantReport) -> tuple[Tile, ...]:
    base = view.base if view.base is not None and not view.is_base(row) else None
    found = []
    if row.size_bytes:
        note = f"{text.size(row.deflated_bytes)} deflated" if row.deflated_bytes else ""
        if base is not None and base.size_bytes:
            note = f"{base.size_bytes / row.size_bytes:.1f}× smaller than {base.name}"
        found.append(Tile("Size", text.size(row.size_bytes), note))
    if row.figure:
        change = change_cell(view, row)
        note = f"{change.text} ({change.note})" if change.note else change.text
        note = text.difference(row.likeness) if row.likeness else note
        label = text.metric_name(row.figure.metric)
        if row.likeness and view.base is not None:
            label += f" {'with' if row.likeness.metric == 'agreement' else 'to'} {view.base.name}"
        found.append(Tile(label, text.measured(row.figure), note if base else "", change.tone))
    if row.latency:
        where = f"on {row.latency.target}, {text.counted(row.latency.threads, 'thread')}"
        ratio = row.latency.ratio
        note = ""
        if ratio is not None:
            note = (
                f"a tie with {ratio.baseline}"
                if ratio.verdict == "tie"
                else f"{text.ratio(ratio)} than {ratio.baseline}"
            )
        found.append(Tile(f"Latency {where}", text.latency(row.latency), note))
    if row.peak_memory_bytes is not None:
        elsewhere = row.latency is not None and row.latency.target_kind != "host"
        note = "on the host, above the process's own" if elsewhere else "above the process's own"
        found.append(Tile("Peak memory", text.size(row.peak_memory_bytes), note))
    return tuple(found)


def _limits(view: View, row: VariantReport) -> Table | None:
    limits = view.report.constraints
    met = row.name == view.chosen
    good = Cell("met", tone="good") if met else NOTHING
    rows = []
    if row.accuracy is not None and (row.drop is not None or limits.max_accuracy_drop is not None):
        percent = is_share(row.accuracy.metric)
        given = limits.max_accuracy_drop
        if given is None:
            allowed = "1 point, the default" if percent else "5 % of the baseline, the default"
        else:
            allowed = f"{given:g} point{'' if given == 1 else 's'}" if percent else f"{given:g}"
        change = change_cell(view, row)
        rows.append((Cell("Change of accuracy"), Cell(allowed), Cell(change.text, note=change.note), good))
    if row.likeness is not None:
        allowed = "at least 95%, the default" if limits.min_fidelity is None else f"at least {limits.min_fidelity:g}%"
        note = text.interval(row.likeness, percent=True)
        name = text.metric_name(row.likeness.metric)
        rows.append((Cell(name), Cell(allowed), Cell(text.measured(row.likeness), note=note), good))
    losses = class_losses(row, view.base) if view.base is not None else []
    if limits.max_class_drop is not None and losses:
        worst = Cell(f"{text.signed(-losses[0].loss * 100, 1)} points", note=losses[0].entry.label)
        rows.append((Cell("Change of the worst class"), Cell(f"{limits.max_class_drop:g} points"), worst, good))
    if limits.max_size_bytes is not None:
        found = NOTHING if row.size_bytes is None else Cell(text.size(row.size_bytes))
        rows.append((Cell("Size"), Cell(text.size(limits.max_size_bytes)), found, good))
    if limits.max_latency_ms is not None:
        unverified = Cell("not verified", tone="warn") if met and latency_is_of_host(view.report) else good
        found = NOTHING
        if row.latency:
            note = f"{row.latency.statistic} on {row.latency.target}"
            found = Cell(text.duration(row.latency.deciding_ms), note=note)
        rows.append((Cell("Latency"), Cell(f"{limits.max_latency_ms:g} ms"), found, unverified))
    columns = tuple(Column(title, numeric=False) for title in ("Limit", "Accepted", row.name, "Verdict"))
    return Table.of("Limits", columns, rows, sortable=False)
