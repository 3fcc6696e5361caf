"""`tflitekit report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tflitekit.cli.shared import Json, app, guarded, print_json


@app.command()
@guarded
def report(
    folder: Annotated[Path, typer.Argument(help="Folder with report.json, or the file.", show_default=False)],
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="html, md, csv or all; repeatable.  [default: all]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for what is written; that of report.json if not given.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Shows a finished report again, and writes report.html, report.md and report.csv anew from its JSON."""
    from tflitekit.report import FORMATS, write_views
    from tflitekit.results import read_report

    found = read_report(folder)
    home = out or (folder if folder.is_dir() else folder.parent)
    wanted = FORMATS if not formats or "all" in formats else tuple(dict.fromkeys(formats))
    written = write_views(found, home, wanted)
    if as_json:
        print_json(found.to_json())
        return 0
    from tflitekit.console import show_report, stdout

    show_report(found)
    stdout.print(f"\nWritten: {', '.join(map(str, written))}", style="dim", markup=False, soft_wrap=True)
    return 0
