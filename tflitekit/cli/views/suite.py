"""How the results of a suite look in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from tflitekit.cli.console import print_dim, print_points, show_table
from tflitekit.render import text
from tflitekit.render.suite_text import EntryResult

__all__ = ["show_suite"]


def show_suite(results: Sequence[EntryResult], readme: Path) -> None:
    """Prints what is recommended for each entry, with its figures, what was there before, and in full why others came to nothing."""
    titles = ("Entry", "Recommended", "Size", "Score", "Latency", "Taken")
    rows = [(*_cells(result), _taken(result)) for result in results]
    columns = len(titles) if any(result.taken for result in results) else len(titles) - 1
    show_table(titles[:columns], [row[:columns] for row in rows])
    if points := [*_errors(results), *_without_choice(results), *_measured_again(results)]:
        print_points(points)
    print_dim(f"Tables: {readme}", whole=True)


def _errors(results: Sequence[EntryResult]) -> Iterator[Text]:
    """Yields why entries came to nothing, once where it is the same for several; likewise what to do."""
    names: dict[tuple[str, str, str | None], list[str]] = {}
    for result in results:
        if result.error is not None:
            names.setdefault((result.status, result.error, result.fix), []).append(result.name)
    last = {fix: key for key in names for fix in key[2:]}  # where several have one fix, it stands below the last
    for key, these in names.items():
        status, error, fix = key
        what = {"skipped": "were skipped" if these[1:] else "was skipped"}.get(status, status)
        told = (("\nTry: ", "bold"), (fix, "")) if fix is not None and last[fix] == key else ()
        yield Text.assemble(f"{text.listed(these)} {what}: {error}", *told)


def _without_choice(results: Sequence[EntryResult]) -> Iterator[Text]:
    for result in results:
        if result.why_nothing is not None:
            yield Text(f"{result.name}: {result.why_nothing}")


def _measured_again(results: Sequence[EntryResult]) -> Iterator[Text]:
    names: dict[str, list[str]] = {}
    for result in results:
        if result.taken is not None and result.taken.latency == "again":
            names.setdefault(result.taken.why or "", []).append(result.name)
    for why, these in names.items():
        yield Text(f"{text.listed(these)}: latency was measured again. {why}".rstrip())


def _taken(result: EntryResult) -> str:
    if result.taken is None:
        return "–"
    return "all" if result.taken.latency == "taken" else "files"


def _cells(result: EntryResult) -> tuple[str, ...]:
    if result.report is None:
        return result.name, result.status, "–", "–", "–"
    chosen = result.recommended
    if chosen is None:
        return result.name, "nothing", "–", "–", "–"
    score = text.figure(chosen.figure) if chosen.figure else "–"
    return result.name, chosen.name, text.size(chosen.size_bytes), score, text.latency_against(chosen.latency)
