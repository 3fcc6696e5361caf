"""The benchmark: the real runtime for what is measured and kept, a scripted clock for exact figures; never how fast it is."""

import contextlib
import shutil
import threading
import time

import numpy as np
import pytest
import scripted_target
from conftest import run_json

from tflitekit import benchmark
from tflitekit.accuracy.evaluation import named_variants
from tflitekit.core.errors import ModelError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.core.statistics import percentile
from tflitekit.latency.benchmarking import measure_variants
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.results import VariantReport
from tflitekit.targets import Run, open_target
from tflitekit.targets.host import HostTarget
from tflitekit.targets.protocols import PROTOCOLS


@pytest.fixture
def files(variants, tmp_path):
    """float32, int8, and a twin of float32 with one more byte, so that it counts as another file."""
    for name in ("float32", "int8"):
        shutil.copy(variants / f"{name}.tflite", tmp_path)
    (tmp_path / "twin.tflite").write_bytes((tmp_path / "float32.tflite").read_bytes() + b"\0")
    return [tmp_path / f"{name}.tflite" for name in ("float32", "int8", "twin")]


@pytest.fixture
def patient(monkeypatch):
    """`quick` has all its time: out of it a busy machine would stop within a block."""
    monkeypatch.setitem(PROTOCOLS, "quick", PROTOCOLS["quick"].model_copy(update={"budget_s": 60.0}))


@pytest.mark.slow
def test_figures_are_derived_from_kept_samples(variants):
    report = benchmark([variants / "float32.tflite", variants / "int8.tflite"], runs=45)
    assert [row.name for row in report.variants] == ["float32", "int8"]
    assert report.baseline == "float32"
    for row in report.variants:
        found = row.latency
        rounds = found.samples.rounds()
        pooled = np.concatenate(rounds)
        assert found.threads == 1
        assert found.target == "host"
        assert found.runs >= 45
        assert pooled.size == pytest.approx(found.runs / found.samples.kept_every, rel=0.01)
        assert found.rounds == len(rounds) >= PROTOCOLS["quick"].rounds
        assert found.warmup_runs >= PROTOCOLS["quick"].warmup_runs
        # Of a tiny model only each k-th of some 100,000 samples is kept: the ranks agree, whatever a busy machine makes of the times.
        assert percentile(pooled, 45) <= 1000 * found.median_ms <= percentile(pooled, 55)
        assert found.median_low_ms <= found.median_ms <= found.median_high_ms
        assert found.min_ms <= found.median_ms <= found.p90_ms <= found.p99_ms
        assert found.init_ms > 0 and found.first_ms > 0 and found.input_us > 0 and found.output_us > 0
        assert 0 < found.harness_us < 1000 * found.median_ms  # around a call that does nothing
        assert found.runtime.startswith("ai-edge-litert ")
        assert found.machine["cores"] >= 1
        assert row.peak_memory_bytes > 0
        # Input and output are the interpreter's own tensors whatever a delegate takes: 12 x 12 floats or int8 and more.
        assert row.arena_bytes >= 144
        assert found.accelerator.nodes == sum(op.count for op in row.ops)
        assert 0 < found.accelerator.delegated_nodes <= found.accelerator.nodes
    assert report.variants[0].latency.ratio is None
    assert report.variants[1].latency.ratio.baseline == "float32"


