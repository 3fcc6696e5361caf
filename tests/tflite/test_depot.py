"""A cluster whose workers share no folder with who asks: files travel through a real object store on the loopback interface."""

from __future__ import annotations

import json
import os
import shutil
import threading
import wave
from pathlib import Path

import distributed
import numpy as np
import pytest
from cluster_page import commands
from conftest import shape_arrays
from dask_cluster import DaskCluster
from object_store import BUCKET, object_store
from PIL import Image
from suite_files import written

import tflitekit as tk
from tflitekit.cluster import depot as depot_module
from tflitekit.cluster import wanted
from tflitekit.cluster.crew import open_cluster
from tflitekit.cluster.depot import Depot, pack, patiently, require_relative, take, unpacked
from tflitekit.core.errors import MachineError, StorageError, UsageError
from tflitekit.core.files import content_hash
from tflitekit.core.machine import SHARE
from tflitekit.core.process.crew import THIS_MACHINE
from tflitekit.core.process.workers import wait_for
from tflitekit.core.progress import Progress
from tflitekit.data.dataset import open_dataset
from tflitekit.optimization.optimize import optimize
from tflitekit.optimization.run import run
from tflitekit.optimization.suites import read_suite
from tflitekit.optimization.suites.places import Places, order_of, root_of
from tflitekit.results.report import read_report

pytest_plugins = ["small_disk"]


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


def picture(path: Path, color: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (color, 0, 0)).save(path)
    return path.name


def csv_with_pictures_elsewhere(folder: Path) -> str:
    names = [picture(folder / "photos" / f"{n}.png", n) for n in range(3)]
    (folder / "lists").mkdir()
    rows = "".join(f"../photos/{name},{number}\n" for number, name in enumerate(names))
    (folder / "lists" / "test.csv").write_text(f"file,label\n{rows}")
    return f"{folder}/lists/test.csv:within={folder}/photos"


def sounds_beside_their_list(folder: Path) -> str:
    (folder / "clips").mkdir()
    with wave.open(str(folder / "clips" / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(3200))
    (folder / "test.csv").write_text("file,label\nclips/a.wav,0\n")
    return f"{folder}/test.csv:label=label:rate=16000:length=1600"


def coco(folder: Path) -> str:
    content = {
        "images": [{"id": 1, "file_name": picture(folder / "far" / "a.png", 1), "width": 8, "height": 6}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 0, "bbox": [1, 1, 3, 3]}],
        "categories": [{"id": 0, "name": "cat"}],
    }
    (folder / "near").mkdir()
    (folder / "near" / "boxes.json").write_text(json.dumps(content))
    return f"{folder}/near/boxes.json:images={folder}/far"


def yolo(folder: Path) -> str:
    for n in range(2):
        picture(folder / "images" / f"{n}.png", n)
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{n}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (folder / "val.txt").write_text("images/0.png\n")
    (folder / "mine.yaml").write_text("names: [cat]\nval: val.txt\n")
    return f"{folder}/mine.yaml"


def masks(folder: Path) -> str:
    picture(folder / "VOC" / "JPEGImages" / "a.jpg", 1)
    picture(folder / "VOC" / "SegmentationClass" / "a.png", 128)
    (folder / "colors.json").write_text('{"road": [128, 0, 0], "sky": [0, 0, 1]}')
    return f"{folder}/VOC/SegmentationClass:colors={folder}/colors.json"


@pytest.mark.parametrize("make", [csv_with_pictures_elsewhere, sounds_beside_their_list, coco, yolo, masks])
def test_data_travel_with_the_files_that_they_name(make, bucket, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "private.txt").write_text("nobody names it")
    data = make(folder)
    require_relative(data)
    there = open_dataset(data).fingerprint()
    arguments = {"data": data}
    parcel = pack(Depot(f"{bucket.url}/named"), tmp_path / "home", arguments)
    folder.rename(tmp_path / "gone")
    with unpacked(parcel, arguments) as (moved, _):
        assert str(folder) not in moved["data"]
        assert open_dataset(moved["data"]).fingerprint() == there
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.name == "private.txt" or path.name == "1.txt"]


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (csv_with_pictures_elsewhere, ("lists/test.csv", "../photos", "{folder}/photos")),
        (sounds_beside_their_list, ("test.csv", "clips/a.wav", "{folder}/clips/a.wav")),
        (coco, ("near/boxes.json", '"a.png"', '"{folder}/far/a.png"')),
        (yolo, ("val.txt", "images/", "{folder}/images/")),
        (yolo, ("mine.yaml", "names:", "path: {folder}\nnames:")),
    ],
)
def test_lists_with_absolute_paths_are_told_before_they_travel(make, change, tmp_path):
    data = make(tmp_path)
    name, relative, absolute = change
    path = tmp_path / name
    path.write_text(path.read_text().replace(relative, absolute.format(folder=tmp_path)))
    open_dataset(data)
    with pytest.raises(UsageError, match=f"{path} names files by absolute paths, such as {tmp_path}") as refused:
        require_relative(data)
    assert refused.value.fix == f"Name them relative to {path.parent}."


