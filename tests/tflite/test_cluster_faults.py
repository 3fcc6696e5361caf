"""What can go wrong on a cluster: each fault happens for real to workers that are programs of their own."""

from __future__ import annotations

import itertools
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import distributed
import pytest
from dask_cluster import ROOT, DaskCluster
from suite_files import written

from tflitekit.cluster import pool as pool_module
from tflitekit.cluster import wanted
from tflitekit.cluster.crew import open_cluster
from tflitekit.core.errors import BusyError, ClusterLostError, ConversionError, DataError, MachineError
from tflitekit.core.files import locked
from tflitekit.core.machine import SHARE, machine_name
from tflitekit.core.process.workers import wait_for
from tflitekit.core.progress import Progress
from tflitekit.optimization.suites import run_suite

pytestmark = pytest.mark.slow

CLIENT = """
import sys
from tflitekit.cluster.crew import open_cluster
from tflitekit.core.process.workers import wait_for
from tflitekit.core.progress import Progress
from tflitekit.optimization.suites import run_suite
with open_cluster(sys.argv[1]) as crew, crew.pool(jobs=1, timeout_s=0.0, preload=None) as pool:
    wait_for(pool.submit("cluster_tasks:wait", {"began": sys.argv[2], "ended": sys.argv[3]}, label="long"))
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    found = DaskCluster(
        tmp_path_factory.mktemp("cluster"),
        DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="30s",
        DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1",
    )
    found.join("--workers", "2")
    found.wait(2)
    yield found
    found.close()


@pytest.fixture(scope="module")
def crew(cluster):
    with open_cluster(cluster.address) as found:
        yield found


@pytest.fixture
def pool(crew, monkeypatch):
    monkeypatch.setattr(pool_module, "_AGAIN_S", 0.2)
    with crew.pool(jobs=2, timeout_s=0.0, preload=None) as found:
        yield found


def may_mount():
    """Whether this process may have mounts of its own."""
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return (
        shutil.which("nsenter") is not None and subprocess.run(tried, capture_output=True, check=False).returncode == 0
    )


def until(true, what, timeout_s=300):
    for _ in range(timeout_s * 10):
        if true():
            return
        time.sleep(0.1)
    pytest.fail(f"{what} did not happen")


def workers_back(crew, before):
    """Waits until another process does the work of one that ended."""
    until(lambda: len(crew.workers()) == len(before) and set(crew.workers()) != before, "another worker")


def test_two_clients_who_call_their_tasks_the_same_get_their_own_answers(crew):
    with crew.pool(jobs=1, timeout_s=0.0, preload=None) as one, crew.pool(jobs=1, timeout_s=0.0, preload=None) as other:
        asked = [each.submit("cluster_tasks:name", {"value": n}, label="same") for n, each in enumerate((one, other))]
        assert [wait_for(each) for each in asked] == [0, 1]


def test_two_runs_that_measure_on_one_machine_wait_for_each_other_and_say_so(crew, tmp_path, monkeypatch):
    heard = tmp_path / "heard"
    said = (
        r"Waiting until nobody (works|measures) on this machine, (flowers|birds) \(process \d+, since \d\d:\d\d:\d\d\)"
    )

    def hear(event):
        if re.fullmatch(said, event.detail or ""):
            heard.touch()

    monkeypatch.setattr(crew._listener.progress, "event", hear)
    asked = {"seconds": 0.4, "locks": str(tmp_path), "heard": str(heard)}
    with crew.pool(jobs=1, timeout_s=0.0, preload=None) as one, crew.pool(jobs=1, timeout_s=0.0, preload=None) as other:
        runs = {"flowers": one, "birds": other}
        pieces = [
            pool.submit("cluster_tasks:piece", asked | {"name": name}, label=name, waits=False)
            for name, pool in [*runs.items()] * 2
        ]
        done = [wait_for(piece) for piece in pieces]
    measured = sorted(each["measured"] for each in done)
    assert all(ended <= next_began for (_, ended), (next_began, _) in itertools.pairwise(measured))
    worked = [each["worked"] for each in done]
    assert not [1 for began, ended in measured for start, end in worked if start < ended and began < end]


def test_no_worker_is_missed_while_the_client_refreshes_what_it_keeps(crew, monkeypatch):
    monkeypatch.setattr(
        crew.client._periodic_callbacks["scheduler-info"], "callback_time", 1
    )  # ms, instead of two seconds
    assert {len(crew.workers()) for _ in range(300)} == {2}


def test_a_full_disk_is_tried_on_another_worker_and_named(pool, tmp_path):
    told = []
    pool._told = told.append
    asked = {"folder": str(tmp_path), "once": str(tmp_path / "once")}
    wait_for(pool.submit("cluster_tasks:write", asked, label="one"))
    refused, done = told
    assert "limit on the size of a file is too low" in refused.error["what"]
    assert refused.blame == "machine"
    assert refused.worker != done.worker
    assert (tmp_path / "result.bin").stat().st_size == 1 << 16


def test_no_memory_is_tried_on_another_worker_and_named(pool, tmp_path):
    told = []
    pool._told = told.append
    assert wait_for(pool.submit("cluster_tasks:allocate", {"once": str(tmp_path / "once")}, label="one")) == 1
    refused, done = told
    assert (refused.error["what"], refused.blame) == ("There is not enough memory.", "machine")
    assert refused.worker != done.worker


def test_the_last_machine_that_lacks_memory_does_the_rest(pool):
    said = wait_for(pool.submit("cluster_tasks:fit", {}, label="one"))
    assert [f"There is not enough memory. attempt {n}" in words for n, words in enumerate(said, 1)] == [True, True]
    assert all(words.startswith(f"{machine_name()}: ") for words in said)


@pytest.fixture
def data(tmp_path):
    """A folder with a file."""
    found = tmp_path / "data"
    found.mkdir()
    (found / "picture").touch()
    return found


def test_a_folder_that_goes_away_under_a_worker_is_waited_for(pool, data, tmp_path, monkeypatch):
    told, notes = [], []
    monkeypatch.setattr(pool._listener.progress, "note", notes.append)

    def hear(answer):
        told.append(answer)
        if len(told) == 2:  # both workers have missed it
            (tmp_path / "data-away").rename(data)

    pool._told = hear
    asked = {"folder": str(data), "once": str(tmp_path / "once")}
    assert wait_for(pool.submit("cluster_tasks:unmount", asked, label="one", needs=[str(data)])) == ["picture"]
    assert [answer.blame for answer in told] in (["lost", "unseen", "task"], ["lost", "lost", "task"])
    assert notes[0].startswith(f"one: Waiting for its files. {machine_name()}: {machine_name()} does not see {data}.")
    assert len(notes) == 1


def test_a_folder_that_stays_away_is_the_machines_fault_not_the_tasks(pool, data, monkeypatch):
    monkeypatch.setattr(pool_module, "ABSENT_S", 0.5)
    asked = pool.submit("cluster_tasks:unmount", {"folder": str(data)}, label="one", needs=[str(data)])
    with pytest.raises(ConversionError, match="no machine of the cluster could do it") as raised:
        wait_for(asked)
    assert raised.value.why.startswith(f"{machine_name()}: {machine_name()} does not see {data}.")


def test_files_that_no_machine_ever_saw_are_told_at_once(pool, tmp_path):
    (tmp_path / "mnt").mkdir()  # what is left of a file system that is not mounted
    with pytest.raises(ConversionError, match="no machine of the cluster could do it") as raised:
        wait_for(pool.submit("cluster_tasks:name", {"value": 1}, label="one", needs=[str(tmp_path / "mnt")]))
    assert raised.value.why.startswith(f"{machine_name()}: {machine_name()} sees nothing in {tmp_path / 'mnt'}.")


def test_another_folder_under_the_path_of_the_results_takes_none(cluster, tmp_path):
    home = tmp_path / "results"
    home.mkdir()
    (home / ".seen-before").touch()  # of a run that was killed
    with (
        open_cluster(cluster.address, places=(str(home),)) as crew,
        crew.pool(jobs=1, timeout_s=0.0, preload=None) as pool,
    ):
        assert wait_for(pool.submit("cluster_tasks:hold", {"folder": str(home)}, label="one")) == "held"
        home.rename(tmp_path / "away")
        shutil.copytree(tmp_path / "away", home, ignore=shutil.ignore_patterns(".seen-*"))
        refused = threading.Event()
        pool._told = lambda answer: refused.set()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pool_module, "ABSENT_S", 0.0)
            asked = pool.submit("cluster_tasks:hold", {"folder": str(home)}, label="one")
            with pytest.raises(ConversionError) as raised:
                wait_for(asked)
        assert f"{machine_name()} sees another folder as {home}." in raised.value.why
        shutil.rmtree(home)
        (tmp_path / "away").rename(home)
    assert [path.name for path in home.iterdir()] == [".lock"]


def test_a_file_system_that_no_longer_answers_costs_a_worker_not_the_task(pool, cluster, crew, data, tmp_path):
    before = set(crew.workers())
    asked = {"folder": str(data), "once": str(tmp_path / "once")}
    assert wait_for(pool.submit("cluster_tasks:no_answer", asked, label="one", needs=[str(data)])) == ["picture"]
    said = (
        f"one does not go on, and its process is ended. {machine_name()} gets no answer from the file system of {data}."
    )
    assert said in cluster.log(cluster.workers[0])
    workers_back(crew, before)


@pytest.mark.skipif(not may_mount(), reason="it needs the right to mount, and util-linux")
def test_a_mount_that_one_machine_loses_is_read_on_others_until_it_is_back(cluster, crew, pool, data, tmp_path):
    """A real one; the machine is a worker with a mount namespace of its own."""
    mount, go, before = tmp_path / "mnt", tmp_path / "go", set(crew.workers())
    mount.mkdir()
    subprocess.run(["mount", "--bind", data, mount], check=True)
    other = cluster.join("--workers", "1", within=("unshare", "--mount"))

    def there(*command):
        subprocess.run(["nsenter", "--mount", "--target", str(other.pid), *command], check=True)

    def read(meanwhile=lambda: None):
        """Returns which workers read the files, and which could not. Each worker has begun, or begins, when something happens meanwhile."""
        go.unlink(missing_ok=True)
        told = []
        pool._told = told.append
        asked = [
            pool.submit("cluster_tasks:read", {"folder": str(mount), "go": str(go)}, label=str(n), needs=[str(mount)])
            for n in range(6)
        ]
        meanwhile()
        go.touch()
        assert [wait_for(each) for each in asked] == [["picture"]] * 6
        assert {answer.blame for answer in told if answer.error} <= {"lost"}
        return ({answer.worker for answer in told if bool(answer.error) == failed} for failed in (False, True))

    try:
        until(lambda: len(crew.workers()) == len(before) + 1, "joining")
        (its,) = set(crew.workers()) - before
        done, refused = read()
        assert its in done and not refused
        _, refused = read(lambda: there("umount", "--lazy", mount))
        assert refused == {its}
        done, refused = read()
        assert its not in done and refused == {its}
        there("mount", "--bind", data, mount)
        done, refused = read()
        assert its in done and not refused
    finally:
        other.terminate()
        other.wait()
        subprocess.run(["umount", "--lazy", mount], check=True)
        until(lambda: set(crew.workers()) == before, "leaving")


def test_a_task_whose_own_fault_it_is_fails_once(pool, tmp_path):
    told = []
    pool._told = told.append
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="There is no data"):
        wait_for(pool.submit("cluster_tasks:unmount", {"folder": str(tmp_path / "data")}, label="one"))
    assert len(told) == 1


def test_a_folder_that_somebody_holds_is_waited_for(pool, tmp_path, monkeypatch):
    refused = threading.Event()
    pool._told = lambda answer: refused.set()
    with locked(tmp_path):
        asked = pool.submit("cluster_tasks:hold", {"folder": str(tmp_path)}, label="one")
        assert refused.wait(300)
    assert wait_for(asked) == "held"
    monkeypatch.setattr(pool_module, "BUSY_S", 0.0)
    with locked(tmp_path), pytest.raises(BusyError, match="Another tflitekit run is writing"):
        wait_for(pool.submit("cluster_tasks:hold", {"folder": str(tmp_path)}, label="one"))


@pytest.mark.parametrize("call", ["wait", "stuck"])
def test_what_is_taken_back_ends_and_nothing_of_its_process_is_left(crew, cluster, tmp_path, call):
    asked = {"began": str(tmp_path / "began"), "ended": str(tmp_path / "ended")}
    before = set(crew.workers())
    with crew.pool(jobs=1, timeout_s=0.0, preload=None) as pool:
        future = pool.submit(f"cluster_tasks:{call}", asked, label="long")
        until((tmp_path / "began").exists, "the start")
    assert isinstance(future.exception(), MachineError)
    workers_back(crew, before)
    assert (tmp_path / "ended").exists() == (call == "wait")
    assert ("long does not stop (" in cluster.log(cluster.workers[0])) == (call == "stuck")


def test_a_worker_without_a_nanny_ends_and_says_so_where_a_task_was_stopped(crew, cluster, tmp_path):
    worker = cluster.join_without_nanny("alone=1")
    asked = {"began": str(tmp_path / "began"), "ended": str(tmp_path / "ended")}
    with crew.pool(jobs=1, timeout_s=0.0, preload=None) as pool:
        pool.submit("cluster_tasks:wait", asked, label="long", resources={"alone": 1})
        until((tmp_path / "began").exists, "the start")
    assert worker.wait(300) == 1
    assert "ends: a task of it was stopped. It has no nanny of Dask's, so start it again" in cluster.log(worker)


def test_reports_of_a_machine_whose_clock_is_wrong_have_the_clusters_time(crew, cluster, tmp_path, monkeypatch):
    """All of Python that the worker runs reads a clock that is two hours behind."""
    notes, durations = [], []
    monkeypatch.setattr(crew._listener.progress, "note", notes.append)
    (tmp_path / "sitecustomize.py").write_text("import time\ntrue = time.time\ntime.time = lambda: true() - 7200\n")
    worker = cluster.join_without_nanny("late=1", PYTHONPATH=f"{tmp_path}:{ROOT}:{ROOT / 'tests'}")
    began = datetime.now(UTC)
    with crew.pool(jobs=1, timeout_s=0.0, preload=None) as pool:
        pool._told = lambda answer: durations.append(answer.seconds)
        made = [
            wait_for(pool.submit("cluster_tasks:when_made", {}, label=str(n), resources={"late": 1})) for n in range(2)
        ]
    for created in made:
        assert began - timedelta(minutes=1) < datetime.fromisoformat(created) < datetime.now(UTC) + timedelta(minutes=1)
    assert all(0 <= seconds < 3600 for seconds in durations)
    assert len(notes) == 1
    assert re.match(rf"The clock of {machine_name()} is (1:59:5|2:00:0)\d behind the scheduler's", notes[0])
    worker.terminate()
    worker.wait()


def test_a_worker_within_a_program_takes_no_more_tasks_where_one_was_stopped(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(wanted, "_stopped", threading.Event())
    monkeypatch.setenv(SHARE, "1")
    asked = {"began": str(tmp_path / "began"), "ended": str(tmp_path / "ended")}
    there = distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        resources={"slot": 1},
        dashboard_address="127.0.0.1:0",
    )
    with there, open_cluster(there.scheduler_address) as crew:
        with crew.pool(jobs=1, timeout_s=0.0, preload=None) as pool:
            pool.submit("cluster_tasks:wait", asked, label="long")
            until((tmp_path / "began").exists, "the start")
        until(lambda: not crew.workers(), "leaving")
    assert "takes no more tasks: a task of it was stopped, and it is part of a program" in capfd.readouterr().err


def test_what_a_killed_client_had_asked_for_ends(cluster, crew, tmp_path):
    began, ended = tmp_path / "began", tmp_path / "ended"
    client = subprocess.Popen([sys.executable, "-c", CLIENT, cluster.address, began, ended], cwd=ROOT)
    until(began.exists, "the start")
    before = set(crew.workers())
    client.kill()
    client.wait()
    until(ended.exists, "the end")
    workers_back(crew, before)


def test_a_worker_of_another_version_that_joins_is_passed_over(cluster, crew, pool, tmp_path):
    shutil.copytree(ROOT / "tflitekit", tmp_path / "tflitekit", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "tflitekit" / "__init__.py").open("a") as code:
        code.write("\n# another version\n")
    before = set(crew.workers())
    other = cluster.join("--workers", "1", PYTHONPATH=f"{tmp_path}:{ROOT / 'tests'}")
    until(lambda: len(crew.workers()) == len(before) + 1, "joining")
    told = []
    pool._told = told.append
    go = tmp_path / "go"  # all tasks are there before one is done, so that each worker gets some
    asked = [pool.submit("cluster_tasks:name", {"value": n, "go": str(go)}, label=str(n)) for n in range(12)]
    until(lambda: any(answer.error for answer in told), "a refusal")
    go.touch()
    assert [wait_for(each) for each in asked] == list(range(12))
    refused = [answer for answer in told if answer.error is not None]
    assert {answer.blame for answer in refused} == {"unfit"}
    assert all("has other versions than the machine that asks" in answer.error["what"] for answer in refused)
    assert {answer.worker for answer in told if answer.error is None} <= before
    os.killpg(other.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    assert other.wait(300) == 130
    said = cluster.log(other)
    assert said.splitlines()[-1] == "Stopped. What was begun here is done by other workers." and "Traceback" not in said
    until(lambda: set(crew.workers()) == before, "leaving")


def test_a_device_whose_worker_begins_anew_is_not_missed(crew, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            "tflitekit.cluster.crew.workers_there", lambda client: {"tcp://a": {"resources": {"device adb:X": 1}}}
        )
        crew.require_devices(["adb:X"])
    crew.require_devices(["adb:X"])
    with pytest.raises(MachineError, match="No worker of the cluster has adb:Y"):
        crew.require_devices(["adb:Y"])


def test_what_no_worker_is_left_for_is_named(pool, monkeypatch):
    monkeypatch.setattr(pool_module, "ABSENT_S", 0.5)
    with pytest.raises(MachineError, match="no worker of the cluster is left that could do it") as raised:
        wait_for(pool.submit("cluster_tasks:name", {"value": 1}, label="one", resources={"device adb:X": 1}))
    assert "device adb:X" in raised.value.why


def test_a_worker_that_dies_is_replaced_and_its_task_done_again(pool, tmp_path):
    assert wait_for(pool.submit("cluster_tasks:die", {"once": str(tmp_path / "once")}, label="one")) == "done"


def test_a_task_that_kills_its_workers_is_given_up_and_they_are_named(pool):
    with pytest.raises(ConversionError, match="poison: no machine of the cluster could do it") as raised:
        wait_for(pool.submit("cluster_tasks:die", {"once": None}, label="poison"))
    assert re.search(
        rf"Workers died while it ran, 2 in all, the last {machine_name()}-\d+-\d at tcp://", raised.value.why
    )


@pytest.mark.thorough
def test_a_worker_that_hangs_is_ended_and_its_task_done_again(pool, tmp_path):
    assert wait_for(pool.submit("cluster_tasks:hang", {"once": str(tmp_path / "once")}, label="one")) == "done"


SUITE = """
schemes = ["float32", "int8"]

