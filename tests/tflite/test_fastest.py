"""Searches where latency counts, on a target whose times follow from the types of operators: files are real, the clock is a script."""

import importlib.util
import itertools
from collections import Counter

import numpy as np
import pytest
from tiny_network import Network

from tflitekit import ConvertOptions
from tflitekit.conversion import ConversionSpec, convert, convert_unlocked, open_calibration
from tflitekit.core.errors import ModelError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.data.preprocessing import PRESETS
from tflitekit.hardware import Hardware, load_profile
from tflitekit.optimization.run import _clock
from tflitekit.options.limits import Constraints
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.render import search_text
from tflitekit.results import OpTime, Profile
from tflitekit.schemes import parse_request
from tflitekit.search import Clock, SearchLimits
from tflitekit.search.integer_program import Choice, Passage, cheapest, passage_costs
from tflitekit.targets import CheckedTarget, Loaded, SessionFacts
from tflitekit.targets.host import HostTarget
from tflitekit.tflite.graph import read_graph

quantizer = pytest.mark.skipif(
    importlib.util.find_spec("litert_quantizer") is None, reason="litert-quantizer is not installed: '.[quantize]'"
)
COSTS = {"float32": 40.0, "int16": 90.0, "int8": 10.0}
"""Microseconds of an operator with weights by the type that it reads; of int4 weights 70, of a conversion 3, of others 2."""


def times(path):
    for operator in read_graph(path).operators:
        if operator.name in ("QUANTIZE", "DEQUANTIZE"):
            yield operator, 3.0
        elif operator.name not in ("CONV_2D", "FULLY_CONNECTED"):
            yield operator, 2.0
        else:
            yield operator, 70.0 if operator.weights == "int4" else COSTS[operator.reads]


class ScriptedTarget:
    name, kind, good_for = "script", "board", ("latency",)

    def __init__(self, profiles=True):
        self.profiles, self.open_sessions = profiles, 0

    def identity(self):
        return {"runtime": "script 1"}

    def close(self):
        assert self.open_sessions == 0

    def profile(self, path, *, threads, shapes=None):
        del threads, shapes
        if not self.profiles:
            raise ModelError("It has no profiler.")
        ops = tuple(
            OpTime(index=number, op=operator.name, layer="", time_us=time, share=0.0)
            for number, (operator, time) in enumerate(times(path))
        )
        whole = sum(op.time_us for op in ops)
        return Profile(method="script", runs=1, rounding_us=0.0, whole_us=whole, sum_us=whole, ops=ops)

    def open(self, path, *, threads, shapes=None):
        del threads, shapes
        self.open_sessions += 1
        return ScriptedSession(self, sum(time for _, time in times(path)))


