"""Suites: what their files may say, and that a run resumes, skips what is absent, and survives what is broken."""

import os
import subprocess
import sys

import pytest
from suite_files import ROOT, SMALLEST, written

from tflitekit import optimize
from tflitekit.core.errors import UsageError
from tflitekit.core.progress import Progress
from tflitekit.optimization.suites import read_suite, run_suite
from tflitekit.optimization.suites.file import Conversion, Data, Limits, Model, Suite
from tflitekit.optimization.suites.places import Places
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.limits import Constraints
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.render.suite_text import EntryResult, render
from tflitekit.results import read_report

# The files


def test_settings_stay_behind_the_path_of_data(tmp_path):
    (tmp_path / "t.csv").touch()
    places = Places(tmp_path, tmp_path, Progress())
    assert places.find_data("t.csv:x=a,b:label=c") == f"{tmp_path}/t.csv:x=a,b:label=c"
    assert places.find_data("feed.py:samples") == "feed.py:samples" and places.find_data("t.csv") == tmp_path / "t.csv"


@pytest.mark.parametrize("path", sorted((ROOT / "edge_benchmarks").glob("*.toml")), ids=lambda path: path.stem)
def test_the_suites_here_are_well_formed(path):
    suite = read_suite(path)
    assert suite.entries()
    assert suite.description.endswith(".")


def test_the_documented_suite_is_well_formed(tmp_path):
    text = (ROOT / "edge_benchmarks" / "README.md").read_text()
    example = text.partition("```toml\n")[2].partition("```")[0]
    suite = read_suite(written(tmp_path, example))
    assert suite.model_fields_set == set(type(suite).model_fields)  # it shows every key of its own
    assert suite.data["cifar10"].model_fields_set == set(type(suite.data["cifar10"]).model_fields)


def test_a_suite_can_say_all_that_optimize_can():
    keys = set().union(*(table.model_fields for table in (Suite, Model, Data, Conversion, Limits)))
    wanted = {*OptimizeOptions.model_fields, *ConvertOptions.model_fields, *Constraints.model_fields}
    assert wanted - keys == {
        "protocol",
        "cluster",
        "depot",
    }  # of the first a suite has several, and the others are for who runs it
    assert Data.model_fields["training"].annotation == ConvertOptions.model_fields["training"].annotation


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
    names = [entry.name for entry in read_suite(written(tmp_path, text)).entries()]
    assert names == ["a-d-quick", "a-d-mlperf-mobile", "a-e-quick", "a-e-mlperf-mobile", "b-quick", "b-mlperf-mobile"]
    assert [entry.name for entry in read_suite(written(tmp_path, SMALLEST)).entries()] == ["m"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (
            "modles = []\n" + SMALLEST,
            "modles",
            "The keys are: description, data_root, schemes, rounding, calibration_curve, explain, target, also_on, also_on_limit, protocols",
        ),
        (SMALLEST.replace("path =", "file ="), "models.1.file", "The keys are: name, path, data, batch, "),
        (SMALLEST + "batch = 3\n", "data.d.batch", "The keys are: evaluation, calibration, training, preprocess"),
        ("constraints = {max_size = 3}\n" + SMALLEST, "constraints.max_size", "max_size_bytes"),
        (SMALLEST.replace('"d"]', '"x"]'), "its top level", "needs the data 'x'"),
        (SMALLEST.replace('["d"]', '["d", "d"]'), "its top level", "two entries 'm-d'"),
        (SMALLEST.replace('"m"', '"../m"'), "models.1.name", "It cannot be '../m'.\nGive letters from a to z, digits"),
        ("also_on_limit = 9\n" + SMALLEST, "its top level", "'also_on_limit' only applies with 'also_on'."),
        ("threads = [{a = 1}]\n" + SMALLEST, "threads", "Write whole numbers, as in 1,2,4."),
        ("threads = [0]\n" + SMALLEST, "threads.1", "It cannot be 0.\nGive 1 or more."),
        ("protocols = []\n" + SMALLEST, "protocols", "It cannot be [].\nGive at least 1."),
        ('target = "moon"\n' + SMALLEST, "target", "It cannot be 'moon'.\nChoose from: "),
        ('constraints = { deploy_on = "moon" }\n' + SMALLEST, "constraints.deploy_on", "It cannot be 'moon'."),
        ("data = {}", "models", "This key is missing.\nThe keys are: description"),
        ("protocols = 'quick'\n" + SMALLEST, "protocols", "It cannot be 'quick'.\nGive a list."),
        ("protocols = ['slow']\n" + SMALLEST, "protocols.1", "It cannot be 'slow'.\nIt takes quick, benchmark-model"),
        (SMALLEST.replace("[data.d]", "[data]"), "data.evaluation", "It cannot be 'test'.\nGive a table."),
        (SMALLEST + "training = {data = 'd', epoch = 3}\n", "data.d.training.epoch", "The keys are: data, epochs"),
        (
            SMALLEST + "training = {data = 'd', epochs = 0}\n",
            "data.d.training.epochs",
            "It cannot be 0.\nGive 1 or more.",
        ),
        (
            "conversion = {batch = 3}\n" + SMALLEST,
            "conversion.batch",
            "calibration_limit, allow_select_tf_ops, timeout_s.",
        ),
        ("rounding = 'up'\n" + SMALLEST, "rounding", "It cannot be 'up'.\nIt takes nearest or gptq"),
        (SMALLEST + "limit = 'few'\n", "data.d.limit", "It cannot be 'few'.\nGive a whole number."),
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


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}


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


# Runs


def test_a_run_without_any_latency_has_its_table():
    report = read_report(ROOT / "tests" / "data" / "report-version-1.json")
    rows = tuple(row.model_copy(update={"latency": None}) for row in report.variants)
    found = render("s", "", [EntryResult(name="m", status="ok", report=report.model_copy(update={"variants": rows}))])
    assert "## m" in found and "Latency on" not in found
