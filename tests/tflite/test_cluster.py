"""Suites on a real cluster: scheduler and workers are programs of their own, and two of them are killed."""

from __future__ import annotations

import signal
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import shape_arrays
from dask_cluster import DaskCluster
from suite_files import written

import tflitekit as tk
from tflitekit.core.errors import UsageError
from tflitekit.core.machine import machine_name
from tflitekit.core.progress import Progress
from tflitekit.optimization.suites import run_suite
from tflitekit.optimization.suites.on_cluster import are_in_parts

pytest_plugins = ["sshd"]

SUITE = """
schemes = ["float32", "int8"]
rounding = "nearest"
target = "{target}"
constraints = {{max_accuracy_drop = 2.0}}

[[models]]
name = "one"
path = "{model}"
data = ["few", "many"]

[data.few]
evaluation = "{shapes}/test"
calibration = "{shapes}/train"
preprocess = "raw"
limit = 30

[data.many]
evaluation = "{shapes}/test"
calibration = "{shapes}/train"
preprocess = "raw"
"""


@pytest.fixture(scope="module")
def cluster(quick_board, tmp_path_factory):
    found = DaskCluster(tmp_path_factory.mktemp("cluster"))
    found.join("--workers", "2")
    found.join("--workers", "0", "--device", quick_board.target, TFLITEKIT_QUICK_BUDGET_S="0.1")
    found.wait(3)
    yield found
    found.close()


def outcome(entry):
    """What has to be the same wherever and however often it was run: files, scores and verdicts."""
    rows = {row.name: (row.sha256, row.accuracy, row.drop, row.hits, row.confusion) for row in entry.report.variants}
    return entry.name, entry.status, entry.error, rows, entry.report.recommendation.chosen


class Heard(Progress):
    def __init__(self):
        self.events = []

    def event(self, event):
        self.events.append(event)


def check_events(events, cluster, entries, device):
    told = [(event.kind, event.name, event.state) for event in events]
    assert told[0] == ("run", "small", "started") and told[-1] == ("run", "small", "ended")
    assert ("cluster", cluster, "started") in told and ("cluster", cluster, "ended") in told
    assert {event.detail for event in events if event.kind == "cluster"} == {None}  # this scheduler has no dashboard
    workers = {event.name for event in events if event.kind == "worker" and event.state == "joined"}
    tasks = [event for event in events if event.kind == "task"]
    for name in entries:
        states = [event.state for event in tasks if event.name == name]
        assert states.count("waiting") == states.count("done") == 2 and states[0] == "waiting" and "working" in states
        assert [event.state for event in events if (event.kind, event.name) == ("entry", name)] == ["waiting", "done"]
        assert [event.devices for event in tasks if (event.name, event.state) == (name, "done")] == [(), (device,)]
    working = [event for event in tasks if event.state == "working"]
    assert {event.machine for event in working} == {socket.gethostname()} and len(workers) >= 3
    assert any((event.detail or "").startswith(f"Measuring latency on {device}") for event in working)
    assert all(event.seconds > 0 for event in tasks if event.state == "done")
    assert sum(len(event.model_dump_json()) for event in working) < 100_000  # what went through the scheduler


def kill_when(find, after=lambda: None):
    """Kills the first process that is found, in a thread that then ends."""

    def kill():
        while not (found := find()):
            time.sleep(0.05)
        found[0].send_signal(signal.SIGKILL)
        killed.append(found[0].pid)
        after()

    killed = []
    threading.Thread(target=kill, daemon=True).start()
    return killed


