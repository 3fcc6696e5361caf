"""A cluster whose workers share no folder with who asks: files travel through a real object store on the loopback interface."""

from __future__ import annotations

import json

import pytest
from dask_cluster import DaskCluster
from object_store import object_store
from suite_files import written

from tflitekit.cluster.depot import Depot, pack, take, unpacked
from tflitekit.core.errors import MachineError, UsageError
from tflitekit.core.process.crew import THIS_MACHINE
from tflitekit.core.progress import Progress
from tflitekit.optimization.optimize import optimize
from tflitekit.optimization.run import run
from tflitekit.optimization.suites import read_suite, run_suite
from tflitekit.optimization.suites.places import Places, order_of, root_of


@pytest.fixture(scope="module")
def bucket():
    with object_store() as found:
        yield found


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_task_gets_what_it_names_and_what_it_made_comes_back(bucket, tmp_path):
    home, data = tmp_path / "home", tmp_path / "data"
    for path, text in ((home / "a" / "in.txt", "in"), (home / "b" / "other.txt", "-"), (data / "x" / "1.txt", "1")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    arguments = {"out": str(home / "a"), "data": f"{data}:label=y", "many": [str(home / "a" / "new.txt")], "n": 3}
    depot = Depot(f"{bucket.url}/depot")
    parcel = pack(depot, home, arguments)
    assert len(parcel.model_dump_json()) < 1000
    with unpacked(parcel, arguments) as (there, pack_back):
        assert not there["out"].startswith(str(home)) and there["n"] == 3
        with open(f"{there['out']}/in.txt") as file:  # noqa: PTH123
            assert file.read() == "in"
        assert there["data"].endswith("/data:label=y")
        with open(there["many"][0], "w") as file:  # noqa: PTH123
            file.write("made")
        value, files = pack_back({"file": there["many"][0]})
    assert value == {"file": str(home / "a" / "new.txt")}
    assert depot.listed(files).keys() == {"a/new.txt"}
    take(depot, home, files)
    assert (home / "a" / "new.txt").read_text() == "made"


def test_what_was_changed_in_the_depot_is_not_taken(bucket, tmp_path):
    (tmp_path / "file").write_text("content")
    depot = Depot(f"{bucket.url}/changed")
    listed = depot.publish({"file": tmp_path / "file"})
    bucket.put(f"changed/{listed}", json.dumps({"../file": listed}).encode())
    with pytest.raises(MachineError, match="holds something else"):
        depot.listed(listed)


def test_a_depot_needs_a_cluster(tmp_path):
    with pytest.raises(UsageError, match="--depot only applies with --cluster"):
        optimize("a.tflite", data="b", out=tmp_path, depot="s3://b/depot")


@pytest.mark.slow
def test_a_suite_without_a_shared_folder_is_that_of_one_machine(bucket, variants, shapes, tmp_path, monkeypatch):
    suite = written(
        tmp_path,
        f"""
schemes = ["float32"]
[[models]]
name = "one"
path = "{variants / "float32.tflite"}"
data = ["d"]
[data.d]
evaluation = "{shapes}/test"
preprocess = "raw"
limit = 30
""",
    )
    (tmp_path / "elsewhere").mkdir()
    cluster = DaskCluster(tmp_path / "elsewhere")
    try:
        cluster.join("--workers", "1", XDG_CACHE_HOME=str(tmp_path / "elsewhere"))
        cluster.wait(1)
        (found,) = run_suite(suite, out=tmp_path / "out", cluster=cluster.address, depot=f"{bucket.url}/depot")
        assert found.error is None
        written_by = (tmp_path / "out" / "small" / "one" / "report.json").read_text()
        assert str(tmp_path / "elsewhere") not in written_by
        assert not (tmp_path / "out" / "small" / "one" / ".lock").exists()  # nobody worked in this folder
        (again,) = run_suite(suite, out=tmp_path / "out", cluster=cluster.address, depot=f"{bucket.url}/depot")
        assert all(row.reused for row in again.report.variants)
    finally:
        cluster.close()
    order = order_of_entry(suite, tmp_path / "alone")
    alone = run(order, THIS_MACHINE, Progress(), ahead=True)
    for row, other in zip(found.report.variants, alone.variants, strict=True):
        assert (row.sha256, row.accuracy, row.hits) == (other.sha256, other.accuracy, other.hits)
    assert found.report.dataset.location == alone.dataset.location
    assert found.report.source.location == alone.source.location


def order_of_entry(suite, out):
    """What the first entry of a suite asks of this machine."""
    content = read_suite(suite)
    (entry,) = content.entries()
    return order_of(content, entry, out, Places(root_of(suite, content, None), out, Progress()))
