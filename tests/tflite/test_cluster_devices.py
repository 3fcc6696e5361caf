"""A device on a cluster: a worker that measures on a real board is killed in the middle."""

from __future__ import annotations

import shutil
import signal
import threading

import psutil
import pytest
from dask_cluster import DaskCluster
from suite_files import written

from tflitekit.optimization.suites import run_suite

pytest_plugins = ["sshd"]

SUITE = """
schemes = ["dynamic_range"]
constraints = {{max_accuracy_drop = 2.0}}
{target}

[[models]]
name = "one"
path = "{model}"
data = ["few"]

[data.few]
evaluation = "{shapes}/test"
calibration = "{shapes}/train"
preprocess = "raw"
limit = 30
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    found = DaskCluster(tmp_path_factory.mktemp("cluster"))
    found.join("--workers", "1")
    yield found
    found.close()


def outcome(entries):
    """What has to be the same wherever and however often it was run: files, scores and verdicts."""
    return {
        (entry.name, row.name): (entry.status, entry.error, row.sha256, row.accuracy, row.drop, row.hits)
        for entry in entries
        for row in entry.report.variants
    }


@pytest.mark.thorough
def test_a_worker_that_is_killed_while_it_measures_on_a_device_changes_nothing(
    cluster, quick_board, variants, shapes, tmp_path
):
    text = {"model": variants / "float32.tflite", "shapes": shapes}
    alone = run_suite(written(tmp_path, SUITE.format(target="", **text)), out=tmp_path / "alone")
    shutil.copytree(tmp_path / "alone", tmp_path / "spread")  # what the device does is left
    # Both offer the same board.
    programs = [cluster.join("--workers", "0", "--device", quick_board.target) for _ in range(2)]
    cluster.wait(3)
    done, killed = threading.Event(), []

    def kill() -> None:
        while not done.wait(0.02):
            if not quick_board.paused.exists():
                continue
            for worker in [child for program in programs for child in psutil.Process(program.pid).children()]:
                try:
                    if any("hold alone" in " ".join(child.cmdline()) for child in worker.children()):
                        worker.send_signal(signal.SIGKILL)
                        killed.append(worker.pid)
                        return quick_board.pause.unlink()
                except psutil.NoSuchProcess:
                    continue

    quick_board.pause.touch()  # the first measurement goes on when its worker is dead
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    suite = written(tmp_path, SUITE.format(target=f'target = "{quick_board.target}"', **text))
    spread = run_suite(suite, out=tmp_path / "spread", cluster=cluster.address)
    done.set()
    killer.join()
    assert killed
    assert outcome(spread) == outcome(alone)
    assert all(row.latency is not None for entry in spread for row in entry.report.variants)
