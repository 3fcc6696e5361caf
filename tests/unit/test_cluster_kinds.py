"""What starts a cluster: what Slurm and Kubernetes are asked for, and clusters of the user's own."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import pytest

from tflitekit.cluster.crew import open_cluster
from tflitekit.cluster.kinds import address as address_module
from tflitekit.cluster.kinds import open_kind
from tflitekit.cluster.worker import join_cluster
from tflitekit.core.errors import MachineError, MissingDependencyError, TflitekitError, UsageError

dask_config = pytest.importorskip("dask.config")


@pytest.fixture
def asked(monkeypatch):
    """What Dask's classes for batch systems are made with, in place of the packages that have them."""
    found = {}

    class Started:
        def __init__(self, **settings):
            found.update(settings)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            found["closed"] = True

        def scale(self, count):
            found["scaled"] = count

        def job_script(self):
            return "#!/bin/sh\n"

    monkeypatch.setitem(sys.modules, "dask_jobqueue", SimpleNamespace(SLURMCluster=Started))
    monkeypatch.setitem(sys.modules, "dask_kubernetes", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "dask_kubernetes.operator", SimpleNamespace(KubeCluster=Started))
    return found


@pytest.fixture
def sbatch(monkeypatch, tmp_path):
    """Lets a shell script stand for Slurm's command."""

    def write(script):
        program = tmp_path / "sbatch"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return write


def test_slurm_is_asked_for_workers_that_take_one_task_at_a_time(asked, sbatch):
    sbatch("exit 0")
    with dask_config.set({"jobqueue.slurm.worker-extra-args": ["--no-dashboard"]}), open_kind("slurm:12"):
        assert asked == {"worker_extra_args": ["--no-dashboard", "--resources", "slot=1"], "scaled": 12}
    assert asked["closed"]


def test_what_slurm_refuses_is_said_before_anybody_waits_for_it(asked, sbatch, monkeypatch, tmp_path):
    sbatch("echo 'sbatch: error: invalid partition specified: fast' >&2; exit 1")
    with pytest.raises(MachineError, match="invalid partition specified: fast"), open_kind("slurm:1"):
        pass
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(MissingDependencyError, match="no 'sbatch' here"), open_kind("slurm:1"):
        pass
    assert "scaled" not in asked


def test_kubernetes_runs_the_users_image_and_workers_that_take_tasks(asked):
    settings = {
        "kubernetes.image": "registry.example/kit:1",
        "kubernetes.worker-command": "dask worker",
        "kubernetes.custom-cluster-spec": None,
    }
    with dask_config.set(settings), open_kind("kubernetes:3"):
        assert asked["n_workers"] == 3
        assert asked["worker_command"] == ["dask", "worker", "--resources", "slot=1"]
    settings["kubernetes.image"] = "ghcr.io/dask/dask:latest"
    with (
        dask_config.set(settings),
        pytest.raises(UsageError, match="does not have tflitekit"),
        open_kind("kubernetes:3"),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slrum:4", "There is no cluster 'slrum:4'"),
        ("local", "'local' says no number of workers"),
        ("slurm:many", "'slurm:many' is no cluster"),
        ("kubernetes:2", "needs the package dask-kubernetes"),
        ("nowhere_to_find:make", "'nowhere_to_find:make' cannot be loaded"),
    ],
)
def test_clusters_that_are_none_are_refused(name, words, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_kubernetes", None)
    with pytest.raises(TflitekitError, match=words), open_kind(name):
        pass


OWN = """
import distributed

def make():
    return distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", resources={"slot": 1}
    )

def other():
    return "tcp://127.0.0.1:1"
"""


def test_a_function_of_the_users_starts_a_cluster(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(OWN)
    with open_cluster(f"{own}:make") as crew:
        assert crew.spread == 1
    assert crew.client.status == "closed"
    with pytest.raises(UsageError, match="returned str, which is no cluster"), open_kind(f"{own}:other"):
        pass


@pytest.mark.parametrize(
    ("address", "devices", "words"),
    [
        ("scheduler:8786", (), "is no address of a scheduler"),
        ("tcp://nowhere.invalid:8786", (), "There is no machine 'nowhere.invalid'"),
        ("tcp://127.0.0.1:1", ("host",), "'host' is no device of its own"),
        ("tcp://127.0.0.1:1", ("ssh:nobody@nowhere.invalid",), "nowhere.invalid"),
    ],
)
def test_a_worker_that_cannot_join_says_so_before_it_waits(address, devices, words):
    with pytest.raises(TflitekitError, match=words):
        join_cluster(address, workers=0, devices=devices)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1", "tcp://:8786", "tcp://127.0.0.1:many"])
def test_an_address_without_machine_or_port_is_told_at_once(address):
    with pytest.raises(UsageError, match="names no machine and port of a scheduler"), open_kind(address):
        pass


def test_another_program_at_the_address_is_told(monkeypatch):
    monkeypatch.setattr(address_module, "_ANSWER_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(MachineError, match="does not answer"), open_kind(address):
            pass
