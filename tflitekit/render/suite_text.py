"""The results of a suite as Markdown: one table an entry, made from the reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from tflitekit.render import text
from tflitekit.render.markdown import fill
from tflitekit.render.summary import scored_on
from tflitekit.results import Part, Report, VariantReport

__all__ = ["EntryResult", "Taken", "render"]


class Taken(Part):
    """What an earlier run had finished of an entry.

    Attributes:
        files: Names of variants.
        latency: 'taken' where all was, 'again' where something was measured again that had been, null where nothing had been.
        why: Why it was measured again; null where what it depends on is another now.
    """

    files: tuple[str, ...]
    latency: Literal["taken", "again"] | None = None
    why: str | None = None

    def __str__(self) -> str:
        files = f"{text.listed(self.files)} taken from an earlier run"
        if self.latency == "taken":
            return f"{files}, with latency"
        why = f" ({self.why.rstrip('.')})" if self.why else ""
        return f"latency measured again{why}; {files}" if self.latency == "again" else files


class EntryResult(Part):
    """What became of one entry of a suite.

    Attributes:
        model: What its model is called in the suite.
        status: 'skipped' where files are absent, 'failed' where it broke; ``error`` says why, ``fix`` what to do.
        folder: Where ``report.json`` and the files lie.
        machines: Who converted, evaluated or measured something that is in the report, by name.
        taken: Null where nothing was.
    """

    name: str
    model: str = ""
    status: Literal["ok", "failed", "skipped"]
    error: str | None = None
    fix: str | None = None
    folder: str | None = None
    report: Report | None = None
    machines: tuple[str, ...] = ()
    taken: Taken | None = None

    @property
    def chosen(self) -> str | None:
        """The recommended variant."""
        recommendation = self.report.recommendation if self.report else None
        return recommendation.chosen if recommendation else None

    @property
    def why_nothing(self) -> str | None:
        """Why nothing is recommended, and what to do, in sentences; None where something is."""
        report = self.report
        recommendation = report.recommendation if report else None
        if report is None or recommendation is None or recommendation.chosen is not None:
            return None
        told = " ".join(f"{reason}." for reason in recommendation.reasons[:2])  # what follows are cautions
        broken = next((row.error for row in report.variants if row.name == report.baseline), None) or ""
        return " ".join([f"{told[:1].upper()}{told[1:]}", *broken.split()])

    @property
    def recommended(self) -> VariantReport | None:
        """The row of the recommended variant."""
        return self.report.variant(self.chosen) if self.report is not None and self.chosen is not None else None

    def to_json(self) -> dict[str, Any]:
        """Returns what other programs need of it: of the report the row that is recommended, with the names of its fields there."""
        folder, row = self.folder and Path(self.folder), self.recommended
        kept = {} if row is None else row.model_dump(mode="json", include=_OF_A_ROW)
        file = row.file if row is not None else None
        return self.model_dump(mode="json", exclude={"report"}) | {
            "report": str(folder / "report.json") if folder else None,
            "chosen": self.chosen,
            "why_nothing": self.why_nothing,
            "recommended": kept | {"file": str(folder / file) if folder and file else None} if kept else None,
        }


_OF_A_ROW: Any = {
    **dict.fromkeys(("name", "file", "size_bytes", "accuracy", "likeness", "drop"), True),
    "latency": {"target", "target_kind", "threads", "protocol", "statistic", "value_ms", "low_ms", "high_ms", "ratio"},
}


def render(name: str, description: str, entries: Sequence[EntryResult]) -> str:
    """Returns the results as Markdown; everything that comes from files is escaped."""
    tables = {entry.name: text.table(entry.report) for entry in entries if entry.report is not None}
    scored = {entry.name: scored_on(entry.report) for entry in entries if entry.report is not None}
    last = next((entry.report for entry in reversed(entries) if entry.report is not None), None)
    tools = ", ".join(f"{tool} {version}" for tool, version in last.tool.items()) if last else None
    return fill(
        "suite.md.jinja", name=name, description=description, entries=entries, tables=tables, scored=scored, tools=tools
    )
