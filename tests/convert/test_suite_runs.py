"""Suites of real runs."""

import json
import re

import pytest
from conftest import run_json
from suite_files import SMALLEST, written

from tflitekit import read_report
from tflitekit.core.errors import UsageError
from tflitekit.core.machine import machine_name
from tflitekit.optimization.suites import run_suite
from tflitekit.render.text import size


@pytest.fixture(scope="module")
def suite(models, shapes, tmp_path_factory):
    """A suite with entries that work, that break in two ways, and whose model is absent."""
    text = f"""
    description = "What <b>breaks</b> and what does not."
    schemes = ["float32", "dynamic_range"]
    rounding = "nearest"
    conversion = {{ jobs = 1, seed = 7 }}
    data_root = "{models}"
    constraints = {{max_accuracy_drop = 2.0}}

    [[models]]
    name = "lambda"
    path = "lambda.keras"
    data = ["shapes"]

    [[models]]
    name = "shapes"
    path = "shapes.keras"
    data = ["shapes"]
    batch = 2

    [[models]]
    name = "absent"
    path = "absent.keras"
    data = ["shapes"]

    [[models]]
    name = "metric"
    path = "shapes.keras"
    data = ["bad"]

    [data.shapes]
    evaluation = "{shapes}/test"
    preprocess = "raw"
    limit = 30

    [data.bad]
    evaluation = "{shapes}/test"
    preprocess = "raw"
    metric = "nowhere:nothing"
    """
    return written(tmp_path_factory.mktemp("suite"), text, "mixed.toml")


def test_a_suite_survives_a_broken_entry_and_resumes(suite, tmp_path, cli):
    code, out, _ = cli("suite", suite, "--out", tmp_path, "--update-readme", tmp_path / "results.md")
    assert code == 1
    home = tmp_path / "mixed"
    report = read_report(home / "shapes")
    assert [v.name for v in report.variants] == ["float32", "dynamic_range"]
    assert {v.inputs[0].shape for v in report.variants} == {(2, 12, 12, 1)}  # as the model's entry says
    assert (report.dataset.samples, report.constraints.max_accuracy_drop) == (30, 2.0)
    assert f"Tables: {home}/README.md" in out
    chosen = report.variants[1]
    assert re.search(rf"shapes +dynamic_range +{size(chosen.size_bytes)} +Top-1", out)
    words = " ".join(out.split())
    assert "absent was skipped: " in words and "lambda failed: " in words
    check_table(home, (tmp_path / "results.md").read_text())

    stamps = {path: path.stat().st_mtime_ns for path in home.rglob("*.tflite")}
    code, out, _ = cli("suite", suite, "--out", tmp_path, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["suite"] == "mixed"
    assert {e["name"]: e["status"] for e in found["entries"]} == {
        "lambda": "failed", "shapes": "ok", "absent": "skipped", "metric": "failed",
    }  # fmt: skip
    errors = {e["name"]: e["error"] for e in found["entries"]}
    assert "Lambda" in errors["lambda"]
    assert "nowhere" in errors["metric"]
    check_entry(found["entries"][1], home / "shapes")
    assert [(e["report"], e["recommended"], e["taken"]) for e in found["entries"] if e["status"] != "ok"] == 3 * [
        (None, None, None)
    ]
    assert len(stamps) == 2  # a metric that is nowhere is found before the conversion
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*.tflite")} == stamps
    assert all(v.reused for v in read_report(home / "shapes").variants)


def check_entry(found, folder):
    """What another program is told of an entry is what stands in its report, under the same names."""
    report = json.loads((folder / "report.json").read_text())
    row = report["variants"][1]
    wanted = found["recommended"]
    assert (found["chosen"], found["folder"], found["report"]) == (
        "dynamic_range",
        str(folder),
        f"{folder}/report.json",
    )
    assert found["machines"] == [machine_name()]
    assert wanted == {
        **{name: row[name] for name in ("name", "size_bytes", "accuracy", "likeness", "drop")},
        "file": f"{folder}/dynamic_range.tflite",
        "latency": {name: row["latency"][name] for name in wanted["latency"]},
    }
    assert wanted["latency"].keys() > {"target", "threads", "protocol", "statistic", "value_ms", "low_ms", "high_ms"}
    assert found["taken"]["files"] == ["float32", "dynamic_range"]
    assert found["taken"]["latency"] in ("taken", "again")  # by how busy this machine was


def check_table(home, text):
    """The table is made from the reports."""
    assert text == (home / "README.md").read_text()
    assert text.startswith("# mixed\n\nWhat \\<b\\>breaks")
    report = read_report(home / "shapes")
    assert "Recommended: dynamic\\_range. Accuracy on 30 samples" in text
    assert f"tflitekit {report.tool['tflitekit']}, tensorflow " in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| Variant", "| float32", "| dynamic\\_range"]
    assert "Failed: " in text


def test_embedded_digits(tmp_path, cli):
    text = """
    schemes = ["float32"]
    [[models]]
    name = "digits"
    path = "embedded:digits.keras"
    data = ["digits"]
    [data.digits]
    evaluation = "embedded:digits/test"
    labels = "embedded:labels.txt"
    preprocess = "0-1"
    limit = 50
    """
    found = run_json(cli("suite", written(tmp_path, text), "--out", tmp_path / "out", "--json"))
    assert [(e["name"], e["status"]) for e in found["entries"]] == [("digits", "ok")]
    report = read_report(found["entries"][0]["folder"])
    assert report.dataset.classes[0] == "zero"
    assert report.variants[0].accuracy.value > 0.9


def test_an_unknown_protocol_is_refused_before_anything_runs(tmp_path):
    suite = written(tmp_path, 'protocols = ["quick", "warp"]\nschemes = ["float32"]\n' + SMALLEST)
    with pytest.raises(UsageError, match=r"(?s)protocols\.2.*'warp'.*quick"):
        run_suite(suite, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
