"""`tflitekit compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.options import takes_options
from tflitekit.cli.shared import as_json, flag, option, path
from tflitekit.core.errors import UsageError
from tflitekit.options.compare import CompareOptions

if TYPE_CHECKING:
    from tflitekit.results import Report
    from tflitekit.results.comparison import Comparison


@command(
    "tflitekit compare accepted/report.json build/report.json",
    "tflitekit compare accepted build --max-latency-increase 10 --format md > comment.md",
    "tflitekit compare build --against last-accepted --store results --max-accuracy-drop 0.5",
)
@path(
    "reports",
    nargs=-1,
    required=True,
    metavar="[OLD] NEW",
    help="The accepted report and the one to judge, each report.json or its folder; with --against the latter only.",
)
@option(
    "--against",
    panel="Model",
    metavar="WHICH",
    help="Compare with a stored report: 'last-accepted' for this model and device, or the first digits of its id.",
)
@option("--store", panel="Model", metavar="STORE", help="Where --against looks: a folder, or the URL of a database.")
@option("--model", panel="Model", metavar="NAME", help="With --against: what the model is called in the store.")
@takes_options(CompareOptions, "how")
@flag("--strict", panel="Limits", help="Also exit with 1 if a gate is undecided or what it judges is missing.")
@option(
    "--format",
    "form",
    type=click.Choice(["table", "md"]),
    default="table",
    show_default=True,
    help="'table', or 'md': Markdown for a pull request.",
)
@as_json
def compare(
    reports: tuple[Path, ...],
    against: str | None,
    store: str | None,
    model: str | None,
    how: CompareOptions,
    strict: bool,
    form: str,
    as_json: bool,
) -> int:
    """Shows what changed between two reports, with intervals; exits with 1 if a gate is broken."""
    from tflitekit.results.comparison import compare as run

    _check_given(reports, against, store, model)
    if against is None:
        found = run(*reports, **how.given())
    else:
        assert store is not None
        old, where = _stored(reports[0], against, store, model)
        found = run(old, reports[0], **how.given())
        found = found.model_copy(update={"old": found.old.model_copy(update={"location": where})})
    if as_json:
        print_json(found.model_dump(mode="json"))
    elif form == "md":
        from tflitekit.render.comparison_text import render_markdown

        sys.stdout.write(render_markdown(found))
    else:
        _show(found)
    return 1 if found.broken or (strict and found.undecided) else 0


def _check_given(reports: tuple[Path, ...], against: str | None, store: str | None, model: str | None) -> None:
    if (against is None) != (store is None):
        raise UsageError(
            f"--{'against' if store is None else 'store'} only applies with --{'store' if store is None else 'against'}.",
            fix="tflitekit compare NEW --against last-accepted --store STORE",
        )
    if model is not None and against is None:
        raise UsageError("--model only applies with --against.", fix="Give both, or neither.")
    wanted = 2 if against is None else 1
    if len(reports) != wanted:
        raise UsageError(
            f"'tflitekit compare' takes {'two reports, the old and the new' if wanted == 2 else 'one report with --against'}; "
            f"{len(reports)} {'was' if len(reports) == 1 else 'were'} given.",
            fix="To compare with a stored report: tflitekit compare NEW --against last-accepted --store STORE",
        )


def _stored(new: Path, against: str, address: str, model: str | None) -> tuple[Report, str]:
    """Returns the report to compare with, and where it is."""
    from tflitekit.store import open_store

    store = open_store(address, create=False)
    if against != "last-accepted":
        entry = store.find(against)
        return store.report(entry), f"{entry.short} in {store.name}"
    judged = store.entry_of(new, model=model)
    entry, acceptance = store.last_accepted(judged.model, judged.device)
    by = f" by {acceptance.by}" if acceptance.by else ""
    return store.report(entry), f"{entry.short} in {store.name}, accepted {acceptance.accepted[:10]}{by}"


def _show(comparison: Comparison) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from tflitekit.cli.console import print_dim, show_table, show_warnings, stdout
    from tflitekit.render import comparison_text as words

    show_table(words.COLUMNS, words.rows(comparison))
    print_dim(words.model_line(comparison))
    stdout.print(words.recommendation_line(comparison), markup=False)
    gates = words.gate_lines(comparison)
    if gates:
        stdout.print(Text("\nGates", style="bold"))
    colors = {"broken": "bold red", "undecided": "yellow", "missing": "yellow", "kept": "green"}
    for state, sentence in gates:
        stdout.print(Padding(Text.assemble((state, colors[state]), f": {sentence}"), (0, 0, 0, 2)))
    show_warnings(list(map(str, comparison.warnings)))
