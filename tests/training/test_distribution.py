"""Training on several devices and by several workers: real strategies, real processes on the loopback interface."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import shape_arrays
from free_port import free_port
from hypothesis import given
from hypothesis import strategies as st

from tflitekit import ConvertOptions, TrainingOptions
from tflitekit.conversion import convert
from tflitekit.core.errors import ConversionError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.training.distributed.members import Members, parse_members, read_members
from tflitekit.training.distributed.rendezvous import Chief, follow

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 480


def cluster(addresses, kind="worker", index=0, **other):
    return {"cluster": {"worker": addresses, **other}, "task": {"type": kind, "index": index}}


def test_the_chief_comes_first_and_is_worker_0_where_there_is_none():
    addresses = ["a:1", "b:2"]
    assert parse_members(json.dumps(cluster(addresses))) == Members(("a:1", "b:2"), 0)
    assert not parse_members(json.dumps(cluster(addresses, index=1))).is_chief
    assert parse_members(json.dumps(cluster(addresses, chief=["[::1]:3"]))) == Members(("[::1]:3", "a:1", "b:2"), 1)
    assert parse_members(json.dumps(cluster(addresses, "chief", chief=["c:3"]))).is_chief


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("{", "JSON"),
        ("[" * 100_000, "JSON"),
        ("[]", "'cluster'"),
        (json.dumps({"cluster": {"worker": ["a:1"]}}), "'task'"),
        (json.dumps(cluster(["a:1"], index=1)), "worker 1"),
        (json.dumps(cluster(["a:1"], index=-1)), "worker -1"),
        (json.dumps(cluster(["a:1"], index=True)), "'index'"),
        (json.dumps(cluster(["a:1"], index="0")), "'index'"),
        (json.dumps(cluster(["a:1", "a:1"])), "same address"),
        (json.dumps(cluster(["a"])), "'a'"),
        (json.dumps(cluster(["a:99999"])), "'a:99999'"),
        (json.dumps(cluster("a:1")), "list"),
        (json.dumps(cluster([])), "no workers"),
        (json.dumps(cluster(["a:1"], ps=["b:1"])), "'ps'"),
        (json.dumps(cluster(["a:1"], "evaluator")), "'evaluator'"),
        (json.dumps(cluster(["a:1"], chief=["b:1", "c:1"])), "more than one chief"),
    ],
)
def test_a_malformed_cluster_is_an_error_that_says_how_it_must_look(value, word):
    with pytest.raises(UsageError) as caught:
        parse_members(value)
    assert word in caught.value.why
    assert '"worker": [' in caught.value.fix


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["a:1", "worker", "chief"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["cluster", "task", "worker", "chief", "type", "index"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON.map(json.dumps) | st.text(max_size=40))
def test_whatever_the_cluster_is_nothing_but_a_usage_error_comes(text):
    try:
        found = parse_members(text)
    except UsageError:
        return
    assert 0 <= found.index < len(found.workers)


def test_a_missing_cluster_is_an_error(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UsageError, match="TF_CONFIG"):
        read_members()


def test_the_command_line_refuses_a_malformed_cluster(cli, models, shapes, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["here"]}, "task": {"type": "worker", "index": 0}}')
    arguments = ("--scheme", "finetuned", "--data", shapes / "train", "--strategy", "multi-worker", "--out", tmp_path)
    code, _, err = cli("convert", models / "shapes.keras", *arguments)
    assert code == 2
    assert "'here' is not an address" in err
    assert "TF_CONFIG=" in err


# --- real training ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh(models, tmp_path_factory):
    """The small classifier as it was before it was trained: what training does to it shows."""
    import keras

    path = tmp_path_factory.mktemp("fresh") / "fresh.keras"
    keras.utils.set_random_seed(3)
    keras.models.clone_model(keras.models.load_model(models / "shapes.keras")).save(path)
    return path


def environment(**more):
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"} | more


class Workers:
    """Real processes of the command line, one for each worker; ended with the test, whatever happens."""

    def __init__(self, folder, model, data, out, *options, count=2):
        self.folder, self.processes = folder, {}
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in range(count)]
        self.command = [
            sys.executable, "-m", "tflitekit", "convert", str(model), "--data", str(data), "--out", str(out),
            "--strategy", "multi-worker", *map(str, options),
        ]  # fmt: skip

    def __enter__(self):
        for index in range(len(self.addresses)):
            self.start(index)
        return self

    def start(self, index):
        config = json.dumps(cluster(self.addresses, index=index))
        home = self.folder / str(index)
        home.mkdir(exist_ok=True)
        with (self.folder / f"worker-{index}.log").open("ab") as log:
            self.processes[index] = subprocess.Popen(
                self.command,
                env=environment(TF_CONFIG=config),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=home,
            )

    def kill(self, index):
        self.processes[index].send_signal(signal.SIGKILL)
        self.processes[index].wait()

    def said(self, index):
        return (self.folder / f"worker-{index}.log").read_text()

    def finish(self):
        """Waits for all; returns their exit codes."""
        deadline = time.monotonic() + LIMIT_S
        return [self.processes[i].wait(max(1, deadline - time.monotonic())) for i in range(len(self.addresses))]

    def __exit__(self, *_):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()


def on_one_device(model, data, out, *schemes, **options):
    training = TrainingOptions(data=data, **options)
    result = convert(model, schemes=schemes, out=out, options=ConvertOptions(training=training))
    assert [(variant.name, variant.error) for variant in result.variants if variant.error] == []


def training(out, name):
    return json.loads((out / f"{name}.json").read_text())["training"]


def losses(out, name):
    return [epoch["val_loss"] for stage in training(out, name)["stages"] for epoch in stage["history"]]


def outputs(out, name):
    """Returns what the finished file computes for unseen images."""
    from tflitekit.tflite.runtime import Model

    images, _ = shape_arrays(60, 2)
    runtime = Model(out / f"{name}.tflite")
    return np.stack([runtime.run([image[None]])[0][0] for image in images])


@pytest.fixture(scope="module")
def alone(fresh, shapes, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    on_one_device(fresh, shapes / "train", out, "finetuned", "qat", epochs=4, batch_size=8, learning_rate=0.01)
    return out


def check_like_alone(out, alone):
    # The same batches, and each gradient is the mean over the same samples, summed in another order: rounding of float32
    # (1e-7), which some forty steps of Adam amplify.
    np.testing.assert_allclose(losses(out, "finetuned"), losses(alone, "finetuned"), rtol=1e-3)
    np.testing.assert_allclose(outputs(out, "finetuned"), outputs(alone, "finetuned"), atol=1e-3)
    # Ranges follow the mean of what the replicas see in their parts of a batch, which is narrower than what the whole batch
    # spans; the weights round to other steps of int8 then.
    np.testing.assert_allclose(losses(out, "qat"), losses(alone, "qat"), rtol=0.25)
    np.testing.assert_allclose(outputs(out, "qat"), outputs(alone, "qat"), atol=0.15)


HOLD = """
import time
from pathlib import Path
import tf_keras

