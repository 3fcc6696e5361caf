"""Renderers: a `Report` in, something to look at out. They measure nothing and decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tflitekit.results import Report

__all__ = ["FORMATS", "write_all", "write_views"]

FORMATS = ("html", "md", "csv")


def write_all(report: Report, out: Path) -> None:
    """Writes ``report.json`` and what is rendered from it."""
    from tflitekit.core.files import write_json

    write_json(out / "report.json", report.to_json())
    write_views(report, out)


def write_views(report: Report, out: Path, formats: str | Iterable[str] = FORMATS) -> list[Path]:
    """Writes ``report.html``, ``report.md`` and ``report.csv`` into a folder, or those of them that are asked for.

    Returns:
        The files, in the order of ``formats``.

    Raises:
        UsageError: A format that does not exist.
    """
    from tflitekit.core.arguments import as_list
    from tflitekit.core.files import write_whole

    renderers = {out / f"report.{name}": _renderer(name) for name in as_list(formats)}
    for path, render in renderers.items():
        write_whole(path, render(report))
    return list(renderers)


def _renderer(name: str) -> Callable[[Report], str]:
    if name == "html":
        from tflitekit.render.html import render
    elif name == "md":
        from tflitekit.render.markdown import render
    elif name == "csv":
        from tflitekit.render.spreadsheet import render
    else:
        from tflitekit.core.errors import UsageError

        raise UsageError(f"There is no report format '{name}'.", fix=f"Choose from: {', '.join(FORMATS)}, all.")
    return render
