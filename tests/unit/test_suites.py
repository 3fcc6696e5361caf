"""Suites: what their files may say, and that a run resumes, skips what is absent, and survives what is broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import run_json

from tflitekit import optimize, read_report
from tflitekit.core.errors import UsageError
from tflitekit.optimization.suites import read_suite, run_suite

ROOT = Path(__file__).resolve().parents[2]
SMALLEST = """
[[models]]
name = "m"
path = "m.keras"
data = ["d"]

[data.d]
evaluation = "test"
"""


def written(folder, text, name="small.toml"):
    path = folder / name
    path.write_text(text)
    return path


# The files


@pytest.mark.parametrize("path", sorted((ROOT / "edge_benchmarks").glob("*.toml")), ids=lambda path: path.stem)
def test_the_suites_here_are_well_formed(path):
    suite = read_suite(path)
    assert suite.entries()
    assert suite.description.endswith(".")


def test_the_documented_suite_is_well_formed(tmp_path):
    text = (ROOT / "edge_benchmarks" / "README.md").read_text()
    example = text.partition("```toml\n")[2].partition("```")[0]
    suite = read_suite(written(tmp_path, example))
    assert suite.model_fields_set == set(type(suite).model_fields)  # it shows every key
    assert suite.data["cifar10"].model_fields_set == set(type(suite.data["cifar10"]).model_fields)


def test_entries_are_models_times_data_times_protocols(tmp_path):
    text = """
    protocols = ["quick", "mlperf-mobile"]
    [[models]]
    name = "a"
    path = "a.keras"
    data = ["d", "e"]
    [[models]]
    name = "b"
    path = "b.keras"
    data = ["d"]
    [data.d]
    evaluation = "d"
    [data.e]
    evaluation = "e"
    """
    names = [name for name, *_ in read_suite(written(tmp_path, text)).entries()]
    assert names == ["a-d-quick", "a-d-mlperf-mobile", "a-e-quick", "a-e-mlperf-mobile", "b-quick", "b-mlperf-mobile"]
    assert [name for name, *_ in read_suite(written(tmp_path, SMALLEST)).entries()] == ["m"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (
            "modles = []\n" + SMALLEST,
            "modles",
            "The keys there are: description, data_root, schemes, target, protocols",
        ),
        (SMALLEST.replace("path =", "file ="), "models.1.file", "The keys there are: name, path, data."),
        (SMALLEST + "batch = 3\n", "data.d.batch", "The keys there are: evaluation, calibration, preprocess"),
        ("constraints = {max_size = 3}\n" + SMALLEST, "constraints.max_size", "max_size_bytes"),
        (SMALLEST.replace('"d"]', '"x"]'), "its top level", "wants the data 'x'"),
        (SMALLEST.replace('["d"]', '["d", "d"]'), "its top level", "two entries 'm-d'"),
        (SMALLEST.replace('"m"', '"../m"'), "models.1.name", "match pattern"),
        ("threads = [0]\n" + SMALLEST, "threads.1", "greater than or equal to 1"),
        ("protocols = []\n" + SMALLEST, "protocols", "at least 1 item"),
        ('target = "moon"\n' + SMALLEST, "target", "There is no target 'moon'. Targets: host."),
        ("data = {}", "models", "Field required"),
    ],
)
def test_wrong_keys_are_refused_by_name(tmp_path, text, place, words):
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as refused:
        read_suite(path)
    assert str(path) in refused.value.what
    assert f"at {place}." in refused.value.what
    assert words in str(refused.value)


def test_a_target_that_there_is_not_is_refused_before_anything_is_converted(tmp_path):
    with pytest.raises(UsageError, match="There is no target 'moon'"):
        optimize(object(), data=([[0.0], [1.0]], [0, 1]), out=tmp_path, target="moon")


def test_no_suite(tmp_path, cli):
    with pytest.raises(UsageError, match="is not TOML"):
        read_suite(written(tmp_path, "x = "))
    code, _, err = cli("suite", tmp_path / "none.toml")
    assert code == 2
    assert "There is no suite" in err


# Where the data are


def skipped(path, out, **options):
    (entry,) = run_suite(path, out=out, **options)
    assert entry.status == "skipped"
    return entry.error


def test_absent_data_are_skipped_and_said(tmp_path, monkeypatch):
    monkeypatch.delenv("TFLITEKIT_DATA", raising=False)
    path = written(tmp_path, 'data_root = "here"\n' + SMALLEST)
    error = skipped(path, tmp_path / "out")
    assert error.startswith(f"{tmp_path}/here/m.keras is not there.")
    assert "--data-root or TFLITEKIT_DATA" in error
    monkeypatch.setenv("TFLITEKIT_DATA", "/elsewhere")
    assert skipped(path, tmp_path / "out").startswith("/elsewhere/m.keras")
    assert skipped(path, tmp_path / "out", data_root="/given").startswith("/given/m.keras")
    readme = (tmp_path / "out" / "small" / "README.md").read_text()
    assert "Skipped: /given/m.keras is not there." in readme


def test_the_published_suite_is_skipped_without_its_data(tmp_path):
    command = [sys.executable, "-m", "edge_benchmarks", "resnet8_cifar10", "--out", tmp_path, "--data-root", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    assert "skipped" in done.stdout
    assert "resnet8_cifar10.h5 is not there" in " ".join(done.stdout.split())


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}


# Runs


@pytest.fixture(scope="module")
def suite(models, shapes, tmp_path_factory):
    """A suite with entries that work, that break in two ways, and whose model is absent."""
    text = f"""
    description = "What <b>breaks</b> and what does not."
    schemes = ["float32", "dynamic_range"]
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