def wait(epoch, logs):
    finished = len(list(Path("{out}").glob(".tflitekit/trained-*/stage.json")))
    while epoch and Path("{folder}", f"hold-{{finished}}").exists():
        time.sleep(0.05)

def hold():
    return [tf_keras.callbacks.LambdaCallback(on_epoch_begin=wait)]
"""
"""Waits after the first epoch of a stage as long as there is a file for that."""


def wait_for_an_epoch(out, workers):
    """Waits for the first checkpoint of a stage; returns its folder and how many epochs it has."""
    from tflitekit.core.arrays import read_arrays

    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        for path in out.glob(".tflitekit/trained-*/checkpoint.npz"):
            facts = read_arrays(path)[1]
            if not facts["resumed_at"] and not (path.parent / "stage.json").exists():
                return path.parent, len(facts["history"])
        assert all(p.poll() is None for p in workers.processes.values()), workers.said(0) + workers.said(1)
        time.sleep(0.05)
    raise AssertionError(f"no checkpoint came: {workers.said(0)}{workers.said(1)}")


@pytest.mark.slow
def test_two_workers_of_which_each_is_killed_once_train_what_one_device_trains(fresh, shapes, alone, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "own.py").write_text(HOLD.format(out=out, folder=tmp_path))  # so that a signal comes between two epochs
    holds = [tmp_path / f"hold-{stage}" for stage in range(2)]
    for hold in holds:
        hold.touch()
    options = ("--scheme", "finetuned,qat", "--epochs", 4, "--batch-size", 8, "--learning-rate", 0.01)
    callbacks = ("--callbacks", f"{tmp_path / 'own.py'}:hold")
    with Workers(tmp_path, fresh, shapes / "train", out, *options, *callbacks) as workers:
        tuned, first = wait_for_an_epoch(out, workers)
        workers.kill(1)
        workers.start(1)
        holds[0].unlink()
        while not (tuned / "stage.json").exists():
            assert workers.processes[0].poll() is None, workers.said(0)
            time.sleep(0.05)
        quantized, second = wait_for_an_epoch(out, workers)
        workers.kill(0)
        workers.start(0)
        holds[1].unlink()
        assert workers.finish() == [0, 0], workers.said(0) + workers.said(1)
    assert quantized != tuned
    assert "Worker 1 of 2 has trained; the chief writes the results." in workers.said(1)
    assert "has trained" not in workers.said(0)
    for name, epochs in (("finetuned", first), ("qat", second)):
        (stage,) = training(out, name)["stages"]
        assert len(stage["resumed_at"]) == 1
        assert stage["resumed_at"][0] >= epochs
        assert [epoch["epoch"] for epoch in stage["history"]] == [1, 2, 3, 4]
    check_like_alone(out, alone)
    record = training(out, "qat")
    assert record["strategy"] == "multi-worker, 2 workers"
    assert record["devices"] == [f"{address} CPU" for address in workers.addresses]
    # A worker that comes when everything is finished learns that from the chief.
    with Workers(tmp_path, fresh, shapes / "train", out, *options, *callbacks) as again:
        assert again.finish() == [0, 0], again.said(0) + again.said(1)
    assert "reused" in again.said(0)


MIRRORED = """
import json, sys
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from tflitekit import ConvertOptions, convert
from tflitekit.core.errors import UsageError
from tflitekit.options.training import TrainingOptions

