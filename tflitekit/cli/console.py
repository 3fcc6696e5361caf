"""The terminal: tables on standard output, progress bars and messages on standard error."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tflitekit.core.errors import TflitekitError
from tflitekit.core.printable import is_printable, printable
from tflitekit.core.progress import Advance, Progress
from tflitekit.render import text, training_text
from tflitekit.render.summary import (
    Warned,
    fidelity_table,
    further_warnings,
    latency_conditions,
    places_table,
    refused,
)

if TYPE_CHECKING:
    from tflitekit.bundling import Bundle
    from tflitekit.bundling.contents import Tolerance
    from tflitekit.results import Report, VariantReport
    from tflitekit.tflite.graph import Graph
    from tflitekit.tflite.variant import Variant
    from tflitekit.training.preflight import Preflight

__all__ = [
    "Bars",
    "show_bundle",
    "show_error",
    "show_failures",
    "show_findings",
    "show_graph",
    "show_preflight",
    "show_report",
    "show_table",
    "show_trained",
    "stderr",
    "stdout",
]

_WIDE, _MEDIUM = 148, 118
_ESTIMATE_FROM = 2.0
"""Per cent of a task that have to be done before the time left is estimated."""
_LINE_EVERY_S = 30.0
_WORD = 24
"""Up to this length a word of a table, like the name of a variant, is kept whole where there is room."""


class _PrintableConsole(Console):
    """A console that shows what would steer the terminal instead of sending it there, wherever the text comes from."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        if isinstance(renderable, Text) and not is_printable(renderable.plain):
            renderable = _printable_text(renderable)  # before it is wrapped
        for segment in super().render(renderable, options):
            if segment.control or is_printable(segment.text):
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


def _printable_text(text: Text) -> Text:
    shown = text.blank_copy()
    for character in text.divide(range(1, len(text))):
        character.plain = printable(character.plain)
        shown.append_text(character)
    return shown


def _cell(text: str) -> str:
    """Returns the text of a table's cell without markup or controls, so that its width is known."""
    return escape(printable(text))


stdout = _PrintableConsole(highlight=False)
stderr = _PrintableConsole(stderr=True, highlight=False)


class Bars(Progress):
    """Progress bars on standard error; where that is not a terminal, a line now and then for work that has words for it."""

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Advance]:
        if not stderr.is_terminal:
            yield _Lines(description)
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            SpinnerColumn,
            Task,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        class TimeLeft(TimeRemainingColumn):
            def render(self, task: Task) -> Text:
                started = task.percentage >= _ESTIMATE_FROM  # the first step takes what only happens once, like tracing
                return super().render(task) if started else Text("-:--:--", style="progress.remaining")

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn() if total is not None else TextColumn(""),
            TimeElapsedColumn(),
            TimeLeft() if total is not None else TextColumn(""),
            TextColumn("{task.fields[detail]}", style="dim"),
        )
        with RichProgress(*columns, console=stderr, transient=True) as bars:
            task = bars.add_task(description, total=total, detail="")

            def advance(steps: int, detail: str = "") -> None:
                bars.advance(task, steps)
                if detail:
                    bars.update(task, detail=detail)

            yield advance

    def note(self, message: str) -> None:
        stderr.print(message, style="dim", markup=False)


class _Lines:
    """Prints how a task goes when the first words change, an epoch say, and every half minute between."""

    def __init__(self, description: str) -> None:
        self._description, self._subject, self._printed = description, "", 0.0

    def __call__(self, steps: int, detail: str = "") -> None:
        del steps
        subject, now = detail.partition(",")[0], time.monotonic()
        if detail and (subject != self._subject or now - self._printed >= _LINE_EVERY_S):
            self._subject, self._printed = subject, now
            stderr.print(f"{self._description}: {detail}", style="dim", markup=False, soft_wrap=True)


def show_error(error: TflitekitError) -> None:
    """Prints what happened, why, and what to do."""
    stderr.print(Text.assemble(("Error: ", "bold red"), error.what))
    if error.why:
        stderr.print(Padding(Text(error.why, style="dim"), (0, 0, 0, 2)))
    if error.fix:
        stderr.print(Text.assemble(("Try: ", "bold"), error.fix))


