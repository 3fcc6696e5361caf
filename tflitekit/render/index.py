"""The index of a store: all variants of all reports in one table, which the browser sorts, searches and filters."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from tflitekit.core.units import duration
from tflitekit.render import text
from tflitekit.render.history_text import made, short_commit, web
from tflitekit.render.page import fill, plain, script_json
from tflitekit.store import Acceptance, Entry, Row
from tflitekit.tasks.metric_words import is_share

__all__ = ["PAGES", "render"]

PAGES = "pages"
"""The folder beside the index with the pages of the reports."""
_COLUMNS = (
    ("Model", False),
    ("Variant", False),
    ("Device", False),
    ("Metric", True),
    ("Drop", True),
    ("Size", True),
    ("Latency", True),
    ("Made", False),
    ("Commit", False),
)
"""Titles, and whether the column has numbers."""


def render(entries: Iterable[Entry], acceptances: Iterable[Acceptance], pages: Collection[str]) -> str:
    """Returns the page; it loads nothing from anywhere, and text from reports is only ever shown as text.

    Args:
        entries: What is stored.
        acceptances: Of them.
        pages: The ids of the reports whose page is in the folder `PAGES` beside the index.
    """
    newest = sorted(entries, key=lambda entry: entry.age, reverse=True)
    accepted = {acceptance.report for acceptance in acceptances}
    table, seen = _Texts(), set[tuple[str, str]]()
    rows = []
    for entry in newest:
        place = (entry.model, entry.device)
        reports = {
            "latest": place not in seen,
            "accepted": entry.id in accepted,
            "page": f"{PAGES}/{entry.id}.html" if entry.id in pages else "",
            "run": web(entry.mlflow_link),
        }
        seen.add(place)
        rows += [_row(entry, row, reports, table) for row in entry.rows]
    return fill(
        "index.html.jinja",
        libraries=(),
        script="index.js",
        styles=("report.css", "index.css"),
        columns=_COLUMNS,
        reports=len(newest),
        models=len({entry.model for entry in newest}),
        last=newest[0].created if newest else "",
        data=script_json(plain({"texts": table.texts, "rows": rows})),
    )


class _Texts:
    """Texts that rows share, each once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, value: str) -> int:
        """Returns the number of a text."""
        if value not in self._places:
            self._places[value] = len(self.texts)
            self.texts.append(value)
        return self._places[value]


def _row(entry: Entry, row: Row, report: dict[str, Any], table: _Texts) -> list[Any]:
    """Returns the texts of a row by their numbers, what its numbers are sorted by, and its marks: chosen, accepted, latest, not ok."""
    shown = (
        entry.model,
        row.variant,
        row.device if row.provenance == "measured" else f"{row.device} ({row.provenance})",
        _metric(row),
        _drop(row),
        text.size(row.size_bytes),
        duration(row.latency_ms) if row.latency_ms is not None else "–",
        made(entry.created),
        short_commit(entry.commit),
        row.scheme or "–",
        report["page"],
        report["run"],
        entry.short,
        "" if row.status == "ok" else row.status,
    )
    marks = (row.chosen, report["accepted"], report["latest"])
    sorted_by = (row.value, row.drop, row.size_bytes, row.latency_ms)
    return [[table.place(one) for one in shown], sorted_by, sum(bool(mark) << bit for bit, mark in enumerate(marks))]


def _metric(row: Row) -> str:
    """Returns the value, and in a second line the metric's name."""
    if row.value is None or row.metric is None:
        return "–"
    half = None if row.low is None or row.high is None else (row.high - row.low) / 2
    if is_share(row.metric):
        shown = f"{row.value:.2%}" + ("" if half is None else f" ±{half * 100:.1f}")
    else:
        shown = f"{row.value:.4g}" + ("" if half is None else f" ±{half:.2g}")
    return f"{shown}\n{text.metric_name(row.metric)}"


def _drop(row: Row) -> str:
    if row.drop is None or row.metric is None:
        return "–"
    return f"{text.signed(row.drop * 100, 2)} points" if is_share(row.metric) else f"{row.drop:+.3g}"
