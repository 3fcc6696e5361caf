"""Suites: what their files may say, and that a run resumes, skips what is absent, and survives what is broken."""

import itertools
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image
from suite_files import ROOT, SMALLEST, written

from tflitekit import convert, evaluate, optimize
from tflitekit.accuracy.notes import without_baseline
from tflitekit.cli.views.suite import show_suite
from tflitekit.core.errors import BusyError, TflitekitError, UsageError
from tflitekit.core.files import locked
from tflitekit.core.progress import Progress
from tflitekit.optimization.suites import read_suite, reading, run_suite
from tflitekit.optimization.suites.file import Conversion, Data, Limits, Model, Suite
from tflitekit.optimization.suites.places import Places, order_of, root_of
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.limits import Constraints
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.options.training import TrainingOptions
from tflitekit.render.suite_text import EntryResult, render
from tflitekit.results import read_report
from tflitekit.results.recommendation import recommend

# The files


def test_settings_stay_behind_the_path_of_data(tmp_path):
    (tmp_path / "t.csv").touch()
    places = Places(tmp_path, tmp_path, Progress())
    assert places.find_data("t.csv:x=a,b:label=c") == f"{tmp_path}/t.csv:x=a,b:label=c"
    assert places.find_data("feed:samples") == "feed:samples" and places.find_data("t.csv") == tmp_path / "t.csv"


PATHS = """
data_root = "there"
constraints = { deploy_on = "board.toml" }

[[models]]
name = "m"
path = "m.tflite"
data = ["d"]
custom_objects = "layers.py"

[data.d]
evaluation = "sub/boxes.json:images=photos:ids=category-1"
calibration = "feed.py:samples"
preprocess = "own.json"
labels = "labels.txt"
metric = "metrics.py:top3"
training = { data = "t.csv:within=sub:label=c", validation = "feed:samples", class_weights = "weights.json", loss = "metrics.py:loss" }
"""


@pytest.mark.parametrize("beside", [False, True])
def test_all_paths_of_a_suite_start_at_the_same_place(tmp_path, monkeypatch, beside):
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    photos = there / "sub" / "photos" if beside else there / "photos"
    for folder in (there / "sub", elsewhere / "photos", photos):
        folder.mkdir(parents=True, exist_ok=True)
    named = (
        "m.tflite",
        "layers.py",
        "sub/boxes.json",
        "feed.py",
        "own.json",
        "labels.txt",
        "metrics.py",
        "t.csv",
        "weights.json",
    )
    for name in named:
        (there / name).touch()
    (there / "board.toml").write_text('extends = "raspberry-pi"\n')
    monkeypatch.chdir(elsewhere)
    path = written(tmp_path, PATHS)
    suite = read_suite(path)
    (entry,) = suite.entries()
    order = order_of(suite, entry, tmp_path, Places(root_of(path, suite, None), tmp_path, Progress()))
    how, training = order.how, order.options.training
    assert order.constraints.deploy_on == f"{there}/board.toml"
    assert order.options.custom_objects == f"{there}/layers.py"
    assert order.data == f"{there}/sub/boxes.json:images={photos}:ids=category-1"
    assert how.calibration == f"{there}/feed.py:samples"
    assert (str(how.preprocess), str(how.labels)) == (f"{there}/own.json", f"{there}/labels.txt")
    assert list(how.metric.values()) == [f"{there}/metrics.py:top3"]
    assert (training.loss, training.validation) == ({"": f"{there}/metrics.py:loss"}, "feed:samples")
    assert training.data == f"{there}/t.csv:within={there}/sub:label=c"
    assert str(training.class_weights) == f"{there}/weights.json"
    (there / "board.toml").unlink()
    with pytest.raises(UsageError, match=r"is wrong at constraints\.deploy_on") as refused:
        read_suite(path)
    assert f"{there}/board.toml is not there." in str(refused.value)


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
        (SMALLEST.replace("path =", "file ="), "models.1.file", "The keys are: name, path, data, constraints, batch, "),
        (SMALLEST + "batch = 3\n", "data.d.batch", "The keys are: evaluation, calibration, training, preprocess"),
        ("constraints = {max_size = 3}\n" + SMALLEST, "constraints.max_size", "max_size_bytes"),
        (SMALLEST.replace('"d"]', '"x"]'), "models.1.data.1", "needs the data 'x'"),
        (SMALLEST.replace('["d"]', '["d", "d"]'), "models.1.data", "It names 'd' twice."),
        (SMALLEST.replace('"m"', '"../m"'), "models.1.name", "It cannot be '../m'.\nGive letters from a to z, digits"),
        ("also_on_limit = 9\n" + SMALLEST, "also_on_limit", "It only applies with 'also_on'."),
        ("threads = [{a = 1}]\n" + SMALLEST, "threads", "Write whole numbers, as in 1,2,4."),
        ("threads = [0]\n" + SMALLEST, "threads.1", "It cannot be 0.\nGive 1 or more."),
        ("protocols = []\n" + SMALLEST, "protocols", "It cannot be [].\nGive at least 1."),
        ('target = "moon"\n' + SMALLEST, "target", "It cannot be 'moon'.\nChoose from: "),
        ('target = ["host", "adb:", "moon"]\n' + SMALLEST, "target", "'adb:': Write adb:SERIAL. 'moon': Choose from: "),
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
        ("target = 5\n" + SMALLEST, "target", "It cannot be 5.\nGive a text, or a list of texts."),
        (SMALLEST + "metric = 5\n", "data.d.metric", "It cannot be 5.\nGive a text, or a list of texts."),
        ("calibration_curve = true\n" + SMALLEST, "calibration_curve", "Write whole numbers"),
        (SMALLEST + '[data."é/x"]\nevaluation = "x"\n', "data.é/x", "Give letters from a to z"),
    ],
)
def test_wrong_keys_are_refused_by_name(tmp_path, text, place, words):
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as refused:
        read_suite(path)
    assert str(path) in refused.value.what
    assert f"at {place}." in refused.value.what
    assert words in str(refused.value)


