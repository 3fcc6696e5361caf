"""`tflitekit compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tflitekit.cli.shared import Json, app, guarded, print_json
from tflitekit.core.errors import UsageError

if TYPE_CHECKING:
    from tflitekit.results.comparison import Comparison


@app.command()
@guarded
def compare(
    old: Annotated[Path, typer.Argument(help="What was accepted: report.json or its folder.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="What is to be judged: the same.", show_default=False)],
    max_accuracy_drop: Annotated[
        float | None, typer.Option(help="Gate: percentage points (errors: in the metric's unit).")
    ] = None,
    max_class_drop: Annotated[
        float | None, typer.Option(help="Gate: percentage points of the recall of any class.")
    ] = None,
    max_latency_increase: Annotated[
        float | None, typer.Option(help="Gate: percent of the statistic that decides.")
    ] = None,
    max_size_increase: Annotated[float | None, typer.Option(help="Gate: percent of the file.")] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option(help="Only these, as a,b; old=new for one that has another name now. Repeatable."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 also where a gate is undecided.")] = False,
    allow_unlike: Annotated[
        bool, typer.Option("--allow-unlike", help="Judge also what was not measured alike.")
    ] = False,
    form: Annotated[str, typer.Option("--format", help="'table', or 'md': Markdown for a pull request.")] = "table",
    as_json: Json = False,
) -> int:
    """Shows what changed between two reports, with intervals; exit code 1 when a gate is broken."""
    from tflitekit.results.comparison import compare as run

    if form not in ("table", "md"):
        raise UsageError(f"--format cannot be '{form}'.", fix="It takes table or md.")
    found = run(
        old,
        new,
        variants=None if variants is None else [v.strip() for text in variants for v in text.split(",") if v.strip()],
        max_accuracy_drop=max_accuracy_drop,
        max_class_drop=max_class_drop,
        max_latency_increase=max_latency_increase,
        max_size_increase=max_size_increase,
        allow_unlike=allow_unlike,
    )
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

    from tflitekit.cli.console import show_table, show_warnings, stdout
    from tflitekit.render import comparison_text as words

    show_table(words.COLUMNS, words.rows(comparison))
    stdout.print(Text(words.model_line(comparison), style="dim"))
    stdout.print(words.recommendation_line(comparison), markup=False)
    gates = words.gate_lines(comparison)
    if gates:
        stdout.print(Text("\nGates", style="bold"))
    colors = {"broken": "bold red", "undecided": "yellow", "kept": "green"}
    for state, sentence in gates:
        stdout.print(Padding(Text.assemble((state, colors[state]), f": {sentence}"), (0, 0, 0, 2)))
    show_warnings(list(map(str, comparison.warnings)))