path, data, out, schemes, options, odd = sys.argv[1:]
model = keras.models.load_model(path)
training = TrainingOptions(data=data, strategy="mirrored", **json.loads(options))
if odd:
    try:
        options = ConvertOptions(training=training.replaced(batch_size=int(odd)))
        convert(model, schemes=schemes.split(), out=out, options=options)
    except UsageError as error:
        print(error.what)
result = convert(model, schemes=schemes.split(), out=out, options=ConvertOptions(training=training))
print([(variant.name, variant.error) for variant in result.variants if variant.error])
"""


def mirrored(model, data, out, *schemes, odd="", **options):
    """Trains on two devices; ``odd`` is a batch size that is tried first."""
    given = (model, data, out, " ".join(schemes), json.dumps(options), odd)
    command = [sys.executable, "-c", MIRRORED, *map(str, given)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("[]"), done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.thorough
def test_two_mirrored_devices_train_what_one_device_trains(fresh, shapes, tmp_path):
    """Every kind of stage, with distillation."""
    compressed, options = "pruned_clustered_qat:clusters=8", {"epochs": 2, "batch_size": 16, "distill": 0.5}
    said = mirrored(fresh, shapes / "train", tmp_path / "two", "finetuned", compressed, odd=9, **options)
    assert "A batch of 9 samples cannot be divided evenly among 2 devices." in said
    on_one_device(fresh, shapes / "train", tmp_path / "one", "finetuned", compressed, **options)
    for name in ("finetuned", "pruned_clustered_qat-clusters-8"):
        one, two = (training(tmp_path / part, name) for part in ("one", "two"))
        assert (two["strategy"], two["devices"]) == ("mirrored, 2 replicas", ["CPU:0", "CPU:1"])
        for before, after in zip(one["stages"], two["stages"], strict=True):
            # Rounding; ranges of activations differ while quantizing (see above).
            loose = before["kind"] == "quantize"
            a, b = ([epoch["val_loss"] for epoch in stage["history"]] for stage in (before, after))
            np.testing.assert_allclose(b, a, rtol=0.05 if loose else 1e-3)
    one, two = (outputs(tmp_path / part, "finetuned") for part in ("one", "two"))
    np.testing.assert_allclose(two, one, atol=1e-3)


@pytest.mark.slow
def test_what_one_worker_cannot_do_ends_the_training_of_all_with_its_reason(fresh, shapes, tmp_path):
    (tmp_path / "0").mkdir()  # where the chief runs
    loss = "def loss(y, p):\n    import tf_keras\n    return tf_keras.losses.sparse_categorical_crossentropy(y, p)\n"
    (tmp_path / "0" / "own_loss.py").write_text(loss)
    options = ("--scheme", "finetuned", "--batch-size", 8, "--loss", "own_loss:loss")
    with Workers(tmp_path, fresh, shapes / "train", tmp_path / "out", *options) as both:
        assert both.finish() == [1, 0], both.said(0) + both.said(1)
    said = " ".join(both.said(0).split())
    assert f"Worker 1 ({both.addresses[1]}) cannot train. The loss 'own_loss:loss' cannot be loaded" in said


# --- how workers find each other --------------------------------------------------------------------------------------

TWO = ("127.0.0.1:1", "127.0.0.1:2")


def follow_as_worker_1(work, command="same"):
    return follow(Members(TWO, 1), work, command, model=Path("m.keras"), custom_objects=None, progress=Progress())


def test_a_worker_ends_with_what_the_chief_says(tmp_path):
    with Chief(Members(TWO, 0), tmp_path, "same", Progress()) as chief, ThreadPoolExecutor() as pool:
        came = pool.submit(follow_as_worker_1, tmp_path)
        chief.release({"found": 1})
        assert came.result(LIMIT_S) == {"found": 1}


def test_a_worker_with_another_command_is_refused(tmp_path):
    with (
        Chief(Members(TWO, 0), tmp_path, "same", Progress()),
        pytest.raises(UsageError, match="different command from the chief"),
    ):
        follow_as_worker_1(tmp_path, "other")


def test_a_chief_that_fails_ends_the_workers(tmp_path):
    with ThreadPoolExecutor() as pool:
        with (
            contextlib.suppress(RuntimeError),
            Chief(Members(TWO, 0), tmp_path, "same", Progress()),
        ):
            came = pool.submit(follow_as_worker_1, tmp_path)
            said = tmp_path / "workers" / "chief.json"
            while not (said.is_file() and json.loads(said.read_text())["tokens"]):  # the chief names it
                time.sleep(0.01)
            raise RuntimeError("no more")
        with pytest.raises(ConversionError, match=r"(?s)The chief gave up.*no more"):
            came.result(LIMIT_S)


def test_what_was_announced_in_an_earlier_run_is_not_followed(tmp_path, monkeypatch):
    from tflitekit.training.distributed import rendezvous

    with contextlib.suppress(RuntimeError), Chief(Members(TWO, 0), tmp_path, "same", Progress()):
        raise RuntimeError("of yesterday")
    monkeypatch.setattr(rendezvous, "PATIENCE_S", 1.0)
    with pytest.raises(UsageError, match="has not been heard of"):
        follow_as_worker_1(tmp_path)


def test_a_worker_that_is_not_the_chief_cannot_optimize_and_takes_no_lock(cli, models, shapes, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster(list(TWO), index=1)))
    train = ("--train", shapes / "train", "--strategy", "multi-worker", "--scheme", "finetuned")
    code, _, err = cli("optimize", models / "shapes.keras", "--data", shapes / "test", *train, "--out", tmp_path)
    assert code == 2
    assert "can only take part in training" in " ".join(err.split())
    assert not list(tmp_path.iterdir())