@pytest.mark.convert
def test_a_suite_survives_a_broken_entry_and_resumes(suite, tmp_path, cli):
    code, out, _ = cli("suite", suite, "--out", tmp_path, "--update-readme", tmp_path / "results.md")
    assert code == 1
    home = tmp_path / "mixed"
    report = read_report(home / "shapes")
    assert [v.name for v in report.variants] == ["float32", "dynamic_range"]
    assert (report.dataset.samples, report.constraints.max_accuracy_drop) == (30, 2.0)
    assert f"Tables: {home}/README.md" in out

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
    assert found["entries"][1]["chosen"] == "dynamic_range"
    assert len(stamps) == 2  # a metric that is nowhere is found before the conversion
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*.tflite")} == stamps
    assert all(v.reused for v in read_report(home / "shapes").variants)


@pytest.mark.convert
def test_the_table_is_made_from_the_reports(suite, tmp_path, cli):
    cli("suite", suite, "--out", tmp_path, "--update-readme", tmp_path / "results.md")
    text = (tmp_path / "results.md").read_text()
    assert text == (tmp_path / "mixed" / "README.md").read_text()
    assert text.startswith("# mixed\n\nWhat \\<b\\>breaks")
    report = read_report(tmp_path / "mixed" / "shapes")
    assert "Recommended: dynamic\\_range. Accuracy on 30 samples" in text
    assert f"tflitekit {report.tool['tflitekit']}, tensorflow " in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| Variant", "| float32", "| dynamic\\_range"]
    assert "Failed: " in text


@pytest.mark.convert
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


@pytest.mark.convert
def test_an_unknown_protocol_breaks_its_entry_only(models, shapes, tmp_path):
    text = SMALLEST.replace("m.keras", str(models / "shapes.keras")).replace('"test"', f'"{shapes}/test"')
    text = 'protocols = ["warp", "quick"]\nschemes = ["float32"]\n' + text
    results = run_suite(written(tmp_path, text), out=tmp_path / "out")
    assert [(r.name, r.status) for r in results] == [("m-warp", "failed"), ("m-quick", "ok")]
    assert "warp" in results[0].error
