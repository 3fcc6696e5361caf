"""`tflitekit compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.options import takes_options
from tflitekit.cli.shared import as_json, flag, option, path
from tflitekit.options.compare import CompareOptions

if TYPE_CHECKING:
    from tflitekit.results.comparison import Comparison


@command(
    "tflitekit compare accepted/report.json build/report.json",
    "tflitekit compare accepted build --max-accuracy-drop 0.5 --max-size-increase 5",
    "tflitekit compare accepted build --max-latency-increase 10 --format md > comment.md",
)
@path("old", help="The accepted report: report.json or its folder.")
@path("new", help="The report to judge: report.json or its folder.")
@takes_options(CompareOptions, "how")
@flag("--strict", panel="Limits", help="Also exit with 1 if a gate is undecided.")
@option(
    "--format",
    "form",
    type=click.Choice(["table", "md"]),
    default="table",
    show_default=True,
    help="'table', or 'md': Markdown for a pull request.",
)
@as_json
def compare(old: Path, new: Path, how: CompareOptions, strict: bool, form: str, as_json: bool) -> int:
    """Shows what changed between two reports, with intervals; exits with 1 if a gate is broken."""
    from tflitekit.results.comparison import compare as run

    found = run(old, new, **how.given())
    if as_json:
        print_json(found.model_dump(mode="json"))
    elif form == "md":
        from tflitekit.render.comparison_text import render_markdown

        sys.stdout.write(render_markdown(found))
    else:
        _show(found)
    return 1 if found.broken or (strict and found.undecided) else 0


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
    colors = {"broken": "bold red", "undecided": "yellow", "kept": "green"}
    for state, sentence in gates:
        stdout.print(Padding(Text.assemble((state, colors[state]), f": {sentence}"), (0, 0, 0, 2)))
    show_warnings(list(map(str, comparison.warnings)))