@pytest.mark.slow
def test_rounds_are_interleaved_shuffled_and_a_drift_cancels(files, cli, monkeypatch, patient):
    found = run_json(cli("benchmark", *files, "--target", "scripted", "--json"))
    latencies = {row["name"]: row["latency"] for row in found["variants"]}
    assert {(one["target_kind"], *one["good_for"]) for one in latencies.values()} == {("simulator",)}
    calls = scripted_target.ScriptedTarget.last.calls
    rounds = [tuple(calls[i : i + 3]) for i in range(0, len(calls), 3)]
    assert all(sorted(part) == ["float32", "int8", "twin"] for part in rounds)
    assert len(set(rounds)) > 1  # not always the same order
    assert latencies["int8"]["ratio"]["value"] == pytest.approx(0.4, rel=0.02)  # drift within one round
    assert latencies["int8"]["ratio"]["verdict"] == "faster"
    assert latencies["twin"]["ratio"]["verdict"] == "tie"  # 0.3 % is within the luck of memory layout
    blocks = len(rounds) // PROTOCOLS["quick"].rounds_per_process
    assert scripted_target.ScriptedTarget.last.opened == 3 * blocks  # a fresh process for each file and block
    again = run_json(cli("benchmark", *files, "--target", "scripted", "--json", "--seed", "1"))
    assert scripted_target.ScriptedTarget.last.calls != calls
    assert {r["name"]: r["latency"]["ratio"] and r["latency"]["ratio"]["verdict"] for r in again["variants"]} == {
        r["name"]: r["latency"]["ratio"] and r["latency"]["ratio"]["verdict"] for r in found["variants"]
    }


def test_quick_stops_by_precision_or_budget_and_says_which(files, monkeypatch, patient):
    monkeypatch.setattr(scripted_target, "DRIFT", 1.0)
    steady = benchmark(files, target="scripted")
    assert steady.variants[0].latency.stopped_by == "precision"
    assert steady.variants[0].latency.rounds == PROTOCOLS["quick"].rounds
    assert not [w for w in steady.warnings if w.kind == "budget-spent"]
    rules = PROTOCOLS["quick"].model_copy(update={"budget_s": 0.0})
    monkeypatch.setitem(PROTOCOLS, "quick", rules)
    hasty = benchmark(files, target="scripted")
    assert hasty.variants[0].latency.stopped_by == "budget"
    assert hasty.variants[0].latency.median_low_ms is None  # one round has no interval
    (spent,) = [w for w in hasty.warnings if w.kind == "budget-spent"]
    assert "after 1 round" in spent.message


@pytest.mark.slow
def test_quick_goes_on_until_it_is_precise(files, monkeypatch, patient):
    monkeypatch.setattr(scripted_target, "DRIFT", 1.3)  # the first rounds differ, then it is steady
    report = benchmark(files, target="scripted")
    assert report.variants[0].latency.rounds > PROTOCOLS["quick"].rounds
    assert report.variants[0].latency.stopped_by == "precision"


@pytest.mark.parametrize("name", ["benchmark-model", "mlperf-mobile", "mlperf-tiny"])
def test_protocols_take_what_they_prescribe(name, files, monkeypatch):
    monkeypatch.setattr(scripted_target, "DRIFT", 1.0)
    rules = PROTOCOLS[name]
    found = benchmark(files, target="scripted", protocol=name).variants[1].latency
    assert found.protocol == name
    assert found.statistic == rules.statistic
    assert found.rounds == rules.rounds
    assert found.stopped_by == "protocol"
    assert found.runs == rules.rounds * rules.round_runs  # the script ignores seconds
    assert rules.rounds * rules.round_s >= {"benchmark-model": 1, "mlperf-mobile": 60, "mlperf-tiny": 50}[name]
    least = {"benchmark-model": 50, "mlperf-mobile": 1024, "mlperf-tiny": 5}[name]
    assert rules.rounds * rules.round_runs >= least
    samples = 40 * (1 + 0.001 * np.arange(rules.round_runs))
    expected = {"median": np.median(samples), "p90": np.percentile(samples, 90), "throughput": samples.mean()}
    # Percentiles interpolate; between the samples of one round and of all rounds lies at most one step of 0.1 %.
    assert found.value_ms * 1000 == pytest.approx(expected[rules.statistic], rel=1e-3)
    if name == "mlperf-tiny":
        assert found.throughput_per_s == pytest.approx([1e6 / samples.mean()] * 5)


