"""The host target with the real runtime: what is measured and kept, never how fast it is."""

import pytest
from conftest import run_json

from tflitekit import benchmark
from tflitekit.errors import ModelError, UsageError
from tflitekit.statistics import percentile
from tflitekit.targets import QUICK, open_target

pytestmark = pytest.mark.convert


def test_figures_are_derived_from_kept_samples(variants):
    rows = benchmark([variants / "float32.tflite", variants / "int8.tflite"], runs=30, threads=2)
    assert [row.name for row in rows] == ["float32", "int8"]
    for row in rows:
        found = row.latency
        assert found.threads == 2
        assert found.target == "host"
        assert found.runs == len(found.samples_us) >= 30
        assert found.warmup_runs >= QUICK.warmup_runs
        assert found.median_ms == pytest.approx(percentile(found.samples_us, 50) / 1000)
        assert found.min_ms <= found.median_ms <= found.p90_ms <= found.p99_ms
        assert found.init_ms > 0
        assert found.first_ms > 0
        assert found.runtime.startswith("ai-edge-litert ")
        assert found.machine["cores"] >= 1
        assert row.peak_memory_bytes > 0


def test_each_file_runs_in_a_process_of_its_own_and_a_bad_one_is_an_error(variants, tmp_path):
    bad = tmp_path / "bad.tflite"
    content = bytearray((variants / "float32.tflite").read_bytes())
    bad.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="bad"):
        benchmark([variants / "float32.tflite", bad])
    with open_target() as target, pytest.raises(ModelError, match="bad"):
        target.measure(bad, threads=1, protocol=QUICK)


def test_command(variants, cli):
    code, out, _ = cli("benchmark", variants / "int8.tflite", "--runs", 5)
    assert code == 0
    assert "say little about a phone" in out
    found = run_json(cli("benchmark", variants / "int8.tflite", "--runs", 5, "--json"))
    assert found["variants"][0]["latency"]["target"] == "host"


def test_wrong_use(variants):
    for options, word in (({"threads": 0}, "threads"), ({"runs": 0}, "runs"), ({"target": "moon"}, "no target 'moon'")):
        with pytest.raises(UsageError, match=word):
            benchmark([variants / "int8.tflite"], **options)
    with pytest.raises(UsageError, match=r"No \.tflite"):
        benchmark([])
    with pytest.raises(UsageError, match="given twice"):
        benchmark([variants / "int8.tflite"] * 2)