@pytest.mark.slow
def test_a_suite_on_a_cluster_is_that_of_one_machine_where_a_worker_and_one_at_a_device_are_killed(
    cluster, quick_board, variants, shapes, tmp_path, cli
):
    places = {"model": variants / "float32.tflite", "shapes": shapes}
    alone = run_suite(written(tmp_path, SUITE.format(target="host", **places)), out=tmp_path / "alone")
    suite, heard = written(tmp_path, SUITE.format(target=quick_board.target, **places)), Heard()
    quick_board.pause.touch()  # the first measurement goes on when its worker is dead
    killed = kill_when(lambda: cluster.working(0) if list(tmp_path.glob("spread/*/*/*.tflite")) else [])
    killed_there = kill_when(
        lambda: cluster.working(1) if killed and quick_board.paused.exists() else [], after=quick_board.pause.unlink
    )
    spread = run_suite(suite, out=tmp_path / "spread", cluster=cluster.address, progress=heard)
    assert len(killed) == len(killed_there) == 1
    here = machine_name()
    for one, other in zip(alone, spread, strict=True):
        assert outcome(one) == outcome(other)
        for row in other.report.variants:
            assert (row.places.converted, row.places.evaluated, row.places.measured) == (here, (here,), here)
            assert (row.latency.target, row.other_latencies) == (quick_board.target, ())
        assert f"Converted on {here}, evaluated on {here}, latency measured on {here}." in (
            Path(other.folder, "report.md").read_text()
        )
        assert all(row.places is None for row in one.report.variants)
    check_events(heard.events, cluster.address, [entry.name for entry in spread], quick_board.target)
    # again, with a store: what is finished is taken and stored
    again = ("suite", suite, "--out", tmp_path / "spread", "--cluster", cluster.address, "--store", tmp_path / "store")
    assert cli(*again)[0] == 0
    stored = tk.open_store(tmp_path / "store").entries().entries
    assert [entry.model for entry in stored] == ["one", "one"]
    assert len({entry.data_sha256 for entry in stored}) == 2


@pytest.mark.parametrize(
    ("entries", "workers", "whole"),
    [(8, 12, 0), (13, 12, 12), (24, 12, 24), (12, 5, 10), (1, 1, 1), (2, 0, 2), (30, 100, 0), (60, 100, 60)],
)
def test_entries_that_would_leave_workers_idle_are_done_in_parts(entries, workers, whole):
    assert sum(not are_in_parts(left, entries, workers) for left in range(1, entries + 1)) == whole


@pytest.mark.slow
def test_files_evaluated_on_a_cluster_have_the_scores_of_one_machine(cluster, variants, spread_early, tmp_path):
    x, y = shape_arrays(1100, 3)
    np.savez(tmp_path / "many.npz", x=x, y=y)
    files = [variants / "float32.tflite", variants / "int8.tflite"]
    data = f"{tmp_path}/many.npz"
    alone = tk.evaluate(files, data=data, preprocess="raw")
    spread = tk.evaluate(files, data=data, preprocess="raw", cluster=cluster.address)
    assert [row.model_dump() for row in spread.variants] == [row.model_dump() for row in alone.variants]
    assert not list(variants.glob(".tflitekit-scores-*"))
    with pytest.raises(UsageError, match="--until-certain takes one sample after the other"):
        tk.evaluate(files, data=data, cluster=cluster.address, until_certain=True)


ONE = """
schemes = ["float32", "int8", "mixed"]
constraints = {{max_accuracy_drop = 2.0}}
conversion = {{search_budget = "2"}}

[[models]]
name = "one"
path = "{model}"
data = ["many"]

[data.many]
evaluation = "{folder}/many.npz"
calibration = "{folder}/few.npz"
preprocess = "raw"
"""


@pytest.mark.slow
def test_fewer_entries_than_workers_are_done_in_parts_by_all_of_them(cluster, variants, spread_early, tmp_path):
    for name, count, seed in (("many", 1100, 3), ("few", 120, 4)):
        x, y = shape_arrays(count, seed)
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    suite = written(tmp_path, ONE.format(model=variants / "float32.tflite", folder=tmp_path))
    (alone,) = run_suite(suite, out=tmp_path / "alone")
    heard = Heard()
    (spread,) = run_suite(suite, out=tmp_path / "spread", cluster=cluster.address, progress=heard)
    assert (spread.status, spread.error) == ("ok", None)
    assert outcome(spread) == outcome(alone)
    assert all(row.latency is not None for row in spread.report.variants)
    told = [event for event in heard.events if event.kind == "task" and event.state in ("done", "failed")]
    parts = {event.name: event.worker for event in told if event.name.startswith(f"{alone.name}: ")}
    called = {name.partition(": ")[2] for name in parts}
    assert {"int8", "mixed"} <= called and any(name.startswith("samples 1 to ") for name in called)
    assert len(set(parts.values())) == 2
    assert [event.state for event in told if event.name == alone.name] == ["done", "done"]
