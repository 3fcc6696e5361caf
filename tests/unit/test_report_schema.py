"""The JSON of reports: the published schema is that of the types, real reports keep it, older ones are brought to it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import run_json
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sample_reports import extended, trained

from tflitekit.core.errors import ModelError
from tflitekit.results import SCHEMA_VERSION, Latency, Samples, read_report
from tflitekit.results.migration import migrate

ROOT = Path(__file__).resolve().parents[2]
VERSION_1 = Path(__file__).parents[1] / "data" / "report-version-1.json"
"""Written by the kit when its schema had version 1 (with 20 latency runs a variant, so that the file is small)."""


@pytest.fixture(scope="module")
def schema():
    content = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content)


def test_the_published_schema_is_that_of_the_types():
    command = [sys.executable, ROOT / "scripts" / "report_schema.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_reports_keep_the_schema(optimized, schema, cli):
    schema.validate(json.loads((optimized / "report.json").read_text()))
    schema.validate(run_json(cli("report", optimized, "--json")))
    schema.validate(json.loads(json.dumps(trained(extended(read_report(optimized))).to_json())))


def test_the_schema_notices_what_is_wrong(schema):
    good = read_report(VERSION_1).to_json()
    schema.validate(good)
    for change in ({"schema_version": 1}, {"created": 5}, {"variants": [{}]}, {"warnings": ["as in version 1"]}):
        assert not schema.is_valid(good | change)
    assert not schema.is_valid({name: value for name, value in good.items() if name != "warnings"})


def test_a_report_of_version_1_reads(schema):
    old = json.loads(VERSION_1.read_text())
    report = read_report(VERSION_1)
    schema.validate(report.to_json())
    assert (old["schema_version"], report.schema_version) == (1, SCHEMA_VERSION)
    assert [v.name for v in report.variants] == [v["name"] for v in old["variants"]]
    assert report.warnings[0].message.startswith("No preprocessing was named")
    assert report.warnings[0].kind == "note"
    before, after = old["variants"][0], report.variant("float32")
    for name in ("sha256", "size_bytes", "peak_memory_bytes", "status"):
        assert getattr(after, name) == before[name]
    assert after.accuracy.model_dump(exclude_none=True) == before["accuracy"]
    assert after.latency.median_ms == before["latency"]["median_ms"]
    (kept,) = after.latency.samples.rounds()
    assert kept == pytest.approx(before["latency"]["samples_us"], rel=1e-6)  # float32
    assert report.variant("int8").status == "skipped"
    assert report.variant("int8").latency is None


@pytest.mark.parametrize(
    ("target", "kind", "counts"),
    [
        ("host", "host", False),
        ("host-core0", "host", False),
        ("android:Pixel 8 (Android 15)", "phone", True),
        ("pi", "board", True),
    ],
)
def test_what_a_target_is_is_told_from_its_name_in_older_reports(target, kind, counts):
    given = read_report(VERSION_1).variant("float32").latency.model_dump() | {"target": target}
    old = {name: value for name, value in given.items() if name not in ("target_kind", "good_for")}
    found = Latency.model_validate(old)
    assert (found.target_kind, found.counts) == (kind, counts)
    assert Latency.model_validate(found.model_dump() | {"target": "host"}) == found.model_copy(
        update={"target": "host"}
    )


def test_a_report_of_version_1_is_shown_and_rendered(cli, tmp_path):
    (tmp_path / "report.json").write_bytes(VERSION_1.read_bytes())
    code, out, _ = cli("report", tmp_path)
    assert code == 0
    assert "Recommended: dynamic_range" in out
    assert "dynamic\\_range" in (tmp_path / "report.md").read_text()
    assert json.loads((tmp_path / "report.json").read_text())["schema_version"] == 1  # reading changes nothing


def test_migration_ends_at_the_current_version():
    assert migrate(json.loads(VERSION_1.read_text()))["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1, 99, -1, None, "2", 1.5, [], True])
def test_other_versions_are_refused_by_name(version, tmp_path, cli):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(json.loads(VERSION_1.read_text()) | {"schema_version": version}))
    with pytest.raises(ModelError, match="schema version") as caught:
        read_report(path)
    assert str(version) in caught.value.what
    assert f"reads versions 1 to {SCHEMA_VERSION}" in caught.value.what
    assert cli("report", tmp_path)[0] == 2


def test_damaged_reports_are_refused_where_they_are_damaged(tmp_path):
    path = tmp_path / "report.json"
    content = json.loads(VERSION_1.read_text())
    del content["variants"][1]["warnings"]
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"malformed at .*warnings"):
        read_report(path)
    for text, words in (
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"schema_version": 2}', "malformed at tool"),
    ):
        path.write_text(text)
        with pytest.raises(ModelError, match=words):
            read_report(path)
    with pytest.raises(ModelError, match="There is no report"):
        read_report(tmp_path / "none")


@given(st.lists(st.lists(st.floats(0.01, 1e9), max_size=40), max_size=12))
def test_packed_samples_come_back(rounds):
    packed = Samples.of(rounds)
    assert packed.kept_every == 1
    found = Samples.model_validate(packed.model_dump(mode="json")).rounds()
    assert [len(part) for part in found] == [len(part) for part in rounds]
    for part, back in zip(rounds, found, strict=True):
        assert back == pytest.approx(part, rel=1e-6)  # float32


def test_long_benchmarks_keep_a_part_of_every_round():
    rounds = [np.arange(1.0, 30_001.0) + 100_000 * index for index in range(3)]
    packed = Samples.of(rounds)
    found = packed.rounds()
    assert packed.kept_every == 5
    assert [len(part) for part in found] == [6_000] * 3
    assert [part[0] for part in found] == [1, 100_001, 200_001]
