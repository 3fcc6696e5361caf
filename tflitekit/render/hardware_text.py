"""What the hardware that a model is meant for would do with each variant, as text for every view."""

from __future__ import annotations

from tflitekit.hardware import Judgement
from tflitekit.render.targets_text import told_once
from tflitekit.results import Report, VariantReport
from tflitekit.results.on_hardware import not_known, what_ran

__all__ = ["COLUMNS", "alike", "all_run", "judged", "points", "table", "title"]

_MOST_NOTES = 12
COLUMNS = ("Variant", "There", "Operators taken", "What would happen")


def judged(report: Report) -> list[VariantReport]:
    """Returns the rows that were judged for the hardware."""
    return [row for row in report.variants if row.hardware is not None]


def title(report: Report) -> str:
    """Returns 'On Arm Ethos-U55, 128 MACs (ethos-u55-128)'."""
    found = report.hardware
    return f"On {found.title} ({found.name})" if found is not None else ""


def all_run(report: Report) -> str | None:
    """Returns one sentence where every variant runs entirely; None where there is more to say."""
    rows = judged(report)
    if report.hardware is None or not rows or any(row.hardware.verdict != "runs" for row in rows if row.hardware):
        return None
    which = "The variant runs" if len(rows) == 1 else f"All {len(rows)} variants run"
    return f"{which} entirely on {report.hardware.name}, by its profile: {what_ran(report.hardware, rows)}."


def alike(report: Report) -> list[tuple[Judgement, list[VariantReport]]]:
    """Returns the judgements with the variants that fare alike."""
    found: dict[tuple[object, ...], tuple[Judgement, list[VariantReport]]] = {}
    for row in judged(report):
        if (one := row.hardware) is not None:
            key = (one.verdict, one.taken, one.total, one.summary, one.advice)
            found.setdefault(key, (one, []))[1].append(row)
    return list(found.values())


def table(report: Report) -> list[tuple[str, ...]]:
    """Returns a row for each kind of variants that fare alike."""
    return [
        (", ".join(row.name for row in rows), one.verdict, f"{one.taken} of {one.total}", one.summary)
        for one, rows in alike(report)
    ]


def points(report: Report) -> list[str]:
    """Returns what else there is to know of the hardware: notes on the variants, and what is not known."""
    found = report.hardware
    if found is None:
        return []
    said = told_once({row.name: row.hardware.notes for row in judged(report) if row.hardware is not None})
    unknown = [f"Not known: {each[0].lower()}{each[1:]}" for each in not_known(found, report.variants)]
    return [*said[:_MOST_NOTES], *unknown]