class ScriptedSession:
    loaded = Loaded(init_us=9, first_us=9, harness_us=0.1, timer_us=0.1)

    def __init__(self, target, whole_us):
        self._target, self._whole_us = target, whole_us

    def warm_up(self, runs, seconds):
        del seconds
        return runs

    def run(self, runs, seconds):
        return np.full(runs, self._whole_us), seconds

    def facts(self):
        return SessionFacts(input_us=1, output_us=1)

    def close(self):
        self._target.open_sessions -= 1


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Boxes and scores that go through one layer lose all scores in int8; the layers before them lose little."""
    net = Network(1, 8, 8, 3)
    hidden = net.conv(net.conv(net.input, "first", 8), "second", 8, stride=2)
    large, small = (net.random.normal(size=(count, 1, 1, 8)) * size for count, size in ((4, 60), (3, 0.2)))
    weights = net.tensor("of_both", (7, 1, 1, 8), np.concatenate([large, small]))
    path = tmp_path_factory.mktemp("model") / "detector.tflite"
    path.write_bytes(net.finish(net.conv(hidden, "both", 7, 1, activation="NONE", weights=weights)))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "samples.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(200, 8, 8, 3)).astype(np.float32))
    return path


def search(model, data, out, scheme, clock, budget=None):
    spec = ConversionSpec(
        [parse_request(scheme)], str(data), PRESETS["raw"], None, None, limits=SearchLimits(unlike=0.02), clock=clock
    )
    options = ConvertOptions(calibration_limit=100, jobs=2, search_budget=budget)
    samples = open_calibration(model, spec, options)
    [variant] = convert_unlocked(model, spec, data=samples, out=out, options=options, progress=Progress()).variants
    return variant


@quantizer
def test_the_fastest_file_within_the_limit_is_int8_but_for_the_layer_that_loses_all(model, data, tmp_path):
    target = ScriptedTarget()
    found = search(model, data, tmp_path, "mixed:minimize=latency", Clock(target))
    target.close()
    record = found.search
    assert found.status == "ok" and record.met and record.timed_on == "script"
    assert {layer.name: layer.type for layer in record.layers} == {"first": "int8", "second": "int8", "both": "float32"}
    reads = Counter(op.reads for op in read_graph(found.path).operators if op.name == "CONV_2D")
    assert reads == {"int8": 2, "float32": 1}
    timings = {each.name: each for each in record.timings}
    assert {"mixed", "float32", "int8", "dynamic_range"} <= set(timings)
    [chosen] = [each for each in record.timings if each.chosen]
    assert (chosen.latency_ms, chosen.size_bytes) == (pytest.approx(0.066), found.size_bytes)
    assert all(each.latency_ms >= chosen.latency_ms for each in record.timings if each.within)
    assert timings["int8"].latency_ms < chosen.latency_ms and not timings["int8"].within
    said = " ".join(search_text.sentences(record))
    assert "Measured side by side on script: int8 36.0 µs (loses up to " in said and "mixed 66.0 µs (kept)" in said
    assert search(model, data, tmp_path, "mixed:minimize=latency", Clock(target)).reused


@quantizer
def test_the_smallest_file_that_is_fast_enough(model, data, tmp_path):
    """int4 is slow there: a file in float16 is the smallest of those that were tried that is fast enough."""
    found = search(model, data, tmp_path, "mixed", Clock(ScriptedTarget(), limit_ms=0.15), budget=2)
    small, large = sorted(found.search.path, key=lambda point: point.size_bytes)
    assert small.high > found.search.limit or large.chosen
    assert found.search.met and found.search.latency_limit_ms == 0.15
    missed = search(model, data, tmp_path, "mixed", Clock(ScriptedTarget(), limit_ms=0.01), budget=2).search
    assert missed.missed == ("latency",) and not missed.met
    assert "None that keeps the others is within the limit of 0.01 ms." in " ".join(search_text.sentences(missed))


@quantizer
def test_a_target_without_a_profiler_and_places_that_tell_nothing_are_refused(model, data, tmp_path):
    found = search(model, data, tmp_path, "mixed:minimize=latency", Clock(ScriptedTarget(profiles=False)))
    assert found.status == "failed" and "cannot be measured on 'script'" in found.error and "--target" in found.error
    with pytest.raises(UsageError, match="needs to measure where the model will run") as refused:
        convert(model, schemes=["mixed:minimize=latency"], calibration=data, out=tmp_path)
    assert "--deploy-on host" in refused.value.fix


def test_latency_counts_on_the_target_only():
    """Never that of this host for a phone."""
    host, board = CheckedTarget(HostTarget()), CheckedTarget(ScriptedTarget())
    how, limits = OptimizeOptions(threads=(2, 1)), Constraints(max_latency_ms=3)
    phone, here, boards = (Hardware.of(load_profile(name)) for name in ("phone", "host", "raspberry-pi"))
    assert _clock(host, how, limits, phone) is None and _clock(board, how, limits, here) is None
    assert _clock(board, how, limits, Hardware.of(load_profile("edge-tpu"))) is None  # files run on its CPU
    assert _clock(host, how, limits, here).limit_ms == 3
    assert _clock(board, how, limits, boards).threads == 2
    host.close()


def test_the_integer_program_counts_what_passages_cost():
    """What trying everything finds."""
    random = np.random.default_rng(6)
    names = ["a", "b", "c", "d", None]
    for _ in range(20):
        choices = {
            name: [Choice(kind, float(cost), float(loss)) for kind, cost, loss in zip(("int8", "int16", "float32"), random.integers(1, 20, 3), random.random(3), strict=True)]
            for name in names[:4]
        }  # fmt: skip
        passages = [Passage(names[i - 1], names[i], float(random.integers(0, 15))) for i in range(5)]
        most = float(random.uniform(1.0, 3.0))

        def cost(chosen, passages=passages):
            types = {name: choice.type for name, choice in chosen.items()}
            return sum(choice.cost for choice in chosen.values()) + passage_costs(types, passages)

        every = [dict(zip(choices, each, strict=True)) for each in itertools.product(*choices.values())]
        able = [each for each in every if sum(choice.divergence for choice in each.values()) <= most]
        found = cheapest(choices, most, passages)
        assert (found is None) == (not able)
        if found is not None:
            chosen = {name: next(c for c in choices[name] if c.type == kind) for name, kind in found.items()}
            assert cost(chosen) == min(map(cost, able))
