"""The benchmark of the Android app, run on the JVM with the real runtime: its report is the kit's, its protocols are the host's."""

import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from tflitekit import bundle, merge
from tflitekit.core.errors import UsageError
from tflitekit.core.statistics import bootstrap_interval, bootstrap_quantiles, bootstrap_weights, percentile
from tflitekit.results import read_report
from tflitekit.targets.protocols import PROTOCOLS

ROOT = Path(__file__).resolve().parents[2]
LOADS = [0, 0, 0, 3, 3, 3, 6, 6]


def samples():
    generator = np.random.default_rng(3)
    rounds = [generator.integers(1000, 2000, 900).astype(np.float64) for _ in LOADS]  # more than 4,000: thinned
    return rounds, bootstrap_weights(LOADS, count=300)


@pytest.fixture(scope="module")
def phone(core, optimized, shapes, tmp_path_factory):
    """The folder where the Java side left its report and its numbers."""
    folder = tmp_path_factory.mktemp("phone")
    bundle([str(optimized / "report.json")], data=shapes / "test", out=folder / "bundle", variants=["all"], samples=1)
    rounds, weights = samples()
    given = {"rounds": [r.astype(int).tolist() for r in rounds], "weights": weights.tolist(), "loads": [LOADS]}
    (folder / "samples.json").write_text(json.dumps(given))
    core.test("benchmark.PhoneReportTest", phone=folder, bundle=folder / "bundle")
    return folder


def test_the_report_keeps_the_schema(phone):
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads((phone / "phone.json").read_text()))
    report = read_report(phone / "phone.json")
    assert [row.name for row in report.variants] == ["float32", "dynamic_range", "int8"]
    assert [finding.kind for finding in report.warnings][:1] == ["throttled"]
    for row in report.variants:
        assert row.latency.target == "android:Fake 1 (Android 15)"
        assert row.latency.conditions.worst_thermal_status == "light"
        assert [other.accelerator.requested for other in row.other_latencies] == ["cpu_builtin"]


def test_figures_are_those_of_the_samples(phone):
    for row in read_report(phone / "phone.json").variants:
        found = row.latency
        pooled = np.concatenate(found.samples.rounds())
        kept = found.samples.kept_every
        assert found.median_ms == pytest.approx(percentile(pooled, 50) / 1e3, rel=1e-6 if kept == 1 else 0.02)
        assert found.min_ms * 1e3 <= pooled.min() * (1 + 1e-6)
        assert found.rounds == len(found.samples.round_sizes) == len(found.samples.processes) >= 3
        assert found.median_low_ms <= found.median_ms <= found.median_high_ms
        assert found.init_ms > 0 and found.first_ms > 0 and found.input_us > 0 and found.output_us > 0


def test_it_merges_into_the_report_that_the_bundle_was_made_of(phone, optimized):
    merged = merge(optimized, [phone / "phone.json"])
    for row in merged.variants:
        before = read_report(optimized).variant(row.name).latency
        assert row.latency.target == "android:Fake 1 (Android 15)"
        assert row.other_latencies[-1] == before
        assert row.latency.ratio is None if row.name == "float32" else row.latency.ratio.value > 0
    assert "throttled" in {finding.kind for finding in merged.warnings}
    other = read_report(optimized)
    rows = [row.model_copy(update={"sha256": "0" * 64}) for row in other.variants]
    with pytest.raises(UsageError, match="another file as 'float32'"):
        merge(other.model_copy(update={"variants": tuple(rows)}), [phone / "phone.json"])


def test_protocols_are_the_hosts(phone):
    found = json.loads((phone / "protocols.json").read_text())
    assert [protocol["name"] for protocol in found] == ["quick", "benchmark-model"]
    for protocol in found:
        host = PROTOCOLS[protocol["name"]]
        if host.name == "quick":  # shorter in tests
            host = host.model_copy(update={"budget_s": 10.0, "summary": host.summary.replace("0.5 s", "10 s")})
        assert host.model_dump(exclude={"statistic"}) == protocol
        assert host.statistic == "median"


def test_statistics_are_the_hosts(phone):
    found = json.loads((phone / "statistics.json").read_text())
    rounds, weights = samples()
    medians = bootstrap_quantiles(rounds, weights)
    assert found["medians"] == medians.tolist()
    assert found["p90"] == bootstrap_quantiles(rounds, weights, 90).tolist()
    assert found["interval"] == pytest.approx(bootstrap_interval(medians, LOADS), abs=1e-6)
    evenly = np.linspace(0, 1, 100_001)
    for clusters, tail in enumerate(found["tails"], 1):  # the lower end of an interval over 0 to 1 is the tail itself
        low, _ = bootstrap_interval(evenly, range(clusters))
        assert tail == pytest.approx(low, abs=1e-9)
