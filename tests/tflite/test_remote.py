"""Models and data behind URLs, in a real object store on the loopback interface."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import run_json
from object_store import object_store

from tflitekit.cli import app
from tflitekit.core import remote
from tflitekit.core.copies import copies_folder, copies_in_use
from tflitekit.core.errors import DataError, MachineError, MissingDependencyError, UsageError
from tflitekit.core.process.crew import THIS_MACHINE
from tflitekit.core.progress import Progress
from tflitekit.core.remote import local_copy, look, reaching, shown_place
from tflitekit.data.dataset import open_dataset
from tflitekit.data.settings import split_settings
from tflitekit.optimization.order import Order
from tflitekit.optimization.run import run
from tflitekit.optimization.suites import read_suite
from tflitekit.optimization.suites.looking import look_at, look_behind_urls
from tflitekit.optimization.suites.places import Places, order_of, root_of
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.results import Constraints


@pytest.fixture(scope="module")
def bucket():
    with object_store() as found:
        yield found


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def few(shapes, tmp_path_factory):
    """A few pictures of each class."""
    folder = tmp_path_factory.mktemp("few")
    for path in shapes.glob("test/*/00*.png"):
        (folder / path.parent.name).mkdir(exist_ok=True)
        shutil.copy(path, folder / path.parent.name)
    return folder


@pytest.fixture
def fetched(monkeypatch):
    """The objects that are read, in order."""
    from s3fs import S3FileSystem

    names, get_file = [], S3FileSystem._get_file

    async def noted(self, name, *rest, **more):
        names.append(name)
        return await get_file(self, name, *rest, **more)

    monkeypatch.setattr(S3FileSystem, "_get_file", noted)
    S3FileSystem.clear_instance_cache()
    yield names
    S3FileSystem.clear_instance_cache()


def test_only_what_changed_is_read_again(bucket, fetched):
    for name in ("a/1.txt", "a/2.txt", "b/1.txt"):
        bucket.put(f"folder/{name}", name.encode())
    first = local_copy(f"{bucket.url}/folder")
    assert first.name == "folder" and (first / "a" / "2.txt").read_text() == "a/2.txt" and len(fetched) == 3
    assert local_copy(f"{bucket.url}/folder/") == first and len(fetched) == 3
    bucket.put("folder/b/1.txt", b"other")
    second = local_copy(f"{bucket.url}/folder")
    assert len(fetched) == 4 and (second / "b" / "1.txt").read_text() == "other"
    assert (first / "b" / "1.txt").read_text() == "b/1.txt"  # who reads the first goes on
    assert shown_place(second / "a") == f"{bucket.url}/folder//a"
    assert local_copy(f"{bucket.url}/folder//a/1.txt").read_text() == "a/1.txt"


def test_many_may_copy_the_same_at_once(bucket, cache):
    for number in range(20):
        bucket.put(f"many/{number}", b"x" * number)
    found = []
    threads = [threading.Thread(target=lambda: found.append(local_copy(f"{bucket.url}/many"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(found)) == 1 and len(list(found[0].iterdir())) == 20
    assert not list(cache.rglob(".partial-*"))


@pytest.mark.parametrize("key", ["evil/../../up", "evil/a\\b", "evil//etc/passwd"])
def test_names_that_lead_out_of_a_folder_are_refused(bucket, key):
    bucket.put(key, b"x")
    with pytest.raises(DataError, match="name no folder can hold"):
        local_copy(f"{bucket.url}/evil")
    bucket.client.delete_object(Bucket="models-and-data", Key=key)


def test_what_cannot_be_had_is_one_sentence_without_a_password(bucket, monkeypatch):
    with pytest.raises(DataError, match=f"There is nothing at {bucket.url}/absent."):
        local_copy(f"{bucket.url}/absent")
    with pytest.raises(DataError, match="There is nothing at s3://no-such-bucket/a"):
        local_copy("s3://no-such-bucket/a")
    with pytest.raises(MachineError, match="cannot be reached") as refused:
        local_copy("http://me:secret@127.0.0.1:9/model.tflite")
    assert "secret" not in str(refused.value)
    with pytest.raises(UsageError, match="nonsense://"):
        local_copy("nonsense://a/b")
    for place, package in {"gs://bucket/a": "gcsfs", "abfss://box@host/a": "adlfs"}.items():
        with pytest.raises(MissingDependencyError, match=package):
            local_copy(place)
    bucket.put("other/a", b"a")
    with pytest.raises(UsageError, match="cannot be"):
        local_copy(f"{bucket.url}/other//../a")


def test_a_store_that_is_full_says_so_itself():
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    said = {
        "Error": {
            "Code": "XMinioStorageFull",
            "Message": "Storage backend has reached its minimum free drive threshold.",
        },
        "ResponseMetadata": {"HTTPStatusCode": 507},
    }
    with (
        pytest.raises(MachineError, match="The server of s3://bucket/depot answers 507") as raised,
        reaching("s3://bucket/depot"),
    ):
        raise translate_boto_error(ClientError(said, "PutObject"))
    assert "minimum free drive threshold" in raised.value.why


def test_what_changes_while_it_is_read_is_told(bucket, monkeypatch):
    from s3fs import S3FileSystem

    bucket.put("moving", b"one")
    get_file = S3FileSystem._get_file

    async def moving(self, *arguments, **more):
        await get_file(self, *arguments, **more)
        bucket.put("moving", b"two")

    monkeypatch.setattr(S3FileSystem, "_get_file", moving)
    S3FileSystem.clear_instance_cache()
    with pytest.raises(DataError, match="changes while it is read"):
        local_copy(f"{bucket.url}/moving")
    S3FileSystem.clear_instance_cache()


def test_a_web_server_is_a_store_of_files(bucket):
    address = f"{os.environ['AWS_ENDPOINT_URL']}/models-and-data/web.txt"
    bucket.put("web.txt", b"text")
    with pytest.raises(DataError, match="may not be used with the credentials"):
        local_copy(address)
    bucket.put("web.txt", b"text", ACL="public-read")
    assert local_copy(address).read_bytes() == b"text"
    signed = f"{address}?X-Amz-Signature=abc&X-Amz-Security-Token=def&sig=ghi"
    assert shown_place(signed) == f"{address}?X-Amz-Signature=***&X-Amz-Security-Token=***&sig=***"


class _Answers(BaseHTTPRequestHandler):
    """A web server that refuses, breaks off, or falls silent, as the path says."""

    def do_GET(self):
        if self.path[1:].isdigit():
            self.send_error(int(self.path[1:]))
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 500)
        if self.path == "/silent":
            self.server.done.wait(20)
        self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("path", "error", "words", "fix"),
    [
        ("401", DataError, "may not be used with the credentials", "user and password in the URL"),
        ("404", DataError, "There is nothing at", "Look at the address"),
        ("503", MachineError, "answers 503", "Run the same command again"),
        ("half", MachineError, "broke off while", "Run the same command again"),
        ("silent", MachineError, "broke off while", "Run the same command again"),
    ],
)
def test_a_web_server_that_does_not_give_a_file(monkeypatch, cache, path, error, words, fix):
    from fsspec.implementations.http import HTTPFileSystem

    if path == "silent":
        monkeypatch.setattr(remote, "_SILENCE_S", 0.5)
    HTTPFileSystem.clear_instance_cache()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.done = threading.Event()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/{path}"
            if path.isdecimal():  # what may be read and breaks off is told when it is
                with pytest.raises(error, match=words):
                    look(url)
            with pytest.raises(error, match=words) as refused:
                local_copy(url)
        finally:
            server.done.set()
            server.shutdown()
            thread.join()
    assert fix in refused.value.fix
    assert not list(cache.rglob(".partial-*")) and not list(cache.rglob("trees/*"))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS_PROFILE", "absent", r"config profile \(absent\) could not be found"),
        ("AWS_ENDPOINT_URL", "minio:9000", "Invalid endpoint: minio:9000"),
    ],
)
def test_settings_of_a_store_that_cannot_be_are_told(bucket, monkeypatch, name, value, words):
    from s3fs import S3FileSystem

    monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    with pytest.raises(MachineError, match="cannot be used as it is set up on") as refused:
        local_copy(f"{bucket.url}/any")
    S3FileSystem.clear_instance_cache()
    assert re.search(words, refused.value.why)


def test_the_cache_is_purged_only_while_nothing_uses_it(bucket, cli):
    bucket.put("old.txt", b"x" * 1000)
    bucket.put("new.txt", b"y" * 2000)
    with copies_in_use():
        old, new = (local_copy(f"{bucket.url}/{name}.txt") for name in ("old", "new"))
        code, _, err = cli("cache", "purge")
        assert (code, "is in use, and nothing was removed" in err) == (2, True)
    for path in (old, copies_folder() / "objects"):
        for one in (path, path.parent / "place.json", *path.glob("*")):
            if one.exists():
                os.utime(one, (0, 0))
    shown = run_json(cli("cache", "info", "--json"))
    assert [(one["place"], one["bytes"] > 1000) for one in shown["copies"]] == [
        (f"{bucket.url}/new.txt", True),
        (f"{bucket.url}/old.txt", True),
    ]
    assert cli("cache", "purge", "--unused", 1)[0] == 0
    assert (old.exists(), new.exists(), len(list((copies_folder() / "objects").iterdir()))) == (False, True, 1)
    assert cli("cache", "purge")[0] == 0
    assert "0 B" in cli("cache", "info")[1]
    with copies_in_use():
        assert local_copy(f"{bucket.url}/old.txt").read_bytes() == b"x" * 1000


def test_settings_behind_a_url():
    assert split_settings("s3://b/x.csv:label=y:x=a,b") == ("s3://b/x.csv", {"label": "y", "x": "a,b"})
    assert split_settings("https://host:9000/day=1/x.csv:label=y") == ("https://host:9000/day=1/x.csv", {"label": "y"})
    assert split_settings("https://host:9000/x=1") == ("https://host:9000/x=1", {})


def test_a_table_with_settings(bucket):
    bucket.put("t.csv", b"a,b,y\n1,2,0\n3,4,1\n")
    data = open_dataset(f"{bucket.url}/t.csv:label=y")
    assert [sample.label for sample in data] == [0, 1]
    assert data.location == data.recipe["source"] == f"{bucket.url}/t.csv:label=y"


def test_evaluate_takes_urls(bucket, variants, few, capsys, cache):
    model, data = bucket.put_tree("int8.tflite", variants / "int8.tflite"), bucket.put_tree("shapes", few)
    shown = []
    for file, samples in ((model, data), (variants / "int8.tflite", few)):
        app(["evaluate", str(file), "--data", str(samples), "--preprocess", "raw", "--json"], standalone_mode=False)
        shown.append(capsys.readouterr().out)
    elsewhere, here = map(json.loads, shown)
    assert elsewhere["dataset"]["location"] == data and str(cache) not in shown[0]
    assert elsewhere["variants"][0]["hits"] == here["variants"][0]["hits"]


def test_a_suite_whose_root_is_a_url(bucket, variants, few, tmp_path):
    bucket.put_tree("root/float32.tflite", variants / "float32.tflite")
    bucket.put_tree("root/shapes", few)
    bucket.put_tree("root/raw.json", _written(tmp_path / "raw.json", '{"name": "raw"}'))
    suite = _written(
        tmp_path / "s.toml",
        f"""
