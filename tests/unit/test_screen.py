"""The screen of a run of many pieces, and its events as JSON lines."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tflitekit.cli import console
from tflitekit.cli.board import Board
from tflitekit.cli.events import written_events
from tflitekit.cli.screen import Screen
from tflitekit.core.errors import StorageError, UsageError
from tflitekit.core.events import Event
from tflitekit.core.progress import Progress

HOSTILE = "a\x1b[31m[red]b"


def event(kind, name, state, time, **found):
    return Event(kind=kind, name=name, state=state, time=time, **found)


def story(names=("a", "b", "c", "d")):
    """Two workers and a device; the first entry is done after 30 s of work, the second waits to be measured."""
    first, second, third, *_ = names
    one, two, phone = ({"machine": "m", "worker": f"tcp://{number}"} for number in (1, 2, 3))
    return [
        event("run", "suite", "started", 0),
        *(event("entry", name, "waiting", 0) for name in names),
        event("cluster", "tcp://s", "started", 1, detail="http://s:8787/status"),
        event("worker", "tcp://1", "joined", 1, machine="m"),
        event("worker", "tcp://2", "joined", 1, machine="m"),
        event("worker", "tcp://3", "joined", 1, machine="m", devices=("adb:X", "adb:Y")),
        event("task", first, "waiting", 1),
        event("task", first, "working", 2, **one),
        event("task", second, "working", 2, **two),
        event("task", first, "working", 5, detail="Converting 3/6", **one),
        event("task", first, "done", 12, seconds=10, **one),
        event("task", second, "done", 12, seconds=10, **two),
        event("task", first, "waiting", 12, devices=("adb:X",)),
        event("task", first, "working", 12, devices=("adb:X",), **phone),
        event("task", first, "done", 32, seconds=20, devices=("adb:X",), **phone),
        event("entry", first, "done", 32),
        event("task", second, "working", 32, devices=("adb:X",), **phone),
        event("task", third, "working", 32, detail="Evaluating 8 variants 10/20", **one),
    ]


def told(events):
    board = Board(began=0)
    for one in events:
        board.take(one)
    return board


def test_time_left_is_known_when_an_entry_is_done():
    events = story()
    done = next(number for number, one in enumerate(events) if (one.kind, one.state) == ("entry", "done"))
    assert told(events[:done]).left_s(32) is None
    # Of 30 s each, b has 20 s left, and c and d the whole; two workers do them, those of devices aside.
    assert told(events).left_s(32) == (20 + 30 + 30) / 2


def test_an_entry_is_what_its_tasks_are():
    events, states = story(), []
    for number in range(len(events)):
        row = told(events[: number + 1]).rows.get("a")
        state = row.state if row else None
        if not states or states[-1] != state:
            states.append(state)
    assert states == [None, "waiting", "working", "between", "working", "between", "done"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_screen_says_who_is_at_what(width):
    shown = Console(width=width, height=30, file=io.StringIO())
    screen = Screen(shown)
    for one in story():
        screen.take(one)
    out = Console(width=width, height=30, file=io.StringIO())
    out.print(screen._drawn())
    lines = [" ".join(line.split()) for line in out.file.getvalue().splitlines()]
    assert lines[1] == "Dashboard: http://s:8787/status"
    assert any(line.startswith("b measuring on adb:X") for line in lines)
    assert any(line.startswith("c working on m") and "Evaluating 8 variants" in line for line in lines)
    assert any(line.startswith("m 1 of 2 at work") and line.endswith("c") for line in lines)
    assert any(line.startswith("adb:X at m busy") and line.endswith("b") for line in lines)
    assert "adb:Y at m free" in lines
    said = shown.file.getvalue().splitlines()  # which is no terminal
    assert said[:2] == ["Cluster tcp://s, dashboard http://s:8787/status", "a: working on m"]
    assert "a: measuring on adb:X" in said
    assert any(line.startswith("a: done after 0:30; 1 of 4 ended, about ") for line in said)


def test_many_entries_fit_on_the_screen():
    screen = Screen(Console(width=80, height=24, file=io.StringIO()))
    for one in story([f"entry-{number}" for number in range(200)]):
        screen.take(one)
    out = Console(width=80, height=24, file=io.StringIO())
    out.print(screen._drawn())
    assert len(out.file.getvalue().splitlines()) <= 24 and "and 189 more" in out.file.getvalue()


def test_names_on_the_screen_are_shown_as_they_are(monkeypatch):
    shown = console._PrintableConsole(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(console, "stderr", shown)
    bars = console.Bars()
    for one in story((HOSTILE, "b", "c")):
        bars.event(one)
    with bars.task("Beside", 2) as advance:
        advance(1)
        bars._screen._live.refresh()
    bars.event(event("cluster", "tcp://s", "ended", 40))
    bars.event(event("run", "suite", "ended", 40))
    bars.event(event("worker", "tcp://1", "left", 41))  # late news open no new screen
    said = shown.file.getvalue()
    assert r"a\x1b[31m[red]b" in said and HOSTILE not in said and "Beside" in said


def test_events_are_json_lines(tmp_path):
    with written_events(tmp_path / "events.jsonl", Progress(), as_json=True) as progress:
        for one in story((HOSTILE, "b", "c")):
            progress.event(one)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [Event.model_validate_json(line) for line in lines] == story((HOSTILE, "b", "c"))
    assert json.loads(lines[0]) == {"kind": "run", "name": "suite", "state": "started", "time": 0}
    with pytest.raises(UsageError, match="standard output"), written_events(Path("-"), Progress(), as_json=True):
        pass
    absent = tmp_path / "absent" / "events.jsonl"
    with (
        pytest.raises(StorageError, match="Cannot write ") as told,
        written_events(absent, Progress(), as_json=True),
    ):
        pass
    assert told.value.fix == "Name another file: --events FILE."


def test_a_run_goes_on_where_events_cannot_be_written():
    class Noted(Progress):
        def __init__(self):
            self.notes, self.events = [], []

        def note(self, message):
            self.notes.append(message)

        def event(self, event):
            self.events.append(event)

    noted = Noted()
    with written_events(Path("/dev/full"), noted, as_json=False) as progress:
        for one in story():
            progress.event(one)
    assert noted.notes == ["Events are no longer written: No space left on device."]
    assert len(noted.events) == len(story())
