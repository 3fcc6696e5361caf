"""The terminal: tables on standard output, progress bars and messages on standard error."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from tflitekit.cli.screen import Screen
    from tflitekit.core.events import Event

__all__ = ["WORD", "Bars", "print_dim", "print_points", "show_error", "show_table", "show_warnings", "stderr", "stdout"]

_ESTIMATE_FROM = 2.0
"""Per cent of a task that have to be done before the time left is estimated."""
_LINE_EVERY_S = 30.0
WORD = 24
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


stdout = _PrintableConsole(highlight=False)
stderr = _PrintableConsole(stderr=True, highlight=False)


class Bars(Progress):
    """Progress bars on standard error; where that is not a terminal, a line now and then for work that has words for it.

    A run of many pieces has a screen of its own, which the bars are part of.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._screen: Screen | None = None

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Advance]:
        if not stderr.is_terminal:
            yield _Lines(description)
            return
        bars = _bars(with_total=total is not None)
        shown = bars if self._screen is None else self._screen.beside(bars)
        with shown:
            task = bars.add_task(description, total=total, detail="")

            def advance(steps: int, detail: str = "") -> None:
                bars.advance(task, steps)
                if detail:
                    bars.update(task, detail=detail)

            yield advance

    def note(self, message: str) -> None:
        stderr.print(message, style="dim", markup=False)

    def event(self, event: Event) -> None:
        with self._lock:
            if self._screen is None:
                if event.state != "started":
                    return  # late news of what has ended
                from tflitekit.cli.screen import Screen

                self._screen = Screen(stderr)
            if not self._screen.take(event):
                self._screen = None


def _bars(*, with_total: bool) -> RichProgress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    class TimeLeft(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            started = task.percentage >= _ESTIMATE_FROM  # the first step takes what only happens once, like tracing
            return super().render(task) if started else Text("-:--:--", style="progress.remaining")

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),  # names of files may look like markup
        BarColumn(bar_width=30),
        MofNCompleteColumn() if with_total else TextColumn(""),
        TimeElapsedColumn(),
        TimeLeft() if with_total else TextColumn(""),
        TextColumn("{task.fields[detail]}", style="dim", markup=False),
    )
    return Progress(*columns, console=stderr, transient=True)


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
    """Returns the width of each column. Where not all fit, titles and text wrap between words first, then the widest; those that lack least
    get what is left."""
    natural, widths = [], []
    for index, column in enumerate(columns):
        cells = [row[index] for row in rows]
        pieces = [word for text in (column, *(() if numeric[index] else cells)) for word in text.split()]
        natural.append(max(map(cell_len, (column, *cells))))
        least = max(map(cell_len, (*pieces, *cells) if numeric[index] else pieces), default=1)
        widths.append(least if numeric[index] else min(least, WORD))
    while sum(widths) > available and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    lacking = [most - width for most, width in zip(natural, widths, strict=True)]
    while sum(widths) < available and max(lacking) > 0:
        index = lacking.index(min(filter(None, lacking)))
        widths[index], lacking[index] = widths[index] + 1, lacking[index] - 1
    return widths


def print_dim(text: str, *, whole: bool = False) -> None:
    """Prints what is beside the point; ``whole`` breaks no line, so that paths can be copied."""
    stdout.print(Text(text, style="dim"), soft_wrap=whole)


def print_points(points: list[Text]) -> None:
    """Prints a list with bullets, continued lines below the text."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column()
    grid.add_column(overflow="fold")
    for point in points:
        grid.add_row("•", point)
    stdout.print(Padding(grid, (0, 0, 0, 2)))


def show_warnings(warnings: list[str]) -> None:
    """Prints warnings, each once."""
    if warnings:
        stdout.print(Text("\nWarnings", style="bold yellow"))
        print_points([Text(warning) for warning in dict.fromkeys(warnings)])
