"""`tflitekit store`: adds reports to a store, lists, accepts and removes them, and upgrades its tables."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tflitekit.cli.commands import Command, CommandGroup, guarded, print_json
from tflitekit.cli.shared import as_json, flag, option, path, store_option
from tflitekit.core.errors import UsageError

_MOST_SHOWN = 20
_MODEL = option(
    "--model", panel="Model", metavar="NAME", help="What the model is called. Default: the name of its file."
)


@click.group(
    cls=CommandGroup,
    examples=(
        "tflitekit store add build --store results",
        "tflitekit store accept build --store results --note 'release 1.2'",
        "tflitekit store list --store sqlite:///results.db",
    ),
)
def store() -> None:
    """Keeps reports in a folder or a database, to see what changes over time (docs/store.md)."""


@store.command(
    cls=Command,
    examples=(
        "tflitekit store add build --store results",
        "tflitekit store add runs/*/report.json --store postgresql+psycopg://kit@db.example.com/results",
    ),
)
@path("reports", nargs=-1, required=True, help="Reports: report.json or its folder.")
@store_option
@_MODEL
@option(
    "--commit",
    panel="Model",
    metavar="COMMIT",
    help="Commit that the reports were made from. Default: the working directory's, unless it is newer than the report.",
)
@as_json
@guarded
def add(reports: tuple[Path, ...], store: str, model: str | None, commit: str | None, as_json: bool) -> int:
    """Adds reports; adding one again is harmless."""
    from tflitekit.cli.keeping import told
    from tflitekit.store import open_store

    home, found = open_store(store), []
    for report in reports:
        added = home.add(report, model=model, commit=commit)
        found.append({"new": added.is_new, **added.entry.model_dump(mode="json")})
        if not as_json:
            click.echo(told(home, added))
    if as_json:
        print_json(found)
    return 0


@store.command(
    cls=Command,
    examples=(
        "tflitekit store accept build --store results --note 'release 1.2'",
        "tflitekit store accept 3f2a91c0 --store results",
    ),
)
@click.argument(
    "report", help="A report (it is added if it is not stored yet), or the first digits of a stored one's id."
)
@store_option
@_MODEL
@option("--note", metavar="TEXT", default="", help="Why it is accepted.")
@as_json
@guarded
def accept(report: str, store: str, model: str | None, note: str, as_json: bool) -> int:
    """Accepts a report: later ones of its model on its device are compared with it."""
    from tflitekit.core.files import is_file, is_folder
    from tflitekit.store import open_store

    is_path = is_file(Path(report)) or is_folder(Path(report))
    home = open_store(store, create=is_path)
    entry = home.add(report, model=model).entry if is_path else home.find(report)
    found = home.accept(entry, note)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        from tflitekit.core.printable import printable

        click.echo(printable(f"Accepted for {found.model} on {found.device}: report {entry.short}."))
    return 0


@store.command(name="list", cls=Command, examples=("tflitekit store list --store results --model shapes.keras",))
@store_option
@option("--model", panel="Model", metavar="NAME", help="Only reports of this model.")
@as_json
@guarded
def list_(store: str, model: str | None, as_json: bool) -> int:
    """Lists the reports of a store, the oldest first."""
    from tflitekit.store import open_store

    home = open_store(store, create=False)
    listing, accepted = home.entries(model), {one.report: one for one in home.acceptances()}
    if as_json:
        print_json([
            entry.model_dump(mode="json")
            | {"acceptance": accepted[entry.id].model_dump(mode="json") if entry.id in accepted else None}
            for entry in listing.entries
        ])  # fmt: skip
        return 0
    from tflitekit.cli.console import print_dim, show_table, show_warnings
    from tflitekit.render.history_text import made, short_commit
    from tflitekit.render.text import counted, without_empty

    rows = [
        (entry.short, made(entry.created), entry.model, entry.device, short_commit(entry.commit), entry.chosen or "–",
         f"accepted {accepted[entry.id].note}".strip() if entry.id in accepted else "–", entry.mlflow_run or "–")
        for entry in listing.entries
    ]  # fmt: skip
    columns = ("Report", "Made", "Model", "Device", "Commit", "Recommended", "Accepted", "MLflow")
    one = len(devices := {entry.device for entry in listing.entries}) == 1  # which needs no column
    if rows:
        show_table(*without_empty(columns, [(*row[:3], "–", *row[4:]) if one else row for row in rows]))
    print_dim(f"{counted(len(rows), 'report')} in {home.name}{f', all on {devices.pop()}' if one else ''}.")
    show_warnings(list(map(str, listing.warnings)))
    return 0


@store.command(
    cls=Command,
    examples=(
        "tflitekit store remove 3f2a91c0 --store results",
        "tflitekit store remove --model shapes.keras --older-than 90 --store results",
    ),
)
@click.argument(
    "reports", nargs=-1, help="The first digits of the ids of reports; without them --model and --older-than choose."
)
@store_option
@option("--model", panel="Model", metavar="NAME", help="All reports of this model.")
@option(
    "--older-than", type=click.IntRange(0, 36_500), metavar="DAYS", help="All reports that were made more days ago."
)
@flag("--yes", help="Do not ask.")
@guarded
def remove(reports: tuple[str, ...], store: str, model: str | None, older_than: int | None, yes: bool) -> int:
    """Removes reports; those that were accepted stay."""
    from tflitekit.cli.console import print_dim
    from tflitekit.core.printable import printable
    from tflitekit.render.history_text import made
    from tflitekit.render.text import counted
    from tflitekit.store import open_store
    from tflitekit.store.entry import before

    if bool(reports) == (model is not None or older_than is not None):
        raise UsageError(
            "'tflitekit store remove' takes the ids of reports, or --model and --older-than.",
            fix="'tflitekit store list' shows the ids.",
        )
    home = open_store(store, create=False)
    accepted = {found.report for found in home.acceptances()}
    if reports:
        chosen = list(dict.fromkeys(map(home.find, reports)))
        if kept := [entry for entry in chosen if entry.id in accepted]:
            home.remove(kept[0])  # which refuses it, before any other is gone
    else:
        last = None if older_than is None else before(older_than)
        fits = [entry for entry in home.entries(model).entries if last is None or entry.created <= last]
        chosen = [entry for entry in fits if entry.id not in accepted]
        if len(chosen) < len(fits):
            print_dim(f"Kept, because accepted: {counted(len(fits) - len(chosen), 'report')}.")
    if chosen and not yes:
        for entry in chosen[:_MOST_SHOWN]:
            click.echo(printable(f"{entry.short}  {made(entry.created)}  {entry.model}, {entry.device}"))
        if len(chosen) > _MOST_SHOWN:
            click.echo(f"and {len(chosen) - _MOST_SHOWN:,} more")
        _ask(f"Remove {counted(len(chosen), 'report')} from {home.name}?")
    for entry in chosen:
        home.remove(entry)
    click.echo(printable(f"{counted(len(chosen), 'report')} removed from {home.name}."))
    return 0


def _ask(question: str) -> None:
    """Goes on only if somebody says so."""
    if not sys.stdin.isatty():
        raise UsageError("Nobody can be asked here whether to remove them.", fix="Say so with --yes.")
    click.confirm(question, abort=True)


@store.command(
    cls=Command,
    examples=("tflitekit store upgrade --store sqlite:///results.db", "tflitekit store upgrade --store results"),
)
@store_option
@guarded
def upgrade(store: str) -> int:
    """Brings a store that an older tflitekit made to what this one keeps: tables, and figures of each report."""
    from tflitekit.cli.console import show_warnings
    from tflitekit.cli.shared import progress
    from tflitekit.core.errors import ModelError, StoredReportError
    from tflitekit.core.printable import printable
    from tflitekit.render.text import counted
    from tflitekit.store import open_store

    home = open_store(store, create=False, upgraded=True)
    if home.upgraded_from is not None:
        click.echo(printable(f"{home.name} is upgraded; its tables were those of version {home.upgraded_from}."))
    lacking, renewed, warnings = home.outdated(), 0, []
    with progress().task("Reading reports", len(lacking)) as advance:
        for entry in lacking:  # one by one: who stops it loses nothing, and goes on from there
            try:
                renewed += home.renew(entry)
            except (StoredReportError, ModelError) as error:
                warnings.append(" ".join(filter(None, (error.what, error.why, error.fix))))
            advance(1)
    if renewed:
        click.echo(
            printable(f"{counted(renewed, 'report')} of older versions in {home.name}: what they did not keep is read.")
        )
    elif home.upgraded_from is None and not warnings:
        click.echo(printable(f"{home.name} is up to date."))
    show_warnings(warnings)
    return 0
