"""The whole job through the real command line: results, resume, isolation, and every way to be interrupted."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import LINTS, interruptible, run_json

from tflitekit import schemes
from tflitekit.core.files import content_hash, locked
from tflitekit.core.process.workers import last_words
from tflitekit.results import Report, read_report

REPORT = {"schema_version", "source", "dataset", "baseline", "variants", "recommendation"}
VARIANT = {
    "name", "scheme", "status", "file", "sha256", "size_bytes", "deflated_bytes", "inputs", "outputs",
    "integer_op_fraction", "min_runtime_version", "accuracy", "drop", "latency", "peak_memory_bytes", "warnings",
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(models, shapes, tmp_path_factory):
    """One finished run: its folder and what it printed as JSON."""
    out = tmp_path_factory.mktemp("optimize")
    done = run(*arguments(models, shapes, out), "--json")
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def arguments(models, shapes, out):
    return [
        "optimize",
        models / "shapes.keras",
        "--data",
        shapes / "test",
        "--calibration",
        shapes / "train",
        "--out",
        out,
    ]


CRASHING = Path(__file__).parents[1] / "plugins" / "crashing"


def environment(**changes):
    return os.environ | {"PYTHONPATH": str(CRASHING), "COLUMNS": "160"} | changes


@pytest.fixture
def crashing(install):
    """Adds schemes that go wrong."""
    install(CRASHING, schemes._registry)


def run(*args, **options):
    command = [sys.executable, "-m", "tflitekit", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_report_has_what_is_promised(finished):
    out, printed = finished
    written = json.loads((out / "report.json").read_text())
    assert written == printed
    assert set(written) >= REPORT
    assert written["schema_version"] == 2
    assert [v["name"] for v in written["variants"]] == [
        "float32", "float16", "dynamic_range", "int8", "int8_float_fallback", "int16x8",
    ]  # fmt: skip
    for variant in written["variants"]:
        assert set(variant) >= VARIANT
        assert variant["status"] == "ok"
        path = out / variant["file"]
        assert (content_hash(path), path.stat().st_size) == (variant["sha256"], variant["size_bytes"])
        assert variant["deflated_bytes"] < variant["size_bytes"]
        assert set(variant["accuracy"]) >= {"metric", "value", "low", "high", "n"}
        assert set(variant["drop"]) >= {"value", "low", "high", "p_value", "verdict"}
        assert set(variant["latency"]) >= {"target", "median_ms", "p90_ms", "p99_ms", "runs"}
        assert variant["accuracy"]["value"] > 0.9
    assert written["dataset"]["samples"] == 120
    assert written["dataset"]["calibration_samples"] == 90
    assert set(written["recommendation"]) >= {"chosen", "reasons", "rejected"}
    assert written["recommendation"]["chosen"] in ("int8", "dynamic_range", "int8_float_fallback")
    assert any("'raw' was used" in warning["message"] for warning in written["warnings"])
    assert {warning["kind"] for warning in written["warnings"]} & LINTS == {"few-calibration-samples"}  # 90 of them
    assert {w["kind"] for variant in written["variants"] for w in variant["warnings"]} & LINTS == set()
    baseline, variant = written["variants"][0], written["variants"][3]
    right = [round(row["accuracy"]["value"] * row["accuracy"]["n"]) for row in (baseline, variant)]
    assert variant["flips"]["lost"] - variant["flips"]["won"] == right[0] - right[1]
    bins = variant["confidence"]["bins"]
    assert sum(one["n"] for one in bins) == 120
    gaps = sum(one["n"] * abs(one["accuracy"] - one["confidence"]) for one in bins) / 120
    assert variant["confidence"]["ece"] == pytest.approx(gaps)
    assert read_report(out) == Report.model_validate(written)
    assert not list(out.glob(".*.tflite*"))


def test_markdown_says_the_same(finished):
    out, printed = finished
    text = (out / "report.md").read_text()
    assert f"Recommended: {printed['recommendation']['chosen']}".replace("_", "\\_") in text
    for variant in printed["variants"]:
        assert variant["name"].replace("_", "\\_") in text
    assert "None" not in text


def test_second_run_reuses_everything_and_says_so(finished, models, shapes, cli):
    out, first = finished
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("*.tflite")}
    code, shown, error = cli(*arguments(models, shapes, out))
    assert code == 0, error
    assert "Reused from an earlier run: float32, float16, dynamic_range, int8," in shown
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.tflite")} == stamps
    again = json.loads((out / "report.json").read_text())
    doubtful = {"noisy-machine", "budget-spent"} & {
        note["kind"] for note in first["warnings"]
    }  # such are measured anew
    same = [v["latency"] for v in again["variants"]] == [v["latency"] for v in first["variants"]]
    assert same != bool(doubtful)
    assert [v["accuracy"] for v in again["variants"]] == [v["accuracy"] for v in first["variants"]]


def test_a_changed_file_or_option_is_not_reused(finished, models, shapes, tmp_path, cli):
    out = tmp_path / "copy"
    shutil.copytree(finished[0], out)
    (out / "float16.tflite").write_bytes(b"changed")
    found = run_json(cli(*arguments(models, shapes, out), "--calibration-limit", 30, "--json"))
    reused = {v["name"]: v["reused"] for v in found["variants"]}
    assert reused == {
        "float32": True, "dynamic_range": True, "float16": False,
        "int8": False, "int8_float_fallback": False, "int16x8": False,
    }  # fmt: skip
    assert {v["status"] for v in found["variants"]} == {"ok"}


def test_constraints_decide_the_exit_code(finished, models, shapes, tmp_path, cli):
    folder = tmp_path / "copy"
    shutil.copytree(finished[0], folder)
    base = (*arguments(models, shapes, folder), "--scheme", "dynamic_range")
    assert cli(*base, "--max-size", "1MB", "--max-accuracy-drop", 5, "--max-latency", 1000)[0] == 0
    code, out, _ = cli(*base, "--max-size", "100B")
    assert code == 1
    assert "No recommendation" in out
    assert "nothing meets all limits" in out
    assert "comes nearest" in out
    assert cli(*base, "--max-class-drop", 100)[0] == 0
    assert cli(*base, "--error-rate", 0.1)[0] == 2
    assert cli(*base, "--max-latency", "0.0000001")[0] == 1
    assert cli(*base, "--max-size", "small")[0] == 2
    assert cli(*base, "--deploy-on", "moon")[0] == 2
    assert cli(*arguments(models, shapes, folder), "--scheme", "int9")[0] == 2


def test_report_command(finished, cli, tmp_path):
    out, printed = finished
    views = {name: out / f"report.{name}" for name in ("html", "md", "csv")}
    written = {name: path.read_text(encoding="utf-8") for name, path in views.items()}
    views["md"].unlink()
    assert run_json(cli("report", out, "--json")) == json.loads((out / "report.json").read_text())
    assert {name: path.read_text(encoding="utf-8") for name, path in views.items()} == written
    elsewhere = tmp_path / "elsewhere"
    code, shown, _ = cli("report", out, "--format", "csv", "--format", "md", "--out", elsewhere)
    assert code == 0
    assert sorted(path.name for path in elsewhere.iterdir()) == ["report.csv", "report.md"]
    assert "report.csv" in shown
    code, _, err = cli("report", out, "--format", "pdf")
    assert code == 2
    assert "html, md, csv, all" in err
    (tmp_path / "report.json").write_text(json.dumps(printed | {"schema_version": 99}))
    code, _, err = cli("report", tmp_path)
    assert code == 2
    assert "schema version 99" in err
    assert cli("report", tmp_path / "none")[0] == 2


def test_without_calibration_the_rest_is_measured_and_the_gap_is_shown(models, shapes, tmp_path, cli):
    code, out, error = cli(
        "optimize", models / "shapes.keras", "--data", shapes / "test", "--out", tmp_path, "--limit", 30, "--json"
    )
    assert code == 0, error
    variants = {v["name"]: v for v in json.loads(out)["variants"]}
    assert {n for n, v in variants.items() if v["status"] == "skipped"} == {"int8", "int8_float_fallback", "int16x8"}
    assert "--calibration" in variants["int8"]["error"]
    assert variants["dynamic_range"]["accuracy"]["n"] == 30


def test_a_crash_and_a_hang_are_failures_of_their_own(crashing, models, tmp_path, cli):
    found = {}
    # What is converted has the time that it needs on a busy machine, and is there when the other must hang.
    for chosen, limit in (("aborts,float32,raises,float16", 600), ("hangs,float32,float16", 24)):
        given = ("--scheme", chosen, "--timeout", limit, "--out", tmp_path)
        code, out, _ = cli("convert", models / "shapes.keras", *given, "--json")
        assert code == 1
        found |= {v["name"]: v for v in json.loads(out)["variants"]}
    assert {name: v["status"] for name, v in found.items()} == {
        "aborts": "failed", "float32": "ok", "raises": "failed", "float16": "ok", "hangs": "failed",
    }  # fmt: skip
    assert "ended after 24 s" in found["hangs"]["error"]
    assert "killed by SIGABRT" in found["aborts"]["error"]
    assert "Check failed: last words" in found["aborts"]["error"]
    assert "out of luck" in found["raises"]["error"]


def test_last_words_are_not_what_loggers_say():
    log = b"""WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795730160.553778    2000 port.cc:153] oneDNN custom operations are on.