@pytest.mark.slow
def test_thread_sweep_profile_and_sustained_load(files, cli, tmp_path):
    found = run_json(
        cli("benchmark", *files[:2], "--target", "scripted", "--threads", "1,2", "--profile", "--sustained", "0.001",
            "--json", "--out", tmp_path / "r")
    )  # fmt: skip
    for row in found["variants"]:
        assert row["latency"]["threads"] == 1
        assert [other["threads"] for other in row["other_latencies"]] == [2]
        assert row["profile"]["ops"][0]["layer"] == "first"
        assert row["sustained"]["change"] == pytest.approx(row["sustained"]["end_ms"] / row["sustained"]["start_ms"])
    assert (tmp_path / "r" / "report.json").is_file()
    code, out, _ = cli("benchmark", *files[:2], "--target", "scripted", "--threads", "1,2", "--profile")
    assert code == 0
    assert "where the time goes" in out and "written by hand" in out and "Threads" in out


@pytest.mark.slow
def test_one_bad_file_does_not_take_the_others(files, monkeypatch):
    monkeypatch.setattr(scripted_target.ScriptedTarget, "crash_after", ("int8",))
    variants = named_variants(files)
    rows = [VariantReport.of(v) for v in variants]
    with open_target("scripted") as target:
        measured, _ = measure_variants(rows, variants, target, BenchmarkOptions(), "float32", Progress())
    assert measured[1].latency is None
    assert any(w.kind == "latency-not-measured" for w in measured[1].warnings)
    assert measured[0].latency.runs and measured[2].latency.runs


@pytest.mark.parametrize("threads", ["1,2", "2,1"])
def test_a_target_of_one_thread_measures_one_and_says_so_of_two(files, cli, monkeypatch, threads):
    opened = scripted_target.ScriptedTarget.open

    def refuses(self, path, *, threads, shapes=None):
        if threads > 1:
            raise ModelError(f"There is one thread, not {threads}.")
        return opened(self, path, threads=threads)

    monkeypatch.setattr(scripted_target.ScriptedTarget, "open", refuses)
    found = run_json(cli("benchmark", files[0], "--target", "scripted", "--threads", threads, "--runs", "10", "--json"))
    (row,) = found["variants"]
    assert (row["latency"]["threads"], row["other_latencies"]) == (1, [])
    assert [note["message"] for note in row["warnings"] if note["kind"] == "latency-not-measured"] == [
        "Latency with 2 threads was not measured: There is one thread, not 2."
    ]
    code, _, err = cli("benchmark", files[0], "--target", "scripted", "--threads", "2")
    assert (code, "There is one thread, not 2." in err) == (2, True)


def test_an_interrupted_measurement_goes_on(files, tmp_path, monkeypatch, patient):
    monkeypatch.setattr(scripted_target, "DRIFT", 1.0)
    variants = named_variants(files)
    rows = [VariantReport.of(v) for v in variants]
    before = scripted_target.ScriptedSession.run
    stop_after = 9 * 3

    def interrupted(self, runs, seconds):
        if len(self._target.calls) >= stop_after:
            raise KeyboardInterrupt
        return before(self, runs, seconds)

    monkeypatch.setattr(scripted_target.ScriptedSession, "run", interrupted)
    with open_target("scripted") as target, pytest.raises(KeyboardInterrupt):
        measure_variants(rows, variants, target, BenchmarkOptions(), "float32", Progress(), cache=tmp_path)
    (partial,) = tmp_path.glob("latency-*.partial.json")
    monkeypatch.setattr(scripted_target.ScriptedSession, "run", before)
    with open_target("scripted") as target:
        measured, _ = measure_variants(
            rows, variants, target, BenchmarkOptions(), "float32", Progress(), cache=tmp_path
        )
        calls = scripted_target.ScriptedTarget.last.calls
        assert len(calls) == (PROTOCOLS["quick"].rounds - 9) * 3  # nine rounds were on disk
    assert measured[0].latency.rounds == PROTOCOLS["quick"].rounds
    assert not partial.exists()
    with open_target("scripted") as target:
        again, _ = measure_variants(rows, variants, target, BenchmarkOptions(), "float32", Progress(), cache=tmp_path)
        assert scripted_target.ScriptedTarget.last.calls == []
    assert [row.latency for row in again] == [row.latency for row in measured]


