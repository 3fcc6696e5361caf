"""Renderers: a `Report` in, something to look at out. They measure nothing and decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tflitekit.errors import UsageError, disk_errors
from tflitekit.files import write_whole
from tflitekit.results import Report

__all__ = ["FORMATS", "write_all"]

FORMATS = ("html", "md", "csv")


def write_all(report: Report, out: Path, formats: Iterable[str] = FORMATS) -> list[Path]:
    """Writes ``report.html``, ``report.md`` and ``report.csv`` into a folder, or those of them that are asked for.

    Returns:
        The files, in the order of ``formats``.

    Raises:
        UsageError: A format that does not exist.
    """
    renderers = {name: _renderer(name) for name in formats}
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, render in renderers.items():
        path = out / f"report.{name}"
        # Names of files that are not UTF-8 hold lone surrogates, which no encoding can write.
        write_whole(path, render(report).encode("utf-8", "replace").decode("utf-8"))
        written.append(path)
    return written


def _renderer(name: str) -> Callable[[Report], str]:
    if name == "html":
        from tflitekit.report.html import render
    elif name == "md":
        from tflitekit.report.markdown import render
    elif name == "csv":
        from tflitekit.report.spreadsheet import render
    else:
        raise UsageError(f"There is no report format '{name}'.", fix=f"Choose of: {', '.join(FORMATS)}, all.")
    return render
