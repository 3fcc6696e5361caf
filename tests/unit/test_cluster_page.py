"""The programs, settings and certificates of docs/cluster.md; tests/tflite/test_depot.py runs its suites."""

import shlex
import shutil
import subprocess

import pytest
from cluster_page import blocks, commands

from tflitekit.cli import app
from tflitekit.cluster.crew import open_cluster
from tflitekit.cluster.kinds import open_kind
from tflitekit.cluster.settings import SETTINGS
from tflitekit.cluster.worker import join_cluster
from tflitekit.core.errors import UsageError
from tflitekit.core.machine import SHARE
from tflitekit.core.process.workers import wait_for

distributed = pytest.importorskip("distributed")
dask_config = pytest.importorskip("dask.config")


def test_every_command_takes_what_the_page_gives_it():
    verbs = []
    for _, program, verb, *arguments in commands():
        if program == "dask":
            assert (verb, arguments[:1]) in [("scheduler", []), ("scheduler", ["--protocol"])]
            continue
        assert program == "tflitekit"
        app.load(verb).make_context(verb, arguments)
        verbs.append(verb)
    assert set(verbs) == {"evaluate", "suite", "worker"}


def test_the_schedulers_settings_are_those_of_clusters_that_the_kit_starts():
    (environment,) = (environment for environment, *_ in commands() if environment)
    found = dask_config.collect_env(environment)
    for name, value in found["distributed"]["scheduler"].items():
        assert SETTINGS[f"distributed.scheduler.{name.replace('_', '-')}"] == value


@pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL's program is not installed")
def test_certificates_of_the_page_are_what_a_cluster_takes(tmp_path, monkeypatch):
    monkeypatch.setenv(SHARE, "1")
    (made,), (named,) = blocks("sh"), blocks("yaml")
    for line in made.replace("rsa:3072", "rsa:2048").splitlines():
        subprocess.run(shlex.split(line), check=True, cwd=tmp_path, capture_output=True)
    (tmp_path / "tls.yaml").write_text(named.replace("/etc/cluster", str(tmp_path)))
    (config,) = dask_config.collect_yaml([str(tmp_path)])
    with (
        dask_config.set(dask_config.merge(dask_config.config, config)),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tls", resources={"slot": 1},
            security=distributed.Security(), dashboard_address="127.0.0.1:0",
        ) as there,
        open_cluster(there.scheduler_address) as crew,
        crew.pool(jobs=1, timeout_s=0.0, preload=None) as pool,
    ):  # fmt: skip
        assert there.scheduler_address.startswith("tls://")
        assert wait_for(pool.submit("cluster_tasks:name", {"value": "encrypted"}, label="one")) == "encrypted"


def test_tls_without_certificates_is_told_before_anybody_waits(tmp_path):
    with (
        pytest.raises(UsageError, match="tls://nowhere:1 needs certificates") as raised,
        open_kind("tls://nowhere:1"),
    ):
        pass
    assert "cert of distributed.comm.tls.client" in raised.value.why
    with pytest.raises(UsageError, match="needs certificates"):
        join_cluster("tls://127.0.0.1:1", workers=1)
    with (
        dask_config.set(
            {f"distributed.comm.tls.{name}": str(tmp_path / "none.pem") for name in ("ca-file", "client.cert")}
        ),
        pytest.raises(UsageError, match="needs certificates") as raised,
        open_kind("tls://nowhere:1"),
    ):
        pass
    assert "cannot be read: [Errno 2] No such file" in raised.value.why
