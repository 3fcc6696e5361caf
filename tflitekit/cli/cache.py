"""`tflitekit cache`: the copies of what is behind URLs and in depots."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from tflitekit.cli.commands import Command, CommandGroup, guarded, print_json
from tflitekit.cli.shared import as_json, option


@click.group(cls=CommandGroup, examples=("tflitekit cache info", "tflitekit cache purge --unused 30"))
def cache() -> None:
    """Shows and removes the copies of models and data from URLs and depots (docs/data.md)."""


@cache.command(cls=Command, examples=("tflitekit cache info",))
@as_json
@guarded
def info(as_json: bool) -> int:
    """Shows what is in the cache, how large it is, and when it was used last."""
    from tflitekit.core.copies import copies, copies_folder, copies_size

    found, size = copies(), copies_size()
    used = [datetime.fromtimestamp(copy.used, UTC).isoformat(timespec="seconds") for copy in found]
    if as_json:
        rows = [{"place": c.place, "bytes": c.size_bytes, "used": when} for c, when in zip(found, used, strict=True)]
        print_json({"folder": str(copies_folder()), "bytes": size, "copies": rows})
        return 0
    from tflitekit.cli.console import print_dim, show_table
    from tflitekit.render import text

    if found:
        shown = [
            (c.place, text.size(c.size_bytes), when[:16].replace("T", " ")) for c, when in zip(found, used, strict=True)
        ]
        show_table(("Place", "Size", "Used last"), shown)
    print_dim(f"{text.size(size)} in {copies_folder()}.", whole=True)
    return 0


@cache.command(cls=Command, examples=("tflitekit cache purge", "tflitekit cache purge --unused 30"))
@option(
    "--unused",
    type=click.IntRange(0, 36_500),
    default=0,
    metavar="DAYS",
    help="Only what was not used for that many days.",
)
@guarded
def purge(unused: int) -> int:
    """Removes the copies; nothing is removed while a run or a worker's task uses them."""
    from tflitekit.core.copies import copies_folder, purge_copies
    from tflitekit.render import text

    click.echo(f"{text.size(purge_copies(unused))} removed from {copies_folder()}.")
    return 0
