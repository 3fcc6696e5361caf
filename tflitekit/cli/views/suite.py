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
    """Prints what is recommended for each entry, with its figures, and in full why others came to nothing."""
    show_table(("Entry", "Recommended", "Size", "Score", "Latency"), [_cells(result) for result in results])
    if without := [result for result in results if result.error]:
        print_points([Text(f"{result.name} {_WHAT[result.status]}: {result.error}") for result in without])
    print_dim(f"Tables: {readme}")


def _cells(result: EntryResult) -> tuple[str, ...]:
    if result.report is None:
        return result.name, result.status, "–", "–", "–"
    chosen = next((row for row in result.report.variants if row.name == result.chosen), None)
    if chosen is None:
        return result.name, "nothing", "–", "–", "–"
    score = text.figure(chosen.figure) if chosen.figure else "–"
    return result.name, chosen.name, text.size(chosen.size_bytes), score, text.latency_against(chosen.latency)
