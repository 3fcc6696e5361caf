"""Bootstrap by rounds, ratios, packed samples, doubts: numbers in, numbers and findings out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tflitekit.core import machine
from tflitekit.core.machine import Load, LoadWatch
from tflitekit.core.statistics import bootstrap_quantiles, bootstrap_weights
from tflitekit.latency.figures import compare_rounds
from tflitekit.latency.lints import lint_profile, lint_session, lint_sustained, lint_variant
from tflitekit.results import Accelerator, Latency, OpRow, Profile, Samples, Sustained, VariantReport
from tflitekit.targets.litert_profiler import Event
from tflitekit.targets.profiling import align
from tflitekit.tflite.graph import Operator
from tflitekit.tflite.layers import layer_names

QUIET = Load(steal=0.0, others_cores=0.0, frequency_change=0.0)


def latency(median=1.0, *, mean=None, runs=5000, width=0.01, **options):
    return Latency(
        target="host", threads=1, protocol="quick", median_ms=median, median_low_ms=median * (1 - width / 2),
        median_high_ms=median * (1 + width / 2), p90_ms=median, p99_ms=median, mean_ms=mean or median, min_ms=median,
        init_ms=1, first_ms=1, runs=runs, warmup_runs=1, runtime="r", **options,
    )  # fmt: skip


def row(name, **options):
    return VariantReport(name=name, scheme=name, status="ok", **options)


@given(st.lists(st.lists(st.floats(0, 1e6, width=32), max_size=30), max_size=20), st.integers(1, 50))
def test_packed_samples_come_back(rounds, most):
    packed = Samples.of(rounds, most=None)
    assert [part.tolist() for part in packed.rounds()] == rounds or sum(map(len, rounds)) == 0
    thinned = Samples.of(rounds, most=most)
    assert thinned.kept_every >= 1
    back = thinned.rounds()
    for kept, whole in zip(back, rounds, strict=False):
        assert kept.tolist() == whole[:: thinned.kept_every]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_every_bootstrap_sample_draws_as_many_processes_as_there_are(processes):
    weights = bootstrap_weights(processes, count=20)
    assert weights.shape == (20, len(processes))
    sizes = {p: processes.count(p) for p in processes}
    for drawn in weights:
        per_process = {p: sum(w for w, q in zip(drawn, processes, strict=True) if q == p) for p in sizes}
        assert all(total % sizes[p] == 0 for p, total in per_process.items())
        assert sum(total // sizes[p] for p, total in per_process.items()) == len(sizes)


@pytest.mark.slow
def test_interval_of_the_median_covers_it_as_often_as_it_says():
    generator = np.random.default_rng(5)
    covered = 0
    for repetition in range(200):
        processes = np.repeat(np.arange(8), 3)
        level = 100 * (1 + generator.normal(0, 0.01, 8))[processes]
        rounds = [base + generator.exponential(2.0, 30) for base in level]
        medians = bootstrap_quantiles(rounds, bootstrap_weights(processes.tolist(), count=300, seed=repetition))
        low, high = np.percentile(medians, [2.5, 97.5])
        covered += low <= 100 + 2 * np.log(2) <= high
    # 95 % of 200 are 190; a bootstrap of eight clusters covers a little less (about 90 %), and 170 is four binomial
    # standard deviations below that.
    assert covered >= 170


def test_ratio_is_paired_by_round():
    generator = np.random.default_rng(1)
    drift = np.linspace(1, 3, 15)  # the machine gets three times as slow
    base = [d * (100 + generator.normal(0, 1, 50)) for d in drift]
    same = [d * (100 + generator.normal(0, 1, 50)) for d in drift]
    slower = [d * (105 + generator.normal(0, 1, 50)) for d in drift]
    processes = [i // 3 for i in range(15)]
    assert compare_rounds(same, base, processes, baseline="b").verdict == "tie"
    found = compare_rounds(slower, base, processes, baseline="b")
    assert found.verdict == "slower"
    assert found.low < 1.05 < found.high
    assert compare_rounds(base, slower, processes, baseline="b").verdict == "faster"


def test_doubts_about_a_session():
    names = ("float32", "int8")
    rows = [row("float32"), row("int8", integer_op_fraction=1.0)]
    machine = {"kernel_features": {"AVX2": True, "VNNI (int8)": True}}
    good = {name: latency(runs=2000) for name in names}
    assert lint_session(rows, good, QUIET, machine) == []
    assert lint_session(rows, good, Load(), machine) == []
    assert lint_session(rows, {}, QUIET, machine) == []

    def kinds(latencies, load=QUIET, features=machine):
        return [f.kind for f in lint_session(rows, latencies, load, features)]

    assert kinds(good | {"int8": latency(width=0.2)}) == ["noisy-machine"]
    assert kinds(good, QUIET._replace(steal=0.1)) == ["other-load"]
    assert kinds(good, QUIET._replace(others_cores=1.4)) == ["other-load"]
    assert kinds(good, QUIET._replace(frequency_change=0.3)) == ["other-load"]
    assert kinds(good | {"int8": latency(runs=80)}) == ["few-samples"]
    assert kinds(good, features={"kernel_features": {"VNNI (int8)": False}}) == ["no-int8-instructions"]
    arm = {"kernel_features": {"dot product (int8)": True, "i8mm (int8)": False}}
    assert kinds(good, features=arm) == []  # one of them is enough
    split = {"float32": latency(1.0, mean=1.9), "int8": latency(1.2, mean=1.3)}
    (found,) = lint_session(rows, split, QUIET, machine)
    assert found.kind == "median-mean-disagree"
    assert "By the median float32 is the fastest" in found.message
    tied = {"float32": latency(1.0, mean=1.02), "int8": latency(1.001, mean=1.01)}
    assert kinds(tied) == []  # their intervals meet: no winner, no quarrel
    (found,) = lint_session(rows, good | {"int8": latency(width=0.2)}, QUIET._replace(steal=0.1), machine)
    assert "interval of int8's median is 20% wide" in found.message and "took 10%" in found.message


def test_doubts_about_a_variant():
    def kinds(accelerator, ops=(), timer_us=0.05, median=1.0):
        found = latency(median, accelerator=accelerator)
        return [f.kind for f in lint_variant(row("v", ops=ops), found, timer_us)]

    whole = Accelerator(requested="cpu", actual="cpu, XNNPACK", nodes=10, delegated_nodes=10, partitions=1)
    assert kinds(whole) == []
    assert kinds(None) == []
    assert kinds(whole, timer_us=1, median=0.05) == ["timer-too-coarse"]
    assert kinds(whole.model_copy(update={"delegated_nodes": 5})) == ["partial-delegation"]
    int16 = (OpRow(name="CONV_2D", version=3, compute="int16", count=6, weight_bytes=1),)
    assert kinds(whole.model_copy(update={"delegated_nodes": 0}), int16) == ["reference-kernels"]
    assert kinds(whole, int16) == []


def test_doubts_about_sustained_load():
    def curve(name, start, end):
        found = Sustained(minutes=1, times_s=(1,), median_ms=(start,), start_ms=start, end_ms=end, change=end / start)
        return row(name, sustained=found)

    assert lint_sustained([curve("a", 1, 1.01), curve("b", 2, 2.0), row("c")]) == []
    assert [f.kind for f in lint_sustained([curve("a", 1, 1.5), curve("b", 2, 2)])] == ["slowed-down"]
    kinds = [f.kind for f in lint_sustained([curve("a", 1, 2.5), curve("b", 2, 2)])]
    assert kinds == ["slowed-down", "ranking-changed"]


def test_load_of_this_machine_is_seen():
    watch = LoadWatch()
    sum(range(10**6))
    load = watch.finish()
    assert load.others_cores is None or load.others_cores >= 0
    assert load.steal is None or 0 <= load.steal <= 1


def test_layers_are_found_behind_suffixes():
    def conv(scope, name):
        return Operator("CONV_2D", (f"model_1/{scope}/convolution",), (f"model_1/{name}/Relu;model_1/{scope}/BiasAdd",))

    operators = [conv("conv2d_1", "re_lu_1"), conv("conv2d_1_2", "re_lu_1_2"), conv("conv2d_2_1", "re_lu_2_1")]
    layers = ["conv2d", "re_lu", "conv2d_1", "re_lu_1", "conv2d_2", "re_lu_2"]
    assert layer_names(operators, layers) == ["conv2d", "conv2d_1", "conv2d_2"]
    assert layer_names(operators, ()) == ["conv2d_1", "conv2d_1_2", "conv2d_2_1"]
    assert layer_names([Operator("QUANTIZE", (), ("tfl.quantize",))], layers) == [""]


def test_layers_of_one_name_in_two_blocks_are_told_apart():
    paths = ["m/one/norm/batchnorm/mul", "m/one/norm/batchnorm/add", "m/two/norm/batchnorm/mul", "m/two/stem/Relu"]
    operators = [Operator("MUL", (), (path,)) for path in paths]
    assert layer_names([Operator("RESHAPE", (), ("m/turn/transpose;1",))], ()) == ["turn"]  # numbered, not fused
    assert layer_names(operators, ()) == ["one/norm/batchnorm", "one/norm/batchnorm", "two/norm/batchnorm", "stem"]


def test_events_find_their_operators():
    names = ("QUANTIZE", "CONV_2D", "ADD", "AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX")
    operators = [Operator(name, (), ()) for name in names]
    events = [
        Event("Convert (NC)", 1, None),
        Event("Convolution (NHWC, QC8) IGEMM", 9, None),
        Event("Add (ND)", 1, None),
        Event("Clamp (NC)", 1, None),  # the activation that the file fuses into ADD
        Event("AVERAGE_POOL_2D", 1, 3),
        Event("Convert (NC, F32, QDU8)", 1, None),  # for the next operator's dynamic range
        Event("Fully Connected (NC, QS8, QC8W) GEMM", 1, None),
        Event("SOFTMAX", 1, 6),
    ]
    assert align(events, operators) == [0, 1, 2, 2, 3, 5, 5, 6]
    pointwise = [Operator("DEPTHWISE_CONV_2D", (), ()), Operator("CONV_2D", (), ()), Operator("CONV_2D", (), ())]
    found = [
        Event("Convolution (NHWC, F32) DWConv", 1, None),
        Event("Fully Connected (NC, F32) GEMM", 1, None),
        Event("Convolution (NHWC, F32) IGEMM", 1, None),
    ]
    assert align(found, pointwise) == [0, 1, 2]


def test_few_rounds_have_no_false_certainty():
    rounds = [np.full(10, 5.0)]
    assert bootstrap_quantiles(rounds, bootstrap_weights([0], count=5)).tolist() == [5.0] * 5
    with pytest.raises(ValueError, match="need at least one array"):
        bootstrap_quantiles([], np.zeros((2, 0), np.int64))


def test_a_coarse_profile_says_so():
    profile = Profile(method="m", runs=1, rounding_us=2, whole_us=10, sum_us=10, ops=())
    assert [found.kind for found in lint_profile(profile)] == ["profile-too-coarse"]
    assert lint_profile(profile.model_copy(update={"rounding_us": 1})) == []
    assert lint_profile(profile.model_copy(update={"whole_us": 0})) == []


def test_damaged_samples_are_refused():
    good = Samples.of([[1.0, 2.0]], [1]).model_dump()
    for change in ({"data": "!!!"}, {"round_sizes": (3,)}, {"round_sizes": (-1, 3)}, {"processes": (1, 2)}):
        with pytest.raises(ValidationError):
            Samples.model_validate(good | change)


def test_unknown_features_are_no_lack(monkeypatch):
    monkeypatch.setattr(machine, "_cpuinfo", list)
    assert machine.kernel_features() == {}
    rows, found = [row("int8", integer_op_fraction=1.0)], {"int8": latency(runs=2000)}
    assert lint_session(rows, found, QUIET, {"kernel_features": machine.kernel_features()}) == []
