"""Reports in a real local MLflow store; no network, and no report lost when the tracker is not there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tflitekit import open_store, read_report
from tflitekit.core.errors import MissingDependencyError, TrackingError
from tflitekit.results.tracking import log_report


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """An empty sqlite store, which MLflow takes seconds to make."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "runs.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty, tmp_path, monkeypatch):
    """The URI of a store of one's own; MLflow puts artefacts into ``mlruns`` of the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty, tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def command(optimized, models, shapes, tmp_path):
    """The command line of the run in ``optimized``, in a copy of its folder: everything there is reused."""
    shutil.copytree(optimized, tmp_path / "build")
    return ["optimize", models / "shapes.keras", "--data", shapes / "test", "--calibration", shapes / "train",
            "--preprocess", "raw", "--scheme", "float32,dynamic_range,int8", "--out", tmp_path / "build"]  # fmt: skip


def only_run(store, experiment="tflitekit"):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store)
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return client, run


def test_a_run_is_logged(command, store, cli, tmp_path):
    kept = tmp_path / "kept"
    code, _, err = cli(*command, "--mlflow", store, "--mlflow-experiment", "ours", "--store", kept)
    report = read_report(tmp_path / "build")
    assert code == 0
    client, run = only_run(store, "ours")
    assert f"Logged to MLflow: experiment 'ours', run {run.info.run_id}." in err
    assert run.info.status == "FINISHED"
    (entry,) = open_store(kept).entries().entries
    assert (entry.model, entry.mlflow_run, entry.mlflow_link) == ("shapes.keras", run.info.run_id, None)
    chosen = report.recommendation.chosen
    assert run.info.run_name == f"shapes.keras: {chosen}"

    assert run.data.params["model.sha256"] == report.source.sha256
    assert run.data.params["data.sha256"] == report.dataset.sha256
    assert run.data.params["constraints.deploy_on"] == "android-cpu"
    assert run.data.params["preprocessing"].startswith("raw")
    assert run.data.params["latency.protocol"] == "quick"
    assert "data.labels" not in run.data.params
    assert run.data.tags["tflitekit.chosen"] == chosen
    assert run.data.tags["version.ai-edge-litert"] == report.tool["ai-edge-litert"]
    for variant in report.variants:
        for name, value in (
            ("top1", variant.accuracy.value), ("drop_high", variant.drop.high), ("size_bytes", variant.size_bytes),
            ("latency_p50_ms", variant.latency.median_ms), ("latency_p90_ms", variant.latency.p90_ms),
            ("peak_memory_bytes", variant.peak_memory_bytes),
        ):  # fmt: skip
            assert run.data.metrics[f"{variant.name}/{name}"] == value
    assert run.data.metrics["chosen/size_bytes"] == report.variant(chosen).size_bytes

    assert {f.path for f in client.list_artifacts(run.info.run_id)} >= {"report.json", "report.md", "model"}
    files = {f.path for f in client.list_artifacts(run.info.run_id, "model")}
    assert files == {f"model/{chosen}.tflite", f"model/{chosen}.json"}
    copy = client.download_artifacts(run.info.run_id, "report.json", str(tmp_path))
    assert json.loads(Path(copy).read_text()) == report.to_json()


def test_without_a_choice_and_with_odd_names(optimized, store):
    report = read_report(optimized)
    first = report.variants[0]
    odd = first.accuracy.model_copy(update={"metric": "metrics.py:größe|<x>"})
    rows = (first.model_copy(update={"other_metrics": (odd,), "latency": None}), *report.variants[1:])
    nothing = report.recommendation.model_copy(update={"chosen": None, "constraints_met": False})
    changed = report.model_copy(update={"variants": rows, "recommendation": nothing, "source": None, "dataset": None})
    log_report(changed, optimized, uri=store)
    client, run = only_run(store)
    assert run.data.metrics["float32/metrics.py_gr__e__x_"] == odd.value
    assert "float32/latency_p50_ms" not in run.data.metrics
    assert run.info.run_name == "report: no recommendation"
    assert run.data.tags["tflitekit.constraints_met"] == "False"
    assert not client.list_artifacts(run.info.run_id, "model")


@pytest.mark.parametrize("uri", ["http://user:secret@127.0.0.1:9", "nonsense://user:secret@x"])
def test_an_unreachable_tracker_loses_no_report(command, store, cli, tmp_path, uri):
    (tmp_path / "build" / "report.json").unlink()
    code, out, err = cli(*command, "--mlflow", uri, "--store", tmp_path / "kept")
    assert code == 2
    assert len(open_store(tmp_path / "kept").entries().entries) == 1  # which knows no tracker
    assert "Recommended: " in out
    assert "The report is written, but logging it to MLflow at " in err
    assert "secret" not in err
    assert read_report(tmp_path / "build").recommendation.chosen in out
    if uri.startswith("http"):
        code, out, _ = cli(*command, "--mlflow", uri, "--json")
        assert code == 2
        assert set(json.loads(out)) == {"error"}  # one JSON value


def test_a_run_that_fails_half_way_is_marked(optimized, store):
    report = read_report(optimized)
    bad = report.variants[0].model_copy(update={"name": "../up"})  # MLflow refuses such a path
    with pytest.raises(TrackingError, match="The report is written"):
        log_report(report.model_copy(update={"variants": (bad,)}), optimized, uri=store)
    assert only_run(store)[1].info.status == "FAILED"


def test_without_mlflow(command, cli, monkeypatch, optimized):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    code, out, err = cli(*command, "--mlflow", "sqlite:///runs.db")
    assert code == 2
    assert not out  # before the long work
    assert "pip install 'tflitekit[mlflow]'" in err
    with pytest.raises(MissingDependencyError):
        log_report(read_report(optimized), optimized, uri="sqlite:///runs.db")


OFFLINE = """
import atexit, os, socket, sys
attempts = []

def refuse(*arguments):
    attempts.append(arguments)
    raise OSError("no network here")

def judge():
    if attempts:
        os._exit(7)

socket.socket.connect = socket.getaddrinfo = refuse
atexit.register(judge)  # runs last: MLflow sends at the latest when the program ends
from tflitekit import read_report
from tflitekit.results.tracking import log_report
log_report(read_report(sys.argv[1]), sys.argv[1], uri=sys.argv[2])
"""


def test_nothing_is_sent_anywhere(optimized, store, tmp_path):
    # MLflow keeps quiet in tests and in CI by itself: here it must believe that it is used for real
    quiet = ("PYTEST", "CI", "GITHUB_", "GITLAB_", "JENKINS_", "MLFLOW_", "BUILD", "TF_BUILD", "CODEBUILD_", "DO_NOT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(quiet)}
    environment["HOME"] = str(tmp_path)

    def log(**changes):
        command = [sys.executable, "-c", OFFLINE, optimized, store]
        return subprocess.run(command, env=environment | changes, capture_output=True, text=True, check=False)

    done = log()
    assert done.returncode == 0, done.stderr
    assert only_run(store)[1].info.status == "FINISHED"
    # the user's own word counts, and shows that the test would notice
    assert log(MLFLOW_DISABLE_TELEMETRY="false").returncode == 7
