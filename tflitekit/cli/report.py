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
    as_json: Json = False,
) -> int:
    """Shows a finished report again, and writes report.md anew from its JSON."""
    from tflitekit.files import write_whole
    from tflitekit.report import markdown
    from tflitekit.results import read_report

    found = read_report(folder)
    home = folder if folder.is_dir() else folder.parent
    write_whole(home / "report.md", markdown.render(found))
    if as_json:
        print_json(found.to_json())
        return 0
    from tflitekit.console import show_report, stdout

    show_report(found)
    stdout.print(f"\nWritten: {home / 'report.md'}", style="dim", markup=False)
    return 0