def show_table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, title: str | None = None) -> None:
    """Prints a table; numbers are right-aligned, cells are never taken for markup.

    Where it does not fit, titles and text are wrapped; numbers and names of a usual length are not.
    """
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", header_style="bold", pad_edge=False)
    rows = [tuple(map(printable, row)) for row in rows]  # so that their widths are known
    numeric = [
        index > 0 and all(not row[index] or row[index][0].isdigit() or row[index][0] in "–-" for row in rows)
        for index in range(len(columns))
    ]
    widths = _widths(columns, rows, numeric, stdout.width - 3 * len(columns) - 1)  # what rich puts between columns
    for column, right, width in zip(columns, numeric, widths, strict=True):
        table.add_column(column, justify="right" if right else "left", overflow="fold", width=width)
    for row in rows:
        table.add_row(*map(escape, row))
    stdout.print(table)


def _widths(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], available: int
) -> list[int]:
    """Returns the width of each column. Where not all fit, titles and text wrap between words first, then the widest."""
    natural, widths = [], []
    for index, column in enumerate(columns):
        cells = [row[index] for row in rows]
        pieces = [word for text in (column, *(() if numeric[index] else cells)) for word in text.split()]
        natural.append(max(map(cell_len, (column, *cells))))
        least = max(map(cell_len, (*pieces, *cells) if numeric[index] else pieces), default=1)
        widths.append(least if numeric[index] else min(least, _WORD))
    while sum(widths) > available and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    lacking = [most - width for most, width in zip(natural, widths, strict=True)]
    while sum(widths) < available and max(lacking) > 0:
        index = lacking.index(max(lacking))
        widths[index], lacking[index] = widths[index] + 1, lacking[index] - 1
    return widths


def show_report(report: Report) -> None:
    """Prints the table, the decision with its reasons, and the warnings with what to do."""
    chosen = report.recommendation.chosen if report.recommendation else None
    shown = text.COLUMNS if stdout.width >= _WIDE else text.MEDIUM if stdout.width >= _MEDIUM else text.NARROW
    columns, rows = text.table(report, shown)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        words = column in ("Variant", "Change")
        usual = all(cell_len(cells[index]) <= 2 * _WORD for cells in rows)  # what is longer would push the others out
        table.add_column(
            column, justify="left" if words else "right", no_wrap=usual and column != "Change", overflow="fold"
        )
    for variant, cells in zip(report.variants, rows, strict=True):
        style = "bold green" if variant.name == chosen else "dim" if variant.status != "ok" else ""
        table.add_row(*map(_cell, cells), style=style)
    stdout.print(table)
    if conditions := latency_conditions(report):
        stdout.print(Text(conditions, style="dim"))
    place_columns, place_rows = places_table(report)
    if place_rows:
        stdout.print(Text("\nLatency by target", style="bold"))
        show_table(tuple(place_columns), [tuple(cells) for cells in place_rows])
    output_columns, output_rows = fidelity_table(report)
    if output_rows:
        stdout.print(Text("\nEvery output compared with the baseline's", style="bold"))
        show_table(tuple(output_columns), [tuple(cells) for cells in output_rows])
    _show_training(report, chosen)
    show_failures(report.variants)
    recommendation = report.recommendation
    if recommendation is not None:
        if chosen:
            stdout.print(Text.assemble(("\nRecommended: ", "bold"), (chosen, "bold green")))
        else:
            stdout.print(Text("\nNo recommendation", style="bold red"))
        _print_points([Text(reason) for reason in recommendation.reasons])
        if others := refused(report):
            stdout.print(Text("\nWhy not the others", style="bold"))
            for other in others:
                line = Text.assemble((", ".join(other.variants), "bold"), ": " + "; ".join(other.reasons))
                for advice in other.advice:
                    line.append(f"\n{advice}", style="dim")
                stdout.print(Padding(line, (0, 0, 0, 2)))
    show_findings(further_warnings(report))


def show_findings(found: list[Warned]) -> None:
    """Prints each warning with the variants that it is about, and below it what to do."""
    if not found:
        return
    stdout.print(Text("\nWarnings", style="bold yellow"))
    points = []
    for warned in found:
        lines = []
        for message, names in warned.said:
            lines.append(Text.assemble((f"{', '.join(names)}: ", "bold") if names else "", message))
        if warned.advice:
            lines.append(Text(warned.advice, style="dim"))
        points.append(Text("\n").join(lines))
    _print_points(points)


