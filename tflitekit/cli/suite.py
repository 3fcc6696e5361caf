"""`tflitekit suite`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.events import events_option, written_events
from tflitekit.cli.keeping import Keeper
from tflitekit.cli.options import takes_options
from tflitekit.cli.shared import as_json, option, out, path, progress
from tflitekit.core.errors import UsageError
from tflitekit.options.base import option_of
from tflitekit.options.cluster import ClusterOptions
from tflitekit.options.store import StoreOptions

if TYPE_CHECKING:
    from tflitekit.render.suite_text import EntryResult


@command(
    "tflitekit suite my_suite.toml",
    "tflitekit suite my_suite.toml --data-root ../data --update-readme results.md",
)
@path("file", help="TOML file of models, data and protocols.")
@out("out")
@option(
    "--data-root",
    panel="Data",
    metavar="FOLDER",
    help="Folder or URL where the suite's paths start; TFLITEKIT_DATA or the suite's own if not given.",
)
@option("--cluster", metavar="CLUSTER", help=option_of(ClusterOptions.model_fields["cluster"]).help)
@option("--depot", metavar="URL", help=option_of(ClusterOptions.model_fields["depot"]).help)
@option("--update-readme", type=click.Path(path_type=Path), metavar="FILE", help="Write the tables also to this file.")
@takes_options(StoreOptions, "keep", without=("store_model",))
@events_option
@as_json
def suite(
    file: Path,
    out: Path,
    data_root: str | None,
    cluster: str | None,
    depot: str | None,
    update_readme: Path | None,
    keep: StoreOptions,
    events: Path | None,
    as_json: bool,
) -> int:
    """Runs all entries of a benchmark suite; reuses finished ones, and continues after failures."""
    from tflitekit.core.files import write_whole
    from tflitekit.optimization.suites import run_suite

    if update_readme is not None and update_readme.is_dir():
        raise UsageError(f"{update_readme} is a folder.", fix="Name a file: --update-readme results.md.")
    keeper = Keeper(keep, is_named=True)
    with written_events(events, progress(), as_json=as_json) as told:

        def store(result: EntryResult) -> None:
            if result.report is not None:
                keeper.keep_entry(result.report, result.model, out / file.stem / result.name, told)

        results = run_suite(
            file, out=out, data_root=data_root, cluster=cluster, depot=depot, progress=told, ended=store
        )
    readme = out / file.stem / "README.md"
    if update_readme is not None:
        write_whole(update_readme, readme.read_text(encoding="utf-8"))
    if not as_json:
        from tflitekit.cli.views.suite import show_suite

        show_suite(results, readme)
    keeper.finish()
    if as_json:
        print_json({"suite": file.stem, "entries": [result.to_json() for result in results]})
    done = any(result.status == "ok" for result in results)
    return 0 if done and not any(result.status == "failed" for result in results) else 1