def test_each_file_runs_in_a_process_of_its_own_and_a_bad_one_is_an_error(variants, tmp_path):
    bad = tmp_path / "bad.tflite"
    content = bytearray((variants / "float32.tflite").read_bytes())
    bad.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="bad"):
        benchmark([variants / "float32.tflite", bad])
    with open_target() as target:
        with pytest.raises(ModelError, match="bad"):
            target.open(bad, threads=1)
        session = target.open(variants / "int8.tflite", threads=1)  # the target is fit for further use
        assert len(session.run(3, 0)[0]) == 3
        session.close()


@pytest.mark.slow
def test_the_profile_speaks_of_the_users_layers_and_sums_up(variants):
    for name in ("float32", "int8", "dynamic_range"):
        with open_target() as target:
            found = target.profile(variants / f"{name}.tflite", threads=1)
        assert 0.85 * found.whole_us < found.sum_us < 2 * found.whole_us  # a mean, against a median
        assert found.sum_us == pytest.approx(sum(op.time_us for op in found.ops))
        layers = {op.op: op.layer for op in found.ops}
        assert layers["MAX_POOL_2D"] == "max_pooling2d"
        assert layers["FULLY_CONNECTED"] == "shape"
        convolutions = [op for op in found.ops if op.op == "CONV_2D"]
        assert [op.layer for op in convolutions] == ["conv1", "conv2"]
        assert all(op.time_us > 0 for op in convolutions)


@pytest.mark.slow
def test_command(variants, cli):
    code, out, _ = cli("benchmark", variants / "int8.tflite", "--runs", 15)
    assert code == 0
    assert "say little about a phone" in out
    found = run_json(cli("benchmark", variants / "int8.tflite", "--runs", 15, "--json"))
    assert found["variants"][0]["latency"]["target"] == "host"


def test_wrong_use(variants):
    cases = (
        ({"threads": 0}, "threads"), ({"threads": "1,x"}, "threads cannot be '1,x'"), ({"runs": 0}, "runs"),
        ({"target": "moon"}, "no target 'moon'"), ({"protocol": "slow"}, "protocol cannot be 'slow'"),
        ({"sustained_minutes": 0}, "sustained_minutes cannot be 0"), ({"baseline": "x"}, "not among the files"),
    )  # fmt: skip
    for options, word in cases:
        with pytest.raises(UsageError, match=word):
            benchmark([variants / "int8.tflite"], **options)
    with pytest.raises(UsageError, match=r"No \.tflite"):
        benchmark([])
    with pytest.raises(UsageError, match="given twice"):
        benchmark([variants / "int8.tflite"] * 2)