def test_a_depot_that_takes_nothing_is_told_before_the_cluster_is_asked(bucket):
    nobody = "tcp://127.0.0.1:9"
    absent = f"{bucket.url.rpartition('/')[0]}/nothing-here/depot"
    with (
        pytest.raises(MachineError, match=f"Nothing can be stored in the depot {absent}"),
        open_cluster(nobody, depot=absent),
    ):
        pass
    with pytest.raises(UsageError, match="'depot' is no URL"), open_cluster(nobody, depot="depot"):
        pass


def test_a_full_depot_is_named_and_goes_on_when_there_is_room(small_disk, tmp_path):
    disk, make_room = small_disk
    home, data = tmp_path / "home", tmp_path / "data"
    home.mkdir()
    data.mkdir()
    for n in range(4):
        (data / f"{n}.bin").write_bytes(os.urandom(20_000))
    (disk / "rest").write_bytes(b"-" * 20_000)
    arguments = {"data": str(data), "out": str(home / "result.bin")}
    depot = Depot(f"file://{disk}")
    with pytest.raises(StorageError, match=f"The depot file://{disk} has no room") as raised:
        pack(depot, home, arguments)
    assert "No space left on device" in raised.value.why
    assert [path for path in disk.iterdir() if path.name != "rest" and path.stat().st_size < 20_000]  # what was cut off
    make_room()
    parcel = pack(depot, home, arguments)
    with unpacked(parcel, arguments) as (there, _):
        assert content_hash(Path(there["data"])) == content_hash(data)


def test_what_a_worker_has_made_waits_for_room_in_the_depot_and_where_it_was_asked(small_disk, tmp_path, monkeypatch):
    monkeypatch.setattr(depot_module, "_AGAIN_S", 0.0)
    disk, make_room = small_disk
    told = []

    def hear(words):
        told.append(words)
        make_room()

    def made(depot, size):
        arguments = {"out": str(tmp_path / "result.bin")}
        with unpacked(pack(depot, tmp_path, arguments), arguments, hear) as (there, pack_back):
            Path(there["out"]).write_bytes(os.urandom(size))
            return pack_back(None)[1]

    assert made(Depot(f"file://{disk}"), 100_000)
    assert told.pop() == f"Waiting to store what was made. The depot file://{disk} has no room."
    (tmp_path / "depot").mkdir()
    depot = Depot(f"file://{tmp_path}/depot")
    large = made(depot, 8 << 20)
    over = threading.Event()
    over.set()  # as when the command was stopped
    with pytest.raises(StorageError, match=f"The disk is full: could not write {disk}/home/result.bin"):
        patiently(lambda: take(depot, disk / "home", large), told.append, over)
    assert len(told) == 1 and not list((disk / "home").iterdir())


def test_what_the_depot_has_lost_or_damaged_is_stored_again_for_the_next_machine(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv(SHARE, "1")
    monkeypatch.setattr(wanted, "_stopped", threading.Event())
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "picture").write_text("content")
    there = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", resources={"slot": 1}, dashboard_address="127.0.0.1:0"
    )  # fmt: skip
    heard = []
    place = {"places": (str(tmp_path / "home"),), "depot": f"{bucket.url}/losing"}
    with there, open_cluster(there.scheduler_address, **place) as crew:
        pool = crew.pool(jobs=1, timeout_s=0.0, preload=None)
        pool._told = heard.append

        def read():
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
            heard.clear()
            asked = {"folder": str(tmp_path / "data"), "go": str(tmp_path / "data")}
            assert wait_for(pool.submit("cluster_tasks:read", asked, label="one")) == ["picture"]
            return [answer.error and answer.error["what"] for answer in heard]

        assert read() == [None]
        for key in bucket.keys("losing/"):
            bucket.client.delete_object(Bucket=BUCKET, Key=key)
        (lost, done) = read()
        assert lost.startswith("There is nothing at s3://") and done is None
        damaged = f"losing/{content_hash(tmp_path / 'data' / 'picture')}"
        bucket.put(damaged, b"CONTENT")
        (wrong, done) = read()
        assert "held something else" in wrong and done is None
        assert bucket.client.get_object(Bucket=BUCKET, Key=damaged)["Body"].read() == b"content"


def test_what_was_changed_in_the_depot_is_not_taken(bucket, tmp_path):
    (tmp_path / "file").write_text("content")
    depot = Depot(f"{bucket.url}/changed")
    listed = depot.publish({"file": tmp_path / "file"})
    bucket.put(f"changed/{listed}", json.dumps({"../file": listed}).encode())
    with pytest.raises(MachineError, match="held something else"):
        depot.listed(listed)