def _print_points(points: list[Text]) -> None:
    """Prints a list with bullets, continued lines below the text."""
    grid = Table.grid(padding=(0, 1))
    for point in points:
        grid.add_row("•", point)
    stdout.print(Padding(grid, (0, 0, 0, 2)))


def _show_training(report: Report, chosen: str | None) -> None:
    """Prints what was trained beside what it is to be compared with, how to read it, and whether the files compute it."""
    rows = training_text.compared(report)
    if not rows:
        return
    shown = (
        training_text.COLUMNS
        if stdout.width >= _WIDE
        else training_text.MEDIUM
        if stdout.width >= _MEDIUM
        else training_text.NARROW
    )
    columns, cells = training_text.table(report, shown)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, title="Training", title_justify="left")
    for column in columns:
        words = column in ("Variant", "Stages", "Trained for", "Verified")
        table.add_column(
            column, justify="left" if words else "right", no_wrap=column in ("Variant", "Size", "Deflated")
        )
    for row, line in zip(rows, cells, strict=True):
        style = "bold green" if row.name == chosen else "dim" if row.status != "ok" else ""
        table.add_row(*map(_cell, line), style=style)
    stdout.print(table)
    for row in rows:
        if (found := training_text.three_way(row)) is not None:
            bad = "red" if found.is_failure else ""
            stdout.print(Text.assemble((f"{row.name}: ", "bold"), (training_text.parity(found), bad)))
    for remark in training_text.remarks(report):
        stdout.print(Text(remark, style="dim"))