@pytest.mark.slow
def test_a_measurement_survives_its_json(variants):
    with open_target() as target:
        measured, _ = measure_variants(
            [VariantReport.of(v) for v in named_variants([variants / "int8.tflite"])],
            named_variants([variants / "int8.tflite"]),
            target,
            BenchmarkOptions(runs=15),
            None,
            Progress(),
        )
    assert VariantReport.model_validate(measured[0].model_dump(mode="json")) == measured[0]
    assert Run.model_fields["rounds"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_runs(variants):
    few, many = (
        benchmark([variants / "float32.tflite"], protocol="benchmark-model", runs=runs).variants[0]
        for runs in (50, 300_000)
    )
    assert many.latency.runs >= 300_000 > few.latency.runs
    # The samples alone would be more than 10 MB; the model takes some 100 kB, give or take pages of the allocator.
    assert many.peak_memory_bytes < few.peak_memory_bytes + 2_000_000


def test_runs_that_are_asked_for_are_taken_whatever_budget_and_precision_are(files, monkeypatch):
    monkeypatch.setattr(scripted_target, "DRIFT", 1.0)
    rules = PROTOCOLS["quick"].model_copy(update={"budget_s": 0.0, "precision": 1e-12})
    monkeypatch.setitem(PROTOCOLS, "quick", rules)
    found = benchmark(files, target="scripted", runs=3000).variants[0].latency
    assert 3000 <= found.runs < 3000 + rules.rounds
    assert found.stopped_by == "protocol"


def test_what_was_noisy_is_measured_again(files, tmp_path, monkeypatch):
    monkeypatch.setattr(scripted_target, "DRIFT", 1.0)
    rules = PROTOCOLS["quick"].model_copy(update={"budget_s": 0.0})
    monkeypatch.setitem(PROTOCOLS, "quick", rules)
    variants = named_variants(files)
    rows = [VariantReport.of(v) for v in variants]
    for _ in range(2):
        with open_target("scripted") as target:
            _, doubts = measure_variants(
                rows, variants, target, BenchmarkOptions(), "float32", Progress(), cache=tmp_path
            )
            assert "budget-spent" in [doubt.kind for doubt in doubts]
            assert scripted_target.ScriptedTarget.last.calls  # not taken from the cache


@pytest.mark.slow
def test_a_profile_that_fails_costs_nothing_else(files, monkeypatch):
    def refuse(self, path, *, threads, shapes):
        raise ModelError("no profiler here", fix="none")

    monkeypatch.setattr(scripted_target.ScriptedTarget, "profile", refuse)
    report = benchmark(files, target="scripted", profile=True)
    assert all(row.latency is not None and row.profile is None for row in report.variants)
    assert all("profile-not-measured" in [w.kind for w in row.warnings] for row in report.variants)


@pytest.mark.slow
def test_the_report_of_optimize_is_not_replaced(optimized, tmp_path, cli):
    shutil.copytree(optimized, tmp_path, dirs_exist_ok=True)
    code, _, err = cli("benchmark", tmp_path / "float32.tflite", "--target", "scripted", "--out", tmp_path)
    assert code == 2
    assert "would replace" in err
    (tmp_path / "file").write_text("")
    code, _, err = cli("benchmark", tmp_path / "float32.tflite", "--target", "scripted", "--out", tmp_path / "file")
    assert code == 2
    assert "Cannot write" in err


def test_a_session_that_is_closed_while_it_answers_ends(variants):
    with contextlib.closing(HostTarget()) as target:
        session = target.open(variants / "float32.tflite", threads=1)
        # Half a megabyte of samples, more than fits between two processes, which an interrupted run leaves unread.
        session._send({"do": "run", "runs": 60_000, "seconds": 0.1})
        time.sleep(0.5)
        closing = threading.Thread(target=session.close, daemon=True)
        closing.start()
        closing.join(300)
        assert not closing.is_alive()


def test_what_fails_under_load_leaves_its_latency_and_the_load_of_others(files, monkeypatch):
    begin = scripted_target.ScriptedTarget.open

    def closed_for_load(target, path, **how):
        if path.stem == "int8" and target.opened >= 2 * len(files):
            raise ModelError("int8 does not load again.", fix="Close other programs.")
        return begin(target, path, **how)

    monkeypatch.setattr(scripted_target, "DRIFT", 1.0)
    monkeypatch.setattr(scripted_target.ScriptedTarget, "open", closed_for_load)
    monkeypatch.setitem(
        PROTOCOLS,
        "quick",
        PROTOCOLS["quick"].model_copy(update={"rounds": 2, "rounds_per_process": 1, "precision": None}),
    )
    report = benchmark(files, target="scripted", sustained_minutes=1e-9)
    assert all(row.latency is not None for row in report.variants)
    assert {len(row.sustained.times_s) for row in report.variants if row.sustained} == {2}  # the fewest, however short
    assert [row.name for row in report.variants if row.sustained is None] == ["int8"]
    (failed,) = [one for one in report.warnings if one.kind == "sustained-failed"]
    assert failed.message == "int8 failed under load on scripted: int8 does not load again."
    assert failed.advice == "Close other programs."