[[models]]
name = "one"
path = "{model}"
data = ["few", "fewer"]

[data.few]
evaluation = "{shapes}/test"
calibration = "{shapes}/train"
preprocess = "raw"
limit = 30

[data.fewer]
evaluation = "{shapes}/test"
calibration = "{shapes}/train"
preprocess = "raw"
limit = 20
"""


class KillsTheScheduler(Progress):
    """Kills it when the first entry is done."""

    def __init__(self, cluster):
        self._cluster = cluster

    def event(self, event):
        if (event.kind, event.state) == ("entry", "done"):
            self._cluster.scheduler.kill()


@pytest.mark.thorough
def test_what_was_finished_when_the_scheduler_went_is_taken_on_another_cluster(cluster, variants, shapes, tmp_path):
    suite = written(tmp_path, SUITE.format(model=variants / "float32.tflite", shapes=shapes))
    first = DaskCluster(tmp_path)
    try:
        first.join("--workers", "1")
        first.wait(1)
        with pytest.raises(ClusterLostError, match="The scheduler of the cluster went away"):
            run_suite(suite, out=tmp_path, cluster=first.address, progress=KillsTheScheduler(first))
    finally:
        first.close()
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.suffix in (".tflite", ".npz")}
    assert len([path for path in made if path.name == "int8.tflite"]) >= 1
    entries = run_suite(suite, out=tmp_path, cluster=cluster.address)
    assert [(entry.status, entry.error) for entry in entries] == [("ok", None)] * 2
    assert {path: path.stat().st_mtime_ns for path in made if path.exists()} == made


def test_a_scheduler_that_goes_away_is_told_at_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("distributed.client"), "handlers", [caplog.handler])
    cluster = DaskCluster(tmp_path)
    worker = cluster.join("--workers", "1")
    cluster.wait(1)
    try:
        with open_cluster(cluster.address) as crew, crew.pool(jobs=1, timeout_s=0.0, preload=None) as pool:
            asked = {"began": str(tmp_path / "began"), "ended": str(tmp_path / "ended")}
            future = pool.submit("cluster_tasks:wait", asked, label="long")
            until((tmp_path / "began").exists, "the start")
            cluster.scheduler.send_signal(signal.SIGKILL)
            with pytest.raises(ClusterLostError, match="The scheduler of the cluster went away") as raised:
                future.result(300)
            assert "continues where it stopped" in raised.value.fix
            with pytest.raises(ClusterLostError):
                pool.submit("cluster_tasks:name", {"value": 1}, label="next").result(300)
        assert not caplog.records  # Dask's tracebacks say nothing more
        assert worker.wait(300) == 0
        assert "has ended" in Path(tmp_path / "1.log").read_text()
    finally:
        cluster.close()


@pytest.mark.thorough
def test_a_command_that_is_stopped_ends_by_the_signal_and_the_same_one_goes_on(cluster, variants, shapes, tmp_path):
    suite = written(tmp_path, SUITE.format(model=variants / "float32.tflite", shapes=shapes))
    command = [sys.executable, "-m", "tflitekit", "suite", suite, "--out", tmp_path, "--cluster", cluster.address]
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        before = set(tmp_path.rglob("*"))
        stopped = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        until(lambda before=before: set(tmp_path.rglob("*")) - before, "the start")
        stopped.send_signal(number)
        _, said = stopped.communicate(timeout=300)
        assert stopped.returncode == code
        assert "Stopped." in said and "Traceback" not in said
    entries = run_suite(suite, out=tmp_path, cluster=cluster.address)
    assert [(entry.status, entry.error) for entry in entries] == [("ok", None)] * 2