def test_a_depot_needs_a_cluster(tmp_path):
    depot = "s3://b/depot"
    for run_without in (
        lambda: optimize("a.tflite", data="b", out=tmp_path, depot=depot),
        lambda: tk.convert("a.tflite", schemes=["float32"], out=tmp_path, depot=depot),
        lambda: tk.evaluate("a.tflite", data="b", depot=depot),
    ):
        with pytest.raises(UsageError, match="--depot only applies with --cluster"):
            run_without()


@pytest.fixture(scope="module")
def cluster(bucket, tmp_path_factory):
    """A worker that has another cache than who asks, as another machine has."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    found = DaskCluster(elsewhere)
    found.join("--workers", "1", XDG_CACHE_HOME=str(elsewhere))
    found.wait(1)
    yield found
    found.close()


@pytest.mark.slow
def test_files_are_evaluated_and_converted_that_only_this_machine_has(
    bucket, cluster, variants, spread_early, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    x, y = shape_arrays(1100, 3)
    np.savez("many.npz", x=x, y=y)
    Path("own.py").write_text("def score(output, label):\n    return float(output.argmax() == label) / 2\n")
    Path("private.txt").write_text("beside the files")
    files = [shutil.copy(variants / f"{name}.tflite", ".") for name in ("float32", "int8")]
    asked = {"data": "many.npz", "preprocess": "raw", "metric": "own.py:score"}
    there = {"cluster": cluster.address, "depot": f"{bucket.url}/verbs"}
    alone, spread = tk.evaluate(files, **asked), tk.evaluate(files, **asked, **there)
    assert [row.model_dump() for row in spread.variants] == [row.model_dump() for row in alone.variants]
    one = tk.convert("float32.tflite", schemes=["dynamic_range"], out="one").variants
    other = tk.convert("float32.tflite", schemes=["dynamic_range"], out="other", **there).variants
    assert [row.sha256 for row in other] == [row.sha256 for row in one]
    assert (tmp_path / "other" / "dynamic_range.tflite").is_file()
    assert f"verbs/{content_hash(Path('many.npz'))}" in bucket.keys("verbs")
    assert f"verbs/{content_hash(Path('private.txt'))}" not in bucket.keys("verbs")


@pytest.mark.slow
def test_a_suite_without_a_shared_folder_is_that_of_one_machine(
    bucket, cluster, variants, shapes, tmp_path, cli, monkeypatch
):
    """By the commands of docs/cluster.md, of which the second takes what the first finished."""
    monkeypatch.chdir(tmp_path)
    shared, through_depot = (
        [word.replace("tcp://scheduler:8786", cluster.address).replace("s3://bucket", bucket.url) for word in words]
        for _, program, *words in commands()
        if (program, words[0]) == ("tflitekit", "suite") and "tcp:" in words[3]
    )
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
        "nightly.toml",
    )
    code, _, err = cli(*through_depot)
    assert code == 0, err
    out = tmp_path / "out" / "nightly" / "one"
    found = read_report(out / "report.json")
    assert str(cluster.folder) not in (out / "report.json").read_text()
    assert not (out / ".lock").exists()  # nobody worked in this folder
    code, _, err = cli(*shared)
    assert code == 0, err
    assert all(row.reused for row in read_report(out / "report.json").variants)
    order = order_of_entry(suite, tmp_path / "alone")
    alone = run(order, THIS_MACHINE, Progress(), ahead=True)
    for row, other in zip(found.variants, alone.variants, strict=True):
        assert (row.sha256, row.accuracy, row.hits) == (other.sha256, other.accuracy, other.hits)
    assert found.dataset.location == alone.dataset.location
    assert found.source.location == alone.source.location


@pytest.mark.slow
def test_what_a_failed_attempt_finished_is_there_for_the_next(bucket, cluster, tmp_path):
    home = tmp_path / "home"
    (home / "entry").mkdir(parents=True)
    (home / "entry" / "0.txt").write_text("before")
    with (
        open_cluster(cluster.address, places=(str(home),), depot=f"{bucket.url}/attempts") as crew,
        crew.pool(jobs=1, timeout_s=0.0, preload=None) as pool,
    ):
        asked = pool.submit("cluster_tasks:half", {"folder": str(home / "entry")}, label="half")
        assert asked.result(300) == ["0.txt", "1.txt"]
    assert sorted(path.name for path in home.glob("*/*.txt")) == ["0.txt", "1.txt", "2.txt"]


def order_of_entry(suite, out):
    """What the first entry of a suite asks of this machine."""
    content = read_suite(suite)
    (entry,) = content.entries()
    return order_of(content, entry, out, Places(root_of(suite, content, None), out, Progress()))
