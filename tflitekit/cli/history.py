"""`tflitekit history` and `tflitekit index`: what a store holds."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import click

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.shared import as_json, flag, option, store_option

_MOST_POINTS = 30
_MOST_SERIES = 30
_FILE = click.Path(path_type=Path)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Keeps Python from looking for garbage again and again among the thousands of figures that a store holds: a quarter of the time went there.

    They are needed until the end of the process, when Python would look once more.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


@command(
    "tflitekit history --store results",
    "tflitekit history --store results --model shapes.keras --variant int8 --metric latency",
    "tflitekit history --store results --out history.html",
)
@store_option
@option("--model", panel="Model", metavar="NAME", help="Only this model.")
@option("--variant", panel="Model", metavar="NAME", help="Only this variant.")
@option("--metric", panel="Measuring", type=click.Choice(["accuracy", "size", "latency"]), help="Only this figure.")
@option("--device", panel="Measuring", metavar="TEXT", help="Only devices with this in their name.")
@option("--out", "-o", type=_FILE, metavar="FILE", help="Also write a page with plots, such as history.html.")
@as_json
@_without_collections()
def history(
    store: str,
    model: str | None,
    variant: str | None,
    metric: str | None,
    device: str | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Shows how size, accuracy and latency went from report to report, and where they shifted."""
    from tflitekit.store import open_store
    from tflitekit.store.history import FIGURES
    from tflitekit.store.history import history as run

    figure = next((one for one in FIGURES if one == metric), None)
    found = run(open_store(store, create=False), model=model, variant=variant, metric=figure, device=device)
    if out is not None:
        from tflitekit.core.files import write_whole
        from tflitekit.render.history import render

        write_whole(out, render(found))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return 0
    from rich.padding import Padding
    from rich.text import Text

    from tflitekit.cli.console import print_dim, show_table, show_warnings, stdout
    from tflitekit.core.printable import printable
    from tflitekit.render import history_text as words
    from tflitekit.render.text import without_empty

    shown = found.series
    if len(shown) > _MOST_SERIES:
        shown = tuple(one for one in shown if one.changes)[:_MOST_SERIES]
    several = len({one.model for one in shown}) > 1
    for name, group in groupby(shown, key=lambda one: one.model):
        if several:
            stdout.print(Text(printable(f"\n{name}"), style="bold"))
        members = tuple(group)
        show_table(words.columns(members), words.rows(members, stdout.width))
    if len(found.series) == 1:
        rows = words.point_rows(found.series[0], _MOST_POINTS)
        show_table(*without_empty(words.POINT_COLUMNS, rows))
    colors = {"worse": "bold red", "better": "green", "undecided": "yellow"}
    for verdict, sentence in words.change_lines(shown):
        stdout.print(Padding(Text.assemble((verdict, colors[verdict]), f": {sentence}"), (0, 0, 0, 2)))
    print_dim(words.testing_line(found.series))
    if len(shown) < len(found.series):
        print_dim(
            f"{len(shown)} of {len(found.series)} series are shown, of those that shifted: --model, --variant, --metric and --device "
            "choose others, and --out writes a page of all."
        )
    show_warnings(list(map(str, found.warnings)))
    if out is not None:
        print_dim(f"Written: {out}", whole=True)
    return 0


@command(
    "tflitekit index --store results --out index.html",
    "tflitekit index --store results --out site/index.html --pages",
)
@store_option
@option("--out", "-o", type=_FILE, metavar="FILE", default="index.html", show_default=True, help="The page to write.")
@flag("--pages", help="Also write the page of each report, into the folder pages beside it; those that are there stay.")
@as_json
def index(store: str, out: Path, pages: bool, as_json: bool) -> int:
    """Writes a page with all models and devices of a store, to search, sort and filter without a network."""
    from tflitekit.core.files import write_whole
    from tflitekit.render.index import PAGES, render
    from tflitekit.store import open_store

    home = open_store(store, create=False)
    with _without_collections():  # and not around the pages, which leave garbage
        listing = home.entries()
    folder, warnings = out.parent / PAGES, list(map(str, listing.warnings))
    if pages:
        from tflitekit.cli.shared import progress
        from tflitekit.core.errors import ModelError, StoredReportError
        from tflitekit.render.html import render as render_report

        missing = [entry for entry in listing.entries if not (folder / f"{entry.id}.html").is_file()]
        with progress().task("Writing pages", len(missing)) as advance:
            for entry in missing:
                try:
                    report = home.report(entry)
                except (
                    StoredReportError,
                    ModelError,
                ) as error:  # it is damaged, or of a newer kit; the others are shown all the same
                    warnings.append(" ".join(filter(None, (error.what, error.why, error.fix))))
                else:
                    write_whole(folder / f"{entry.id}.html", render_report(report))
                advance(1)
    there = {path.stem for path in folder.glob("*.html")}
    write_whole(out, render(listing.entries, list(home.acceptances()), there))
    if as_json:
        print_json({"written": str(out), "reports": len(listing.entries), "warnings": warnings})
        return 0
    from tflitekit.cli.console import print_dim, show_warnings
    from tflitekit.render.text import counted

    print_dim(f"Written: {out}, {counted(len(listing.entries), 'report')}.", whole=True)
    show_warnings(warnings)
    return 0
