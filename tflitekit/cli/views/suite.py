"""How the results of a suite look in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from tflitekit.cli.console import print_dim, print_points, show_table
from tflitekit.render import text
from tflitekit.render.suite_text import EntryResult

__all__ = ["show_suite"]

_WHAT = {"failed": "failed", "skipped": "was skipped"}


def show_suite(results: Sequence[EntryResult], readme: Path) -> None:
    """Prints what is recommended for each entry, with its figures, what was there before, and in full why others came to nothing."""
    titles = ("Entry", "Recommended", "Size", "Score", "Latency", "Taken from before")
    rows = [(*_cells(result), _taken(result)) for result in results]
    columns = len(titles) if any(result.taken for result in results) else len(titles) - 1
    show_table(titles[:columns], [row[:columns] for row in rows])
    points = [
        Text.assemble(f"{result.name} {_WHAT[result.status]}: {result.error}", *_fix(result))
        for result in results
        if result.error
    ]
    again = {result.name: result.taken.why for result in results if result.taken and result.taken.latency == "again"}
    points += [Text(f"{name}: latency was measured again. {why or ''}".rstrip()) for name, why in again.items()]
    if points:
        print_points(points)
    print_dim(f"Tables: {readme}", whole=True)


def _fix(result: EntryResult) -> list[tuple[str, str] | str]:
    return [("\nTry: ", "bold"), result.fix] if result.fix else []


def _taken(result: EntryResult) -> str:
    if result.taken is None:
        return "–"
    files = len(result.taken.files)
    latency = {"taken": ", latency", "again": ", latency again", None: ""}[result.taken.latency]
    return f"{files} file{'s' * (files != 1)}{latency}"


def _cells(result: EntryResult) -> tuple[str, ...]:
    if result.report is None:
        return result.name, result.status, "–", "–", "–"
    chosen = result.recommended
    if chosen is None:
        return result.name, "nothing", "–", "–", "–"
    score = text.figure(chosen.figure) if chosen.figure else "–"
    return result.name, chosen.name, text.size(chosen.size_bytes), score, text.latency_against(chosen.latency)