WARNING:absl:Found untraced functions
2026-11-26 22:15:44.123456: W tensorflow/core/framework/op.cc:1] words
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
F0000 00:00:1795730160.553778    2000 converter.cc:42] Check failed: last words
"""
    assert last_words(log).endswith("Check failed: last words")
    assert len(last_words(log).splitlines()) == 1


def test_a_baseline_that_fails_leaves_a_report(models, tmp_path, cli):
    np.savez(tmp_path / "data.npz", x=np.ones((4, 4), np.float32), y=np.ones((4, 2, 2)))
    code, out, _ = cli(
        "optimize", models / "flex_saved_model", "--data", tmp_path / "data.npz", "--calibration", tmp_path / "data.npz",
        "--scheme", "float16,int8", "--out", tmp_path / "o",
    )  # fmt: skip
    assert code == 1
    assert out.count("that TensorFlow Lite does not have: MatrixInverse") == 1  # said once for all
    report = read_report(tmp_path / "o")
    assert {v.name: v.status for v in report.variants} == dict.fromkeys(("float32", "float16", "int8"), "failed")
    assert report.recommendation.reasons[0].startswith("nothing can be recommended yet: the baseline float32 failed")
    assert {path.name for path in (tmp_path / "o").glob("report.*")} == {
        f"report.{kind}" for kind in ("json", "html", "md", "csv")
    }


def test_a_named_scheme_without_a_file_is_another_exit_code_than_limits_that_nothing_meets(
    finished, crashing, models, shapes, tmp_path, cli
):
    folder = tmp_path / "out"
    shutil.copytree(finished[0], folder)
    base = (*arguments(models, shapes, folder)[:-2], "--scheme", "aborts", "--max-accuracy-drop", 5, "--out", folder)
    code, out, err = cli(*base)
    assert code == 3, err
    assert "Recommended: float32" in out
    assert cli(*base, "--max-size", "10B")[0] == 1


def test_an_evaluation_that_fails_leaves_a_report(finished, models, shapes, tmp_path, cli):
    folder = tmp_path / "out"
    shutil.copytree(finished[0], folder)
    (tmp_path / "bad.py").write_text("def metric(output, label):\n    raise KeyError('x')\n")
    base = (*arguments(models, shapes, folder), "--metric", f"{tmp_path}/bad.py:metric")
    before = (folder / "report.json").read_bytes()
    assert cli(*base)[0] == 2
    assert (folder / "report.json").read_bytes() == before  # worth more than what this run found
    (folder / "report.json").unlink()
    assert cli(*base)[0] == 2
    report = read_report(folder)
    assert {v.status for v in report.variants} == {"ok"}
    assert report.recommendation.reasons[0].startswith(
        "nothing can be recommended yet: the evaluation failed: The metric"
    )


def start_and_interrupt(models, out, how):
    """Starts a conversion whose last scheme is slow, interrupts it when the first is finished."""
    command = interruptible(
        "convert", models / "shapes.keras",
        "--scheme", "float32", "--scheme", "slow", "--out", out,
    )  # fmt: skip
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (out / "float32.tflite").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(how)
    _, err = process.communicate()
    return process.returncode, err


def test_ctrl_c_keeps_what_is_finished_and_a_new_run_continues(models, tmp_path, cli):
    code, err = start_and_interrupt(models, tmp_path, signal.SIGINT)
    assert code == 130
    assert "same command continues" in err
    assert "Traceback" not in err
    found = run_json(cli("convert", models / "shapes.keras", "--scheme", "float32", "--out", tmp_path, "--json"))
    assert found["variants"][0]["reused"] is True


def test_a_killed_run_continues_where_it_was(models, tmp_path, cli):
    code, _ = start_and_interrupt(models, tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL
    stamp = (tmp_path / "float32.tflite").stat().st_mtime_ns
    code, out, error = cli(
        "convert", models / "shapes.keras", "--scheme", "float32", "--scheme", "float16", "--out", tmp_path, "--json"
    )
    assert code == 0, error
    assert [v["reused"] for v in json.loads(out)["variants"]] == [True, False]
    assert (tmp_path / "float32.tflite").stat().st_mtime_ns == stamp
    assert not [p for p in (tmp_path / ".tflitekit").iterdir() if p.is_dir()]


def test_two_runs_into_one_folder(models, shapes, tmp_path, cli):
    with locked(tmp_path):
        code, _, err = cli("convert", models / "shapes.keras", "--scheme", "float32", "--out", tmp_path)
    assert code == 2
    assert "Another tflitekit run is writing" in err


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize("size", ["24k", "80k"])
def test_a_full_disk_is_said_and_nothing_half_written_stays(models, tmp_path, size, cli):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        code, _, err = cli("convert", models / "shapes.keras", "--scheme", "float32,float16", "--out", tmp_path)
        assert code == 2
        assert "The disk is full" in err
        assert "Traceback" not in err
        for path in tmp_path.glob("*.tflite"):  # what is there is whole
            assert content_hash(path) == json.loads(path.with_suffix(".json").read_text())["sha256"]
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_hostile_names_stay_text(models, shapes, tmp_path, cli):
    labels = ["<script>alert(1)</script>", "[bold]b|c", "`x`"]
    data = tmp_path / "d"
    for index, name in enumerate(sorted(p.name for p in (shapes / "test").iterdir())):
        shutil.copytree(shapes / "test" / name, data / f"c{index}")
    (tmp_path / "labels.json").write_text(json.dumps({str(i): f"c{i}" for i in range(3)}))
    from tflitekit.render import markdown
    from tflitekit.results import ClassRecall

    found = cli("optimize", models / "shapes.keras", "--data", data, "--labels", tmp_path / "labels.json",
                "--scheme", "float32", "--out", tmp_path / "o", "--json")  # fmt: skip
    report = Report.model_validate(run_json(found))
    hostile = tuple(ClassRecall(label=label, value=1, low=1, high=1, n=1) for label in labels)
    row = report.variants[0].model_copy(update={"per_class": hostile})
    text = markdown.render(report.model_copy(update={"variants": (row,)}))
    assert "<script>" not in text
    assert "\\[bold\\]b\\|c" in text


def test_quickstart(tmp_path, cli):
    code, out, _ = cli("quickstart", "--out", tmp_path / "q")
    assert code == 0
    assert "Recommended: " in out
    report = read_report(tmp_path / "q")
    assert report.variant("float32").accuracy.value > 0.95
    assert report.dataset.classes[0] == "zero"
    assert all(v.status == "ok" for v in report.variants)
    assert cli("quickstart", "--out", tmp_path / "q")[0] == 0
