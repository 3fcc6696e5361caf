"""One screen of a run of many pieces on standard error: entries, workers, devices, and the time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from tflitekit.cli.board import Board, Row
from tflitekit.core.events import Event
from tflitekit.core.printable import printable

__all__ = ["Screen"]

_STYLES = {"working": "cyan", "done": "green", "failed": "red", "skipped": "yellow"}
_AROUND = 10
"""Lines of the screen that are no rows."""


class Screen:
    """Draws what is known while something runs; where it is no terminal, prints a line when an entry begins or ends."""

    def __init__(self, console: Console) -> None:
        self._console, self._board = console, Board()
        self._lock = threading.Lock()
        self._bars: list[RichProgress] = []
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(
                get_renderable=self._drawn, console=console, transient=True, refresh_per_second=4, redirect_stdout=False
            )
            self._live.start()

    def take(self, event: Event) -> bool:
        """Takes an event.

        Returns:
            Whether anything still runs.
        """
        with self._lock:
            before = self._board.rows[event.name].state if event.name in self._board.rows else None
            self._board.take(event)
        if self._live is None:
            self._print(event, before)
        elif not self._board.open:
            self._live.stop()
        return self._board.open > 0

    @contextmanager
    def beside(self, bars: RichProgress) -> Iterator[None]:
        """Shows bars below the rest within the block."""
        self._bars.append(bars)
        try:
            yield
        finally:
            self._bars.remove(bars)

    def _print(self, event: Event, before: str | None) -> None:
        row = self._board.rows.get(event.name)
        if event.kind == "cluster" and event.state == "started":
            self._line(f"Cluster {event.name}" + (f", dashboard {event.detail}" if event.detail else ""))
        elif event.kind == "worker" and event.state == "left":
            self._line(f"The worker {event.name} on {event.machine} is gone.")
        elif row is not None and row.is_entry and row.state != before:
            if row.state == "working" and (row.devices or not row.worked_s):
                self._line(f"{row.name}: {_where(row)}")
            elif row.ended:
                now = time.time()
                took = f" after {_clock(row.seconds(now))}" if row.worked_s else ""
                why = f": {row.detail.partition(chr(10))[0].rstrip('.')}" if row.detail else ""
                self._line(f"{row.name}: {row.state}{took}{why}; {self._summary(now)}")

    def _line(self, text: str) -> None:
        self._console.print(text, style="dim", markup=False, soft_wrap=True)

    def _summary(self, now: float) -> str:
        rows = list(self._board.rows.values())
        rows = [row for row in rows if row.is_entry] or rows  # of a suite, not the parts of its entries
        ended = sum(row.ended for row in rows)
        failed = sum(row.state == "failed" for row in rows)
        parts = [f"{ended} of {len(rows)} ended", *([f"{failed} failed"] if failed else [])]
        if left := self._board.left_s(now):
            parts.append(f"about {_clock(left)} left")
        return ", ".join(parts)

    def _drawn(self) -> RenderableType:
        with self._lock:
            return self._draw()

    def _draw(self) -> RenderableType:
        now, board = time.time(), self._board
        head = Text.assemble((board.title, "bold"), f"  {self._summary(now)}, {_clock(now - board.began)} so far")
        parts: list[RenderableType] = [head]
        if board.dashboard:
            parts.append(Text(f"Dashboard: {board.dashboard}", style="dim"))
        parts.append(self._entries(now, max(4, self._console.height - _AROUND - min(6, len(board.workers)))))
        if board.workers:
            parts += [Text(), self._workers()]
        return Group(*parts, *(bars.get_renderable() for bars in list(self._bars)))

    def _entries(self, now: float, most: int) -> RenderableType:
        """Returns what is worked on, what broke and what ended last, and how many are left out."""
        board = self._board
        table = self._table()
        rows = [*board.of("working"), *reversed(board.of("failed", "skipped", "done")), *board.of("between", "waiting")]
        for row in rows[:most]:
            table.add_row(
                Text(_both_ends(printable(row.name), self._name_width)),
                _text(_where(row), style=_STYLES.get(row.state, "dim")),
                Text(_clock(row.seconds(now)) if row.seconds(now) else "", justify="right"),
                _text(row.detail.partition("\n")[0], style="dim"),
            )
        if len(rows) > most:
            table.add_row(Text(f"and {len(rows) - most} more", style="dim"))
        return table

    def _workers(self) -> RenderableType:
        """Returns a line for each machine, and one for each device."""
        board = self._board
        table = self._table()
        machines: dict[str, list[Event]] = {}
        for worker in list(board.workers.values()):
            machines.setdefault(worker.machine or "?", []).append(worker)
        lines: list[tuple[str, str, str]] = []
        for machine, there in machines.items():
            workers = [worker for worker in there if not worker.devices]
            if workers:
                busy = [row for worker in workers for row in board.busy(worker.name)]
                lines.append((machine, f"{len(busy)} of {len(workers)} at work", ", ".join(row.name for row in busy)))
            for worker in there:
                for device in worker.devices:
                    at = [row.name for row in board.busy(worker.name) if device in row.devices]
                    lines.append((f"{device} at {machine}", "busy" if at else "free", ", ".join(at)))
        most = max(4, self._console.height // 3)
        for where, state, names in lines[:most]:
            style = "dim" if state == "free" or state.startswith("0 ") else "cyan"
            table.add_row(_text(where), Text(state, style=style), Text(), _text(names, style="dim"))
        if len(lines) > most:
            table.add_row(Text(f"and {len(lines) - most} more", style="dim"))
        return table

    @property
    def _name_width(self) -> int:
        return max(32, self._console.width // 3)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2), expand=True)
        for width in (self._name_width, 34, 7):
            table.add_column(no_wrap=True, overflow="ellipsis", max_width=width)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        return table


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style)  # so that its width is known


def _both_ends(text: str, width: int) -> str:
    """Shortens a name in the middle: those of entries differ at the end as often as at the beginning."""
    left = (width - 1) // 2
    return text if len(text) <= width else f"{text[:left]}…{text[left + 1 - width :]}"


def _where(row: Row) -> str:
    """Returns what becomes of a row at the moment, and where."""
    if row.state != "working":
        return {"between": "waiting to be measured"}.get(row.state, row.state)
    if row.devices:
        return f"measuring on {', '.join(row.devices)}"
    return f"working on {row.machine}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
