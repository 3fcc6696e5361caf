"""Files that come from outside: one reader of JSON and TOML, regular files only, and damaged records count as absent."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from pydantic import BaseModel

from tflitekit import compare
from tflitekit.apk import inspect_apk
from tflitekit.bundling import read_bundle
from tflitekit.core.errors import TflitekitError, UnreadableError
from tflitekit.core.files import open_file, read_bytes
from tflitekit.core.structured import parse_json, read_json, read_record, read_toml, write_record
from tflitekit.data.contract import load_labels
from tflitekit.data.preprocessing import load_preprocessing
from tflitekit.optimization.suites import read_suite
from tflitekit.results import read_report
from tflitekit.source.models import identify
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import read_sidecar
from tflitekit.training.distributed.members import parse_members
from tflitekit.training.run.objective import load_class_weights

VERSION_1 = Path(__file__).parents[1] / "data" / "report-version-1.json"


def _bundle(path):
    folder = path.parent / "bundle"
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "bundle.json")
    return read_bundle(folder)


READERS = {
    "labels": load_labels,
    "preprocessing": load_preprocessing,
    "report": read_report,
    "bundle": _bundle,
    "class weights": lambda path: load_class_weights(str(path), [1, 1], None),
    "TF_CONFIG": lambda path: parse_members(path.read_text(encoding="utf-8")),
}
HOSTILE = {
    "deep list": "[" * 100_000,
    "deep object": '{"divisor":' * 100_000,
    "deep and closed": "[" * 900 + "]" * 900,
    "NaN": '{"divisor": NaN}',
    "infinity": '{"divisor": Infinity}',
    "beyond float64": '{"divisor": 1e999}',
    "huge integer": '{"divisor": 1' + "0" * 400 + "}",
    "endless integer": '{"divisor": 1' + "0" * 5000 + "}",
    "key twice": '{"divisor": 1, "divisor": 2}',
    "half a surrogate pair": r'["\ud800"]',
    "half a surrogate pair as key": r'{"\udfff": 1}',
    "long value": '{"divisor": "' + "x" * 200_000 + '"}',
    "long key": '{"' + "x" * 200_000 + '": 1}',
    "not JSON": "x" * 200_000,
    "empty": "",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_hostile_json_is_one_short_sentence_from_every_reader(reader, text, tmp_path):
    path = tmp_path / "given.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TflitekitError) as refused:
        reader(path)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "text",
    ["a=" + "[" * 100_000, 'description = "a"\ndescription = "b"', "description = inf", 'description = "\\ud800"', "x" * 200_000],
)  # fmt: skip
def test_hostile_toml_is_one_short_sentence(text, tmp_path):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(TflitekitError) as refused:
        read_suite(tmp_path / "s.toml")
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_read(encoding, tmp_path):
    (tmp_path / "l.json").write_text('["Kätzchen", "Hund"]', encoding=encoding)
    (tmp_path / "l.txt").write_text("Kätzchen\nHund\n", encoding=encoding)
    (tmp_path / "s.toml").write_text('description = "Kätzchen"', encoding=encoding)
    assert load_labels(tmp_path / "l.json") == load_labels(tmp_path / "l.txt") == ("Kätzchen", "Hund")
    assert read_toml(tmp_path / "s.toml") == {"description": "Kätzchen"}


def test_other_encodings_are_named(tmp_path):
    (tmp_path / "l.txt").write_bytes("Kätzchen".encode("latin-1"))
    with pytest.raises(TflitekitError, match="line 1 has the byte 0xe4"):
        load_labels(tmp_path / "l.txt")


def test_keras_may_write_numbers_that_are_not_finite():
    assert parse_json('{"max_value": Infinity}', "config", finite=False) == {"max_value": float("inf")}


@pytest.mark.parametrize("field", ["divisor", "mean", "std"])
@pytest.mark.parametrize("value", ["1e-320", "1e-40", "1e39", "Infinity", '"inf"', '"nan"'])
def test_preprocessing_has_only_numbers_that_float32_holds(field, value, tmp_path):
    path = tmp_path / "p.json"
    path.write_text(f'{{"{field}": {value if field == "divisor" else f"[{value}]"}}}')
    with pytest.raises(TflitekitError, match="preprocessing"):
        load_preprocessing(path)


def test_values_of_text_fields_that_pydantic_takes_for_infinity_are_refused(tmp_path):
    content = json.loads(VERSION_1.read_text())
    content["variants"][0]["accuracy"]["value"] = "inf"
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(TflitekitError, match="not finite"):
        read_report(tmp_path)


OPENERS = {
    "model": identify,
    "tflite": read_graph,
    "apk": inspect_apk,
    "labels": load_labels,
    "preprocessing": load_preprocessing,
    "report": read_report,
    "suite": read_suite,
    "json": read_json,
}


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS.keys())
def test_only_regular_files_are_opened(opener, tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    for path, words in (
        (tmp_path / "pipe.json", "named pipe"),
        (Path("/dev/zero"), "device"),
        (Path("/dev/null"), "device"),
        (tmp_path / "none.json", "no "),
        (tmp_path / ("n" * 300), "too long"),
        (tmp_path / "a\0b", "null"),
    ):
        with pytest.raises(TflitekitError) as refused:
            opener(path)
        assert words in str(refused.value).lower(), path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"x")
    (tmp_path / "m.tflite").chmod(0)
    with pytest.raises(TflitekitError, match="permission denied"):
        read_graph(tmp_path / "m.tflite")


def test_files_beyond_the_limit_are_not_read(tmp_path):
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(1 << 40)
    for read in (read_graph, load_labels, read_json):
        with pytest.raises(TflitekitError, match="that are read"):
            read(tmp_path / "sparse")
    with pytest.raises(UnreadableError):
        read_bytes(Path("/proc/self/maps"), 1)  # says of itself that it has no bytes
    with open_file(tmp_path / "sparse") as stream:
        assert stream.read(1) == b"\0"


def test_inspect_of_a_pipe_is_an_error(cli, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    code, _, err = cli("inspect", tmp_path / "pipe")
    assert (code, "named pipe" in err) == (2, True)


class _Value(BaseModel):
    number: int


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "not JSON": lambda path: path.write_bytes(b"\xff\xfe\xfd" * 50),
    "deep": lambda path: path.write_text("[" * 100_000),
    "null": lambda path: path.write_text("null"),
    "list": lambda path: path.write_text("[1]"),
    "object": lambda path: path.write_text("{}"),
    "other value": lambda path: path.write_text(path.read_text().replace('"number": 5', '"number": 6')),
    "files are a number": lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {"files": 5})),
    "file beside it": lambda path: (path.parent / "beside.npy").write_bytes(b"y"),
    "file beside it gone": lambda path: (path.parent / "beside.npy").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_record_is_absent(damage, tmp_path):
    path = tmp_path / "record.json"
    assert read_record(path, _Value) is None
    (tmp_path / "beside.npy").write_bytes(b"x")
    write_record(path, {"number": 5}, "beside.npy")
    assert read_record(path, _Value) == _Value(number=5)
    damage(path)
    assert read_record(path, _Value) is None


def test_a_damaged_sidecar_is_none(tmp_path):
    for text in ("[" * 100_000, "null", '{"name": NaN}', r'{"name": "\ud800"}'):
        (tmp_path / "m.json").write_text(text)
        assert read_sidecar(tmp_path / "m.tflite") is None


def test_a_sidecar_is_that_of_the_file_beside_it(tmp_path):
    for named in ("float32.tflite", "/etc/passwd"):
        (tmp_path / "renamed.json").write_text(
            json.dumps({"name": "float32", "scheme": "float32", "status": "ok", "file": named})
        )
        found = read_sidecar(tmp_path / "renamed.tflite")
        assert found is not None
        assert found.path == tmp_path / "renamed.tflite"


@pytest.mark.parametrize("change", [{"file": "n" * 300}, {"file": "a\0b"}, {"size_bytes": 10**30}, {"name": "\ud800"}])
def test_content_of_reports_that_breaks_a_view_is_refused_when_it_is_read(change, tmp_path):
    content = json.loads(VERSION_1.read_text())
    content["variants"][0] |= change
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(TflitekitError, match="report"):
        read_report(tmp_path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda content: content["variants"].append(content["variants"][0]), "the variant 'float32' twice"),
        (lambda content: content.update(baseline="gone"), "the variant 'gone', which it does not have"),
        (lambda content: content["recommendation"].update(chosen="gone"), "the variant 'gone', which it does not have"),
        (lambda content: content.update(variants=[]), "which it does not have"),
        (lambda content: content.pop("schema_version"), "is not a report of tflitekit"),
        (lambda content: content.update(schema_version="2"), "has the schema version '2'"),
    ],
)
def test_names_in_reports_that_mean_no_variant_or_two_are_refused(change, problem, tmp_path):
    content = json.loads(VERSION_1.read_text())
    change(content)
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(TflitekitError, match=problem):
        compare(tmp_path, tmp_path)


def test_samples_and_figures_that_no_measurement_gives_are_refused(tmp_path):
    for change in ({"samples_us": ["x"]}, {"median_ms": 1e308}):
        content = json.loads(VERSION_1.read_text())
        content["variants"][0]["latency"] |= change
        (tmp_path / "report.json").write_text(json.dumps(content))
        with pytest.raises(TflitekitError, match="report"):
            read_report(tmp_path)