TWO = """
[[models]]
name = "a"
path = "a.keras"
data = ["d"]
[[models]]
name = "b"
path = "b.keras"
data = ["e"]
[data.d]
evaluation = "d"
calibration = "c"
[data.e]
evaluation = "e"
"""


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (
            'target = ["host", "arm64-emulated"]\n' + SMALLEST,
            "target.2",
            "The target 'arm64-emulated' runs samples; it does not measure latency. Entries: m-arm64-emulated.\n"
            "Give 'target' one that measures latency, such as host, browser, adb or ssh:USER@HOST; 'also_on' takes the others.",
        ),
        ('target = "ssh"\n' + SMALLEST, "target", "ssh:USER@HOST"),
        ('also_on = ["ethos-u:ethos-u99"]\n' + SMALLEST, "also_on", "ethos-u55-128"),
        ('also_on = ["host"]\n' + SMALLEST, "also_on", "it does not run samples."),
        ('also_on = ["tflm"]\n' + SMALLEST + "stream = true\n", "also_on", "'stream' makes them one stream"),
        ('target = "adb"\nprofile = true\n' + SMALLEST, "target", "'profile' is not possible on phones"),
        (
            'target = "adb"\nprotocols = ["mlperf-tiny"]\n' + SMALLEST,
            "target",
            "does not have the protocol 'mlperf-tiny'",
        ),
        ('app = "kit.apk"\n' + SMALLEST, "app", "It has no effect on host."),
        (SMALLEST + 'metric = "topp1"\n', "data.d.metric", "There is no metric 'topp1'.\nDid you mean 'top1'? "),
        (SMALLEST + 'task = "detecton"\n', "data.d.task", "Did you mean 'detection'?"),
        (SMALLEST + 'reader = "yolov9:score=0.1"\n', "data.d.reader", "Did you mean 'yolov8'?"),
        (SMALLEST + 'reader = "yolov8:scor=0.1"\n', "data.d.reader", "has no option 'scor'"),
        (SMALLEST + 'preprocess = "imagenet-tff"\n', "data.d.preprocess", "Did you mean 'imagenet-tf'?"),
        (SMALLEST + "stream = true\nlimit = 9\n", "data.d", "'limit' draws a sample of the data"),
        ('schemes = ["int9"]\n' + SMALLEST, "schemes", "Did you mean 'int8'?"),
        ('schemes = ["int8"]\n' + TWO, "schemes", "int8 needs calibration data, and none were given.\nFull"),
        ('schemes = ["int8"]\n' + TWO, "schemes", "wrong ranges. Entries: b.\n"),
        ('schemes = ["qat"]\n' + SMALLEST, "schemes", "Give labelled ones: 'training' (a folder"),
        (
            "constraints = { min_fidelity = 90, max_accuracy_drop = 1 }\n" + SMALLEST,
            "constraints.min_fidelity",
            "'min_fidelity' is for data without labels, and 'max_accuracy_drop' for data with labels.",
        ),
        (
            "constraints = { max_class_drop = 1 }\n" + SMALLEST + "until_certain = true\n",
            "data.d.until_certain",
            "Leave out 'max_class_drop', or 'until_certain'.",
        ),
        (
            TWO.replace(
                'path = "a.keras"', "path = 'a.keras'\nconstraints = { min_fidelity = 9, max_accuracy_drop = 1 }"
            ),
            "models.1.constraints.min_fidelity",
            "and 'max_accuracy_drop' for data with labels. Entries: ",
        ),
        (TWO.replace('"b"', '"A"'), "models", "There are two models 'A'."),
        ("target = ['host', 'host']\n" + SMALLEST, "target", "It names 'host' twice."),
        (SMALLEST.replace('"m"', '"README.md"'), "models.1.name", "called README.md"),
        (SMALLEST.replace('"m"', f'"{61 * "m"}"'), "models.1.name", "Give at most 60 letters."),
        (
            "modles = 1\nprotocols = ['fast']\n" + SMALLEST.replace("path", "pth") + "limt = 3",
            None,
            "models.1.pth: There is no such key. Did you mean 'path'?\n"
            "data.d.limt: There is no such key. Did you mean 'limit'?\n"
            "modles: There is no such key. Did you mean 'models'?",
        ),
        (TWO + 'metric = "topp1"\n[data.f]\nevaluation = "f"\nmetric = "x"\n', "data.e.metric", "'topp1'"),
        (
            "also_on = ['host']\n" + TWO + 'metric = "topp1"\n',
            None,
            "also_on: The target 'host' measures latency; it does not run samples.",
        ),
    ],
)
def test_what_no_machine_could_do_is_refused_when_the_file_is_read(tmp_path, text, place, words):
    with pytest.raises(UsageError) as refused:
        read_suite(written(tmp_path, text))
    assert (f" at {place}." if place else " places.") in refused.value.what
    assert words in str(refused.value)