def show_failures(variants: Sequence[VariantReport | Variant]) -> None:
    """Prints what failed or was skipped, variants with the same error together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for variant in variants:
        if variant.status != "ok":
            error = (variant.error or "no reason was recorded").removeprefix(f"{variant.name}:").strip()
            groups.setdefault((variant.status, error), []).append(variant.name)
    for (status, error), names in groups.items():
        color = "red" if status == "failed" else "yellow"
        stdout.print(Text.assemble((f"{status.capitalize()}: ", color), (", ".join(names), "bold"), f": {error}"))


def show_warnings(warnings: list[str]) -> None:
    """Prints warnings, each once."""
    if warnings:
        stdout.print(Text("\nWarnings", style="bold yellow"))
        _print_points([Text(warning) for warning in dict.fromkeys(warnings)])


def show_trained(variants: Sequence[Variant]) -> None:
    """Prints for each trained variant what it reached on the samples that were held out, and what was counted in it."""
    for variant in variants:
        if variant.training is None or variant.training.three_way is None:
            continue
        quantized = variant.training.stages[-1].kind == "quantize"
        words = [training_text.parity(variant.training.three_way, "fake-quantized" if quantized else "trained")]
        counted = training_text.compression(variant.compression)
        if counted != "–":
            words.append(f"in the file: {counted}")
        stdout.print(Text.assemble((f"{variant.name}: ", "bold"), "; ".join(words)))


def show_preflight(found: Preflight) -> None:
    """Prints what happens to each layer, how far the rebuilt model differs, and what to do."""
    show_table(
        ("Layer", "Kind", "Treatment", "How, or why not"),
        [(layer.layer, layer.kind, layer.treatment, layer.how) for layer in found.layers],
    )
    counts = ", ".join(f"{count} {kind}" for kind, count in found.counts.items() if count)
    stdout.print(f"{counts}; loaded with {found.loader}.", markup=False)
    for parity, what in (
        (found.rebuilt, "Rebuilt for Keras 2 it computes the same"),
        (found.annotated, "With its layers replaced as above it computes the same"),
    ):
        if parity is not None:
            stdout.print(
                f"{what}: the largest difference is {parity.max_abs_difference:.2g} on {parity.samples} {parity.origin} "
                f"samples (limit {parity.tolerance:.2g}).",
                style="dim",
                markup=False,
            )
    if found.problem is not None:
        stdout.print(Text("\nTrained for int8, this model would not become a file that runs", style="bold red"))
        stdout.print(found.problem, markup=False)
    fixes: dict[str, list[str]] = {}
    for layer in found.layers:
        if layer.treatment != "quantized" and layer.fix:
            fixes.setdefault(layer.fix, []).append(layer.layer)
    if fixes:
        stdout.print(Text("\nWhat to do", style="bold"))
        _print_points([Text(f"{', '.join(names)}: {fix}") for fix, names in fixes.items()])
    show_warnings(list(found.notes))


def show_bundle(found: Bundle, folder: Path) -> None:
    """Shows what a bundle holds and how exactly a device has to agree."""
    show_table(
        ("Variant", "Size", "Accuracy", "Runtime", "Tolerance"),
        [
            (
                f"{v.name} ★" if v.name == found.recommended else v.name,
                text.size(v.size_bytes),
                text.with_half_width(v.accuracy),
                f">= {v.min_runtime_version}" if v.min_runtime_version else "–",
                _tolerance(v.tolerances[v.primary_output].cpu),
            )
            for v in found.variants
        ],
    )
    count = len(found.golden.samples)
    stdout.print(
        f"{text.counted(count, 'golden sample')} of {found.name}{_right(found)}; {found.preprocessing.describe()}.",
        style="dim",
        markup=False,
    )
    if found.labels is None and found.task != "other":
        show_warnings(["The bundle has no labels: an app can only show class numbers. Give them with --labels FILE."])
    stdout.print(f"Written: {folder}, {folder}.zip", style="dim", markup=False, soft_wrap=True)


def _right(found: Bundle) -> str:
    """Returns how many golden samples the recommended variant answers as they are labelled."""
    results = [(s.label, r) for s in found.golden.samples for r in s.results if r.variant == found.recommended]
    known = [(label, r) for label, r in results if label is not None and r.top_k]
    right = sum(r.top_k[0].index == label for label, r in known)
    return f", {right} of {len(known)} answered as labelled" if known else ""


def _state(graph: Graph) -> str:
    if not graph.keeps_state:
        return "no"
    return f"yes: {'set it to zero' if graph.resettable else 'load the file anew'} before each new sequence"


def show_graph(name: str, graph: Graph) -> None:
    """Prints what `tflitekit inspect` found."""
    facts: list[tuple[str, Any]] = [
        ("Size", f"{text.size(graph.size_bytes)} ({graph.size_bytes:,} bytes), {graph.parameters:,} parameters"),
        *(("Input", spec.describe()) for spec in graph.inputs),
        *(("Output", spec.describe()) for spec in graph.outputs),
        ("Integer ops", "–" if graph.integer_op_fraction is None else f"{graph.integer_op_fraction:.0%}"),
        (
            "Minimum runtime",
            (f"TensorFlow Lite {graph.min_runtime_version}" if graph.min_runtime_version else "unknown")
            + (f" (at least; unknown: {', '.join(graph.unknown_op_versions)})" if graph.unknown_op_versions else ""),
        ),
        ("TensorFlow (Flex) ops", ", ".join(graph.select_tf_ops) or "none"),
        ("Custom ops", ", ".join(graph.custom_ops) or "none"),
        ("Dynamic tensors", f"{len(graph.dynamic_tensors)}" if graph.dynamic_tensors else "none"),
        ("Keeps state", _state(graph)),
        (
            "Signatures",
            "; ".join(f"{s.key}({', '.join(s.inputs)}) -> {', '.join(s.outputs)}" for s in graph.signatures) or "none",
        ),
        ("Metadata", ", ".join(graph.metadata) or "none"),
    ]
    if graph.description:
        facts.append(("Description", graph.description))
    stdout.print(Text(name, style="bold"))
    grid = Table.grid(padding=(0, 2))
    for key, value in facts:
        grid.add_row(Text(key, style="dim"), Text(str(value)))
    stdout.print(Padding(grid, (0, 0, 0, 2)))
    total = sum(op.weight_bytes for op in graph.ops) or 1
    show_table(
        ("Operator", "Version", "Computes in", "Count", "Weights", "Share"),
        [
            (
                op.name,
                str(op.version),
                op.compute,
                str(op.count),
                text.size(op.weight_bytes),
                f"{op.weight_bytes / total:.1%}",
            )
            for op in graph.ops
        ],
    )
    show_table(
        ("Bytes by kind", "Bytes", "Share"),
        [(kind, f"{count:,}", f"{count / graph.size_bytes:.1%}") for kind, count in graph.bytes_by_kind.items()],
    )


def _tolerance(found: Tolerance) -> str:
    """Returns 'exact', '2 steps' or '0.00012'."""
    if found.max_difference is None:
        return "no bound"
    if found.max_difference == 0:
        return "exact"
    return text.counted(int(found.max_difference), "step") if found.unit == "steps" else f"{found.max_difference:g}"
