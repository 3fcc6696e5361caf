"""``report.md``: for a pull request."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tflitekit.report import text
from tflitekit.results import Report

__all__ = ["escape", "render"]

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#"})


def escape(value: Any) -> str:
    """Makes text from files harmless inside Markdown: no markup, no line breaks."""
    return " ".join(str(value).split()).translate(_SPECIAL)


def render(report: Report) -> str:
    """Returns the report as Markdown; everything that comes from files is escaped."""
    environment = Environment(
        loader=PackageLoader("tflitekit.report"),
        autoescape=False,
        finalize=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    rows = [text.row(variant, report) for variant in report.variants]
    template = environment.get_template("report.md.jinja")
    tools = ", ".join(f"{name} {version}" for name, version in report.tool.items())
    return template.render(report=report, columns=text.COLUMNS, rows=rows, tools=tools) + "\n"