ANYTHING = [
    0,
    -1,
    1.5,
    True,
    "x",
    "",
    [],
    [1],
    [[]],
    ["a", "a"],
    {},
    {"a": 1},
    [{}],
    "a,b",
    "-",
    "~",
    "a:b",
    "a=b",
    10**18,
]
TABLES = {
    Suite: lambda content: content,
    Model: lambda content: content["models"][0],
    Data: lambda content: content["data"]["d"],
    Conversion: lambda content: content.setdefault("conversion", {}),
    Limits: lambda content: content.setdefault("constraints", {}),
    TrainingOptions: lambda content: content["data"]["d"].setdefault("training", {"data": "d"}),
}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_any_value_of_any_key_is_read_or_refused_in_words(table, monkeypatch):
    for key, value in itertools.product(table.model_fields, ANYTHING):
        content = {"models": [{"name": "m", "path": "m", "data": ["d"]}], "data": {"d": {"evaluation": "d"}}}
        TABLES[table](content)[key] = value
        monkeypatch.setattr(reading, "read_toml", lambda path, content=content: content)
        with suppress(UsageError):
            read_suite("s.toml")


def test_a_target_that_there_is_not_is_refused_before_anything_is_converted(tmp_path):
    with pytest.raises(UsageError, match="There is no target 'moon'"):
        optimize(object(), data=([[0.0], [1.0]], [0, 1]), out=tmp_path, target="moon")


NOBODY = "tcp://127.0.0.1:9"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda out: optimize(out / "m.keras", data="d", out=out, metric="topp1", cluster=NOBODY),
            "Did you mean 'top1'",
        ),
        (lambda out: optimize(out / "m.keras", data="d", out=out, cluster=NOBODY), "There is no model"),
        (lambda out: optimize("d", data="d", out=out, target="tflm", cluster=NOBODY), "does not measure latency"),
        (lambda out: convert(out / "m.keras", schemes=["float16"], out=out, cluster=NOBODY), "There is no model"),
        (lambda out: convert("d", schemes=["int8"], out=out, cluster=NOBODY), "int8 needs calibration data"),
        (lambda out: evaluate(out / "m.tflite", data="d", metric="topp1", cluster=NOBODY), "Did you mean 'top1'"),
        (lambda out: evaluate(out / "m.tflite", data="d", cluster=NOBODY), "m.tflite"),
    ],
)
def test_what_is_wrong_is_told_before_a_cluster_is_asked(tmp_path, call, words):
    with pytest.raises(TflitekitError, match=words):
        call(tmp_path)


