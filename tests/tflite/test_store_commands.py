"""Commands that put their report into a store, with real files; and the commands of docs/store.md, as they stand there."""

import json
import re
import shlex
import shutil
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from conftest import run_json
from stored_reports import nightly
from suite_files import written

from tflitekit import open_store, read_report

DOCS = Path(__file__).parents[2] / "docs" / "store.md"


@contextmanager
def full(path, after):
    """A database that takes this many reports, and no more until it is left."""
    open_store(f"sqlite:///{path}")
    when = f"NEW.id <> '' AND (SELECT count(*) FROM tflitekit_reports) >= {after}"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            f"CREATE TRIGGER full BEFORE INSERT ON tflitekit_reports WHEN {when} BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    yield f"sqlite:///{path}"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER full")


def test_benchmark_and_evaluate_add_their_reports(variants, shapes, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keep = ("--store", "s", "--store-model", "shapes")
    code, out, err = cli("benchmark", variants / "int8.tflite", "--runs", 20, *keep, "--json")
    assert code == 0
    assert "Added to s: report" in err
    json.loads(out)
    code, _, err = cli(
        "evaluate", variants / "float32.tflite", variants / "int8.tflite", "--data", shapes / "test", *keep
    )
    assert code == 0
    assert "Added to s: report" in err
    store = open_store("s", create=False)
    timed, scored = store.entries("shapes").entries
    assert timed.rows[0].latency_ms > 0
    assert (scored.rows[1].variant, scored.rows[1].metric) == ("int8", "top1")
    assert store.report(scored).contract.preprocessing.name == "raw"
    assert scored.data_sha256
    assert timed.device == scored.device
    # the same figures again are no new report; times are
    assert (
        "Already in s"
        in cli("evaluate", variants / "float32.tflite", variants / "int8.tflite", "--data", shapes / "test", *keep)[2]
    )


def test_what_cannot_be_is_refused_before_the_work(variants, shapes, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate = ("evaluate", variants / "int8.tflite", "--data", shapes / "test")
    code, out, err = cli(*evaluate, "--store", "s")
    assert (code, out) == (2, "")
    assert "--store needs --store-model" in err
    code, _, err = cli(*evaluate, "--store-model", "x")
    assert (code, "--store-model only applies with --store" in err) == (2, True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    code, out, err = cli(*evaluate, "--store", "other", "--store-model", "x")
    assert (code, out) == (2, "")
    assert "is not a store" in err
    (open_store("in the way").folder / "reports").write_text("")
    code, out, err = cli(*evaluate, "--store", "in the way", "--store-model", "x")
    assert (code, out, "Cannot write" in err) == (2, "", True)


def test_a_report_that_cannot_be_stored_is_not_lost(variants, shapes, tmp_path, cli, monkeypatch):
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    evaluate = ("evaluate", variants / "int8.tflite", "--data", shapes / "test", "--store-model", "shapes")
    with full(tmp_path / "s.db", 0) as store:
        code, out, err = cli(*evaluate, "--store", store)
    assert code == 2
    assert "int8" in out  # what was found is shown all the same
    name = re.search(r"The report is written to (report-\d+-[0-9a-f]+\.json), but adding it to the store", err)[1]
    assert f"tflitekit store add {name} --store ... --model shapes" in err
    assert read_report(name).variants[0].name == "int8"
    assert "no room" in err
    assert cli("store", "add", name, "--store", store, "--model", "shapes")[0] == 0


SUITE = """
schemes = ["float32"]
[[models]]
name = "a"
path = "{model}"
data = ["d", "e"]
[data.d]
evaluation = "{shapes}/test"
preprocess = "raw"
limit = 20
[data.e]
evaluation = "{shapes}/train"
preprocess = "raw"
limit = 20
"""


def test_entries_of_a_suite_are_stored_as_they_end(variants, shapes, tmp_path, cli):
    pytest.importorskip("sqlalchemy")
    suite = written(tmp_path, SUITE.format(model=variants / "float32.tflite", shapes=shapes))
    with full(tmp_path / "s.db", 1) as store:
        code, out, err = cli("suite", suite, "--out", tmp_path / "out", "--store", store)
        assert len(open_store(store).entries().entries) == 1
    assert (code, "a-e" in out) == (2, True)  # the table is shown all the same
    folder = tmp_path / "out" / suite.stem / "a-e"
    words = " ".join(err.split())
    assert f"Not added to {store}: {folder}" in words
    assert words.index("Added to") < words.index("Not added to") < words.index("The report is written to")
    assert f"tflitekit store add {folder} --store ... --model a" in words
    code, out, _ = cli("store", "add", folder.parent / "a-d", folder, "--store", store, "--model", "a")
    assert [entry.model for entry in open_store(store).entries().entries] == ["a", "a"]
    assert (code, out.count("Already in"), out.count("Added to")) == (0, 1, 1)


def commands():
    """The command lines of the page, in their order."""
    blocks = re.findall(r"^```\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_commands_of_the_page_work(tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = commands()
    assert len(lines) == 11
    for report in nightly(12, model="shapes.keras", shift_at=6):
        Path("build").mkdir(exist_ok=True)
        Path("build/report.json").write_text(json.dumps(report.to_json()))
        assert cli(*shlex.split(lines[0])[1:])[0] == 0
    for line in lines:
        arguments = shlex.split(line)
        assert arguments[0] == "tflitekit"
        code, out, err = cli(*arguments[1:])
        assert (code, err) == (0, "") or "--pages" in arguments, (line, out, err)
    assert {"index.html", "history.html"} <= {path.name for path in tmp_path.iterdir()}
    assert len(list(Path("site/pages").glob("*.html"))) == 12
    listed = run_json(cli(*shlex.split(next(line for line in lines if "--json" in line))[1:]))
    assert [bool(entry["acceptance"]) for entry in listed] == [True]  # the others are removed at the end
    shutil.rmtree("build")


def test_the_python_of_the_page_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("build").mkdir()
    Path("build/report.json").write_text(json.dumps(nightly(1)[0].to_json()))
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[1]
    exec(code, {})
    assert "int8 a cpu, 2 cores []" in capsys.readouterr().out
