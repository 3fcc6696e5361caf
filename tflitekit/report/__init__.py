"""Renderers: a `Report` in, something to look at out. They measure nothing and decide nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tflitekit.results import Report


def write_all(report: Report, out: Path) -> None:
    """Writes ``report.json`` and what is rendered from it."""
    from tflitekit.files import write_json, write_whole
    from tflitekit.report import markdown

    write_json(out / "report.json", report.to_json())
    write_whole(out / "report.md", markdown.render(report))