def test_no_cluster_is_asked_where_nothing_can_be_done(tmp_path):
    text = SMALLEST.replace('"d"]', '"d", "e"]') + f'[data.e]\nevaluation = "{tmp_path}"\npreprocess = "p.json"\n'
    (tmp_path / "m.keras").write_text("no model")
    (tmp_path / "p.json").write_text("{")
    first, second = run_suite(written(tmp_path, text), out=tmp_path / "out", cluster=NOBODY)
    assert (first.status, second.status) == ("skipped", "failed")
    assert "is damaged or truncated" in second.error and not (tmp_path / "out" / "small" / "m-e").exists()


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
    return f"{entry.error} {entry.fix}"


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


def test_the_published_suite_is_skipped_without_its_data_which_is_no_success(tmp_path):
    command = [sys.executable, "-m", "edge_benchmarks", "resnet8_cifar10", "--out", tmp_path, "--data-root", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 1, done.stderr
    assert "skipped" in done.stdout
    assert "resnet8_cifar10.h5 is not there" in " ".join(done.stdout.split())


def test_home_is_where_its_owner_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "m.keras").touch()
    assert Places(Path("elsewhere"), tmp_path, Progress()).find("~/m.keras") == tmp_path / "m.keras"


# Runs


def test_events_on_standard_output_are_alone_there(tmp_path, cli):
    _, out, err = cli("suite", written(tmp_path, SMALLEST), "--out", tmp_path / "out", "--events", "-")
    states = [(event["kind"], event["state"]) for event in map(json.loads, out.splitlines())]
    assert states == [("run", "started"), ("entry", "waiting"), ("entry", "skipped"), ("run", "ended")]
    assert "Recommended" in err and "m was skipped: " in err
    assert "Recommended" in cli("suite", written(tmp_path, SMALLEST), "--out", tmp_path / "out")[1]


def test_a_suite_runs_once_at_a_time_in_one_folder(tmp_path):
    path = written(tmp_path, SMALLEST)
    with locked(tmp_path / "out" / "small"), pytest.raises(BusyError, match="Another tflitekit run is writing"):
        run_suite(path, out=tmp_path / "out")


def test_results_are_not_written_among_class_folders(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    model = ROOT / "tests" / "data" / "converted" / "shapes" / "float32.tflite"
    with pytest.raises(UsageError, match="The results would lie among the data"):
        optimize(model, data=tmp_path, out=tmp_path / "out", schemes=["float32"])
    assert not (tmp_path / "out").exists()


def test_a_run_without_any_latency_has_its_table():
    report = read_report(ROOT / "tests" / "data" / "report-version-1.json")
    rows = tuple(row.model_copy(update={"latency": None}) for row in report.variants)
    found = render("s", "", [EntryResult(name="m", status="ok", report=report.model_copy(update={"variants": rows}))])
    assert "## m" in found and "Latency on" not in found


def test_an_entry_for_which_nothing_is_recommended_says_why(capsys):
    report = read_report(ROOT / "tests" / "data" / "report-version-1.json")
    limits = report.constraints.model_copy(update={"max_size_bytes": 1})
    none = recommend(report.variants, limits, baseline=report.baseline)
    entry = EntryResult(name="m", status="ok", report=report.model_copy(update={"recommendation": none}))
    show_suite([entry], Path("README.md"))
    why = "Nothing meets all limits. dynamic_range comes nearest: "
    assert f"m: {why}" in " ".join(capsys.readouterr().out.split())
    assert why in render("s", "", [entry]).replace("\\", "")
    assert entry.to_json()["why_nothing"].startswith(why)
    assert EntryResult(name="m", status="ok", report=report).to_json()["why_nothing"] is None


def test_a_baseline_that_failed_is_told_with_its_error():
    report = read_report(ROOT / "tests" / "data" / "report-version-1.json")
    error = "float32: the model uses operators.\nReplace them."
    failed = [
        row.model_copy(update={"status": "failed", "error": error}) if row.name == report.baseline else row
        for row in report.variants
    ]
    (unfit,) = without_baseline(failed, report.baseline)
    none = recommend(failed, report.constraints, baseline=report.baseline, unfit=unfit)
    entry = EntryResult(
        name="m", status="ok", report=report.model_copy(update={"recommendation": none, "variants": tuple(failed)})
    )
    assert entry.why_nothing.startswith("Nothing can be recommended yet: the baseline float32 failed")
    assert entry.why_nothing.endswith("float32: the model uses operators. Replace them.")
