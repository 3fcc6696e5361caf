"""What would steer a terminal is spelled out, in every channel."""

import io
import json

import pytest
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tflitekit.cli import commands, console
from tflitekit.core.errors import ModelError
from tflitekit.core.files import write_json
from tflitekit.core.printable import dump_json, printable
from tflitekit.render.markdown import escape

HOSTILE = "a\x1b[31mb\x9b2Jc\u202ed\x7fe\udcfff"
SPELLED = r"a\x1b[31mb\u009b2Jc\u202ed\x7fe\xfff"


def raw(text: str) -> bool:
    return any((c < " " and c not in "\n\t") or "\x7f" <= c < "\xa0" or "\u202a" <= c <= "\u202e" for c in text)


@pytest.fixture
def screen(monkeypatch):
    file = io.StringIO()
    for stream in (console.stdout, console.stderr):
        monkeypatch.setattr(stream, "_file", file)
    return file


def test_text_is_spelled_out_and_lines_and_tabs_stay():
    assert printable(HOSTILE) == SPELLED
    assert printable("a\n\tb — é 日本語 👩‍👧") == "a\n\tb — é 日本語 👩‍👧"


@pytest.mark.parametrize(
    "show",
    [
        lambda: console.show_error(ModelError(HOSTILE, why=HOSTILE, fix=HOSTILE)),
        lambda: console.show_table(("File", HOSTILE), [(HOSTILE, HOSTILE)], title=HOSTILE),
        lambda: console.show_warnings([HOSTILE]),
        lambda: console.Bars().note(HOSTILE),
        lambda: console.stdout.print(HOSTILE, markup=False),
        lambda: console.stdout.print(Padding(Text(HOSTILE, style="bold"), 1)),
        lambda: console.stdout.print(Table.grid(HOSTILE)),
    ],
)
def test_nothing_reaches_the_terminal_raw(screen, show):
    show()
    shown = screen.getvalue()
    assert not raw(shown.replace("\x1b[0m", "").replace("\x1b[1m", ""))


def test_a_table_with_controls_is_whole(screen):
    console.show_table(("File", "Size"), [(HOSTILE, "1 kB")])
    assert SPELLED in screen.getvalue()


def test_json_is_the_same_value_without_raw_controls(capsys, tmp_path):
    value = {"name": "a\x9b2J\u202e\x7f", "text": "é\n"}
    commands.print_json(value)
    shown = capsys.readouterr().out
    assert json.loads(shown) == value and not raw(shown) and "é" in shown
    assert dump_json(value, ascii_only=True).isascii()
    write_json(tmp_path / "x.json", {"name": HOSTILE})
    content = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(content)["name"] == HOSTILE.replace("\udcff", "\\xff") and not raw(content)


def test_markdown_shows_controls():
    assert not raw(escape(HOSTILE)) and "x1b" in escape(HOSTILE)
