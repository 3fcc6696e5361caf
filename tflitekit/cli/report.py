"""`tflitekit report`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.shared import as_json, option, out, path
from tflitekit.core.errors import UsageError

if TYPE_CHECKING:
    from tflitekit.results import Report


@command(
    "tflitekit report build",
    "tflitekit report build --format html --out pages",
    "tflitekit report build pixel8.json galaxy.json --out merged --max-latency 20",
)
@path("folder", help="Folder with report.json, or the file.")
@path("phones", nargs=-1, help="Reports of the Android app's benchmark to merge.")
@option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT",
    help="html, md, csv or all; repeatable.  [default: all]",
)
@out(
    None,
    names=("--out",),
    help="Folder to write to. Default: that of report.json. A merged report needs its own.",
)
@option(
    "--max-latency",
    panel="Limits",
    type=float,
    metavar="NUMBER",
    help="Maximum latency on the phones in ms; replaces the report's own limit.",
)
@as_json
def report(
    folder: Path,
    phones: tuple[Path, ...],
    formats: tuple[str, ...],
    out: Path | None,
    max_latency: float | None,
    as_json: bool,
) -> int:
    """Shows a finished report, and writes its report.html, report.md and report.csv again.

    With reports of phones, these are merged: host and phones stand side by side, and the phones' latency decides. Exit
    code 1 when nothing meets the limits then. Without --out a merged report is only shown.
    """
    from tflitekit.render import FORMATS, write_views
    from tflitekit.results import read_report

    wanted = FORMATS if not formats or "all" in formats else tuple(dict.fromkeys(formats))
    written: list[Path] = []
    if phones:
        from tflitekit.latency.merging import merge

        if formats and out is None:
            raise UsageError(
                "--format chooses files to write, and with reports of phones none are written without --out.",
                fix="Name a folder with --out.",
            )
        found = merge(folder, phones, max_latency_ms=max_latency)
        if out is not None:
            written = _write_merged(found, folder, out, wanted)
    elif max_latency is not None:
        raise UsageError(
            "--max-latency only applies to reports of phones.", fix="Give them after the report, or leave it out."
        )
    else:
        found = read_report(folder)
        written = write_views(found, out or _home(folder), wanted)
    if as_json:
        print_json(found.to_json())
    else:
        from tflitekit.cli.console import print_dim
        from tflitekit.cli.views.report import show_report

        show_report(found)
        text = f"Written: {', '.join(map(str, written))}" if written else "Nothing was written: give --out to keep it."
        print_dim(f"\n{text}", whole=True)
    answer = found.recommendation
    return 1 if phones and answer is not None and not answer.constraints_met else 0


def _home(report: Path) -> Path:
    return report if report.is_dir() else report.parent


def _write_merged(found: Report, first: Path, out: Path, formats: tuple[str, ...]) -> list[Path]:
    """Writes the merged report with its views; never over a report that phones were not merged into."""
    from tflitekit.core.files import locked, write_json
    from tflitekit.latency.merging import is_merged
    from tflitekit.render import write_views
    from tflitekit.results import read_report

    path = out / "report.json"
    if path.is_file() and not is_merged(read_report(path)):
        raise UsageError(
            f"{path} holds a report without phones, which the merged one would replace.",
            fix="Give another folder with --out.",
        )
    with locked(out):
        write_json(path, _relocated(found, _home(first), out).to_json())
        return [path, *write_views(found, out, formats)]


def _relocated(found: Report, home: Path, out: Path) -> Report:
    """Returns the report with files named relative to its new folder, so that 'tflitekit bundle' finds them."""
    rows = [
        row.model_copy(update={"file": Path(os.path.relpath(home / row.file, out)).as_posix()}) if row.file else row
        for row in found.variants
    ]
    return found.model_copy(update={"variants": tuple(rows)})
