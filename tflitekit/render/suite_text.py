"""The results of a suite as Markdown: one table an entry, made from the reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tflitekit.render import text
from tflitekit.render.markdown import fill
from tflitekit.render.summary import scored_on
from tflitekit.results import Part, Report

__all__ = ["EntryResult", "render"]


class EntryResult(Part):
    """What became of one entry of a suite.

    Attributes:
        status: 'skipped' where files are absent, 'failed' where it broke; ``error`` says why.
        folder: Where ``report.json`` and the files lie.
    """

    name: str
    status: Literal["ok", "failed", "skipped"]
    error: str | None = None
    folder: str | None = None
    report: Report | None = None

    @property
    def chosen(self) -> str | None:
        """The recommended variant."""
        recommendation = self.report.recommendation if self.report else None
        return recommendation.chosen if recommendation else None


def render(name: str, description: str, entries: Sequence[EntryResult]) -> str:
    """Returns the results as Markdown; everything that comes from files is escaped."""
    tables = {entry.name: text.table(entry.report) for entry in entries if entry.report is not None}
    scored = {entry.name: scored_on(entry.report) for entry in entries if entry.report is not None}
    last = next((entry.report for entry in reversed(entries) if entry.report is not None), None)
    tools = ", ".join(f"{tool} {version}" for tool, version in last.tool.items()) if last else None
    return fill(
        "suite.md.jinja", name=name, description=description, entries=entries, tables=tables, scored=scored, tools=tools
    )