data_root = "{bucket.url}/root"
schemes = ["float32"]
[[models]]
name = "one"
path = "float32.tflite"
data = ["d"]
[data.d]
evaluation = "shapes"
preprocess = "raw.json"
""",
    )
    (entry,) = read_suite(suite).entries()
    places = Places(root_of(suite, read_suite(suite), None), tmp_path / ".embedded", Progress())
    order = order_of(read_suite(suite), entry, tmp_path / "out", places)
    report = run(order, THIS_MACHINE, Progress(), ahead=True)
    assert report.source.location == f"{bucket.url}/root/float32.tflite"
    assert report.dataset.location == f"{bucket.url}/root/shapes"
    assert str(copies_folder()) not in (tmp_path / "out" / "report.json").read_text()
    assert Order.from_json(order.to_json()).data == f"{bucket.url}/root/shapes"


ENTRIES = """
data_root = "{root}"
[[models]]
name = "one"
path = "float32.tflite"
data = ["good", "gone", "flat"]
[[models]]
name = "two"
path = "nowhere.tflite"
data = ["good"]
[data.good]
evaluation = "shapes"
calibration = "shapes"
[data.gone]
evaluation = "shapes/nobody"
calibration = "shapes"
[data.flat]
evaluation = "shapes"
calibration = "shapes"
training = {{ data = "shapes/one-class" }}
"""


def test_what_urls_of_a_suite_lack_is_told_at_first_sight_of_all_entries(
    bucket, variants, few, tmp_path, fetched, monkeypatch
):
    monkeypatch.setattr("tflitekit.optimization.suites.looking._MOST_S", 300.0)
    root = bucket.put_tree("early/float32.tflite", variants / "float32.tflite").rpartition("/")[0]
    bucket.put_tree("early/shapes", few)
    for number in range(3):
        bucket.put(f"early/shapes/one-class/{number}.png", b"no picture")
    suite = read_suite(_written(tmp_path / "s.toml", ENTRIES.format(root=root)))
    places = Places(root_of(tmp_path / "s.toml", suite, None), tmp_path, Progress())
    orders = {entry.name: order_of(suite, entry, tmp_path / entry.name, places) for entry in suite.entries()}
    there = look_behind_urls(orders.values(), Progress(), here=False)
    assert there[f"{root}/float32.tflite"] == (None, ())
    assert set(there[f"{root}/shapes"].folders) == {*(path.name for path in few.iterdir()), "one-class"}
    said = {}
    for name, order in orders.items():
        try:
            look_at(order, there, here=False)
        except DataError as error:
            said[name] = error.what
    assert said == {
        "one-gone": f"There is nothing at {root}/shapes/nobody.",
        "one-flat": f"The data folder {root}/shapes/one-class has 3 images but no class folders.",
        "two": f"There is nothing at {root}/nowhere.tflite.",
    }
    assert not fetched


def test_a_store_that_does_not_answer_in_time_is_left_for_later(monkeypatch, tmp_path):
    monkeypatch.setattr("tflitekit.optimization.suites.looking._MOST_S", 0.0)
    told = []
    monkeypatch.setattr(Progress, "note", lambda self, text: told.append(text))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/any"
        order = Order(
            model=f"{url}.tflite", data=url, out=tmp_path, how=OptimizeOptions(), constraints=Constraints(), options=ConvertOptions(),
        )  # fmt: skip
        assert look_behind_urls([order], Progress(), here=True) == {}
    assert told == [f"Not answered within 0 seconds, and looked at when it is read: {url}, {url}.tflite."]


def _written(path, text):
    path.write_text(text)
    return path
