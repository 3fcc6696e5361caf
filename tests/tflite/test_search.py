"""Searches for the best type of each layer, on a small network that the runtime runs."""

import importlib.util
import itertools
import json
import tempfile
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tiny_network import Network

from tflitekit import ConvertOptions
from tflitekit.accuracy.lints.search import lint_search
from tflitekit.conversion import ConversionSpec, convert, convert_unlocked, open_calibration
from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.data.calibration import store_calibration
from tflitekit.data.dataset import open_dataset
from tflitekit.data.preprocessing import PRESETS
from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.engines.rounding.layers import find_layers
from tflitekit.optimization.optimize import optimize
from tflitekit.optimization.run import _search_limits
from tflitekit.options.limits import Constraints
from tflitekit.render import html, search_text
from tflitekit.results import Measured
from tflitekit.schemes import parse_request
from tflitekit.search.bounds import Bounds, Loss
from tflitekit.search.candidates import Judged
from tflitekit.search.integer_program import Choice, cheapest
from tflitekit.search.judging import Reference, _fitted, _of_worst_class, _probabilities
from tflitekit.search.plan import Plan
from tflitekit.search.trials import Trials
from tflitekit.search.workshop import Workshop
from tflitekit.tflite.flatbuffer import unpack
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model
from tflitekit.tflite.search_record import SearchTiming
from tflitekit.tflite.variant import read_sidecar

quantizer = pytest.mark.skipif(
    importlib.util.find_spec("litert_quantizer") is None, reason="litert-quantizer is not installed: '.[quantize]'"
)
CLASSES, CALIBRATED, JUDGED, EVALUATED = 4, 32, 128, 160


def classifier():
    """Convolutions that int4 hardly hurts, behind a first one that it does: its channels are of very unlike ranges."""
    net = Network(1, 8, 8, 3)
    spread = net.random.standard_t(2, size=(8, 3, 3, 3)) * 0.4
    first = net.conv(net.input, "first", 8, weights=net.tensor("sensitive", (8, 3, 3, 3), spread))
    hidden = net.conv(net.conv(first, "second", 16), "third", 16, stride=4)
    flat = net.reshape(hidden, "flat", 1, 64)
    scores = net.dense(flat, "scores", CLASSES)
    return net.finish(net.add("SOFTMAX", [scores], net.shape(scores), "classes", options="SoftmaxOptions", beta=1.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "classifier.tflite"
    path.write_bytes(classifier())
    return path


@pytest.fixture(scope="module")
def data(model, tmp_path_factory):
    """Samples with the classes that the float model gives most of them."""
    random = np.random.default_rng(3)
    x = random.normal(size=(CALIBRATED + JUDGED + EVALUATED, 8, 8, 3)).astype(np.float32)
    answers = np.concatenate([Model(model).run([one[None]])[0] for one in x])
    y = np.array([random.choice(CLASSES, p=row / row.sum()) for row in answers.astype(np.float64)])
    folder = tmp_path_factory.mktemp("data")
    known = CALIBRATED + JUDGED
    np.savez(folder / "train.npz", x=x[:known], y=y[:known])
    np.savez(folder / "test.npz", x=x[known:], y=y[known:])
    return folder


def options(**changes):
    return ConvertOptions(calibration_limit=CALIBRATED, search_samples=JUDGED, jobs=2, **changes)


def search(model, data, out, scheme="mixed", drop=2.0, **changes):
    [variant] = convert(
        model,
        schemes=[scheme],
        calibration=data / "train.npz",
        out=out,
        max_accuracy_drop=drop,
        options=options(**changes),
    ).variants
    return variant


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def report(model, data, out):
    """The whole way, on data that are not those to judge on."""
    return optimize(
        model,
        data=data / "test.npz",
        calibration=data / "train.npz",
        schemes=["mixed"],
        constraints=Constraints(max_accuracy_drop=2.0),
        options=options(),
        out=out,
    )


@pytest.fixture(scope="module")
def mixed(report, out):
    return read_sidecar(out / "mixed.tflite")


@quantizer
def test_the_file_is_the_smallest_that_keeps_the_limit(mixed):
    record = mixed.search
    assert mixed.error is None
    assert (mixed.status, record.ended, record.met, record.failed) == ("ok", "finished", True, 0)
    within = [point for point in record.path if point.high <= record.limit]
    assert min(point.size_bytes for point in within) == mixed.size_bytes == mixed.path.stat().st_size
    [chosen] = [point for point in record.path if point.chosen]
    assert (chosen.size_bytes, chosen.loss, chosen.high) == (mixed.size_bytes, record.loss, record.high)
    assert min(point.size_bytes for point in record.path) < mixed.size_bytes < max(p.size_bytes for p in record.path)
    assert record.tried == len(record.path) and not record.calibrated


@quantizer
def test_what_the_record_says_of_layers_is_what_stands_in_the_file(mixed):
    types = {layer.name: layer.type for layer in mixed.search.layers}
    assert list(types) == ["first", "second", "third", "scores"]
    elements = {"first": 216, "second": 1152, "third": 2304, "scores": 256}
    expected = {"int4": 0, "int8": 0, "float16": 0}
    for name, kind in types.items():
        expected[kind] += int(elements[name] * {"int4": 0.5, "int8": 1, "float16": 2}[kind])
    stored = read_graph(mixed.path).weight_bytes_by_dtype
    assert {kind: stored.get(kind, 0) for kind in ("int4", "int8")} == {k: expected[k] for k in ("int4", "int8")}
    assert len(set(types.values())) > 1
    assert read_sidecar(mixed.path).search == mixed.search


@quantizer
def test_the_loss_is_that_of_the_file_on_the_samples_it_was_judged_on(model, data, mixed):
    """Computed anew from the data and the finished file."""
    calibrated = {sample.key for sample in open_dataset(data / "train.npz", limit=CALIBRATED)}
    judged = [sample for sample in open_dataset(data / "train.npz") if sample.key not in calibrated]
    assert len(judged) == mixed.search.samples == JUDGED
    x = np.stack([sample.read()["x"] for sample in judged])
    y = np.array([sample.label for sample in judged])
    expected, found = (
        np.concatenate([file.run([one[None]])[0] for one in x]) for file in (Model(model), Model(mixed.path))
    )
    temperatures = np.geomspace(0.25, 8.0, 61)
    rows = np.arange(len(x))

    def sharpened(temperature):
        powers = np.maximum(expected.astype(np.float64), 1e-9) ** (1 / temperature)
        return powers / powers.sum(1, keepdims=True)

    trusted = sharpened(min(temperatures, key=lambda t: -np.log(sharpened(t)[rows, y]).mean()))
    lost = trusted[rows, expected.argmax(1)] - trusted[rows, found.argmax(1)]
    assert mixed.search.loss == pytest.approx(lost.mean(), abs=1e-6)
    assert mixed.search.high == pytest.approx(lost.mean() + 1.645 * lost.std(ddof=1) / np.sqrt(len(x)), abs=1e-4)


@quantizer
def test_the_report_shows_what_was_searched_and_measures_the_file_once_more(report, mixed, tmp_path):
    row = report.variant("mixed")
    assert row.search == mixed.search
    assert row.accuracy.n == EVALUATED and report.variant("float32").search is None
    page = html.render(report)
    assert "Size against loss of all candidates" in page and "Type of each layer" in page
    timing = SearchTiming(name="int8", latency_ms=0.5, size_bytes=1, loss=0.0, high=0.0, within=True, chosen=True)
    slow = row.search.model_copy(
        update={"timings": (timing,), "missed": ("latency",), "met": False, "timed_on": "host"}
    )
    other = row.model_copy(update={"search": slow})
    rows = [other if each.name == "mixed" else each for each in report.variants]
    page = html.render(report.model_copy(update={"variants": tuple(rows)}))
    assert "Measured side by side" in page and "too slow" in page
    [words] = [line for line in search_text.sentences(row.search) if "candidates" in line]
    assert words.startswith(f"{row.search.tried} candidates judged on 128 samples of ") and "train.npz" in words


@quantizer
@pytest.mark.parametrize(("low", "high", "missed"), [(0.031, 0.05, True), (0.02, 0.05, False), (-0.01, 0.01, False)])
def test_a_loss_that_the_search_did_not_see_is_found_by_the_evaluation(report, low, high, missed):
    row = report.variant("mixed")
    search = row.search.model_copy(update={"met": True, "limit": 0.03, "high": 0.02, "judged_by": "accuracy"})
    drop = row.drop.model_copy(update={"low": low, "high": high})
    found = lint_search(row.model_copy(update={"search": search, "drop": drop, "warnings": ()}))
    assert [finding.kind for finding in found.warnings] == ["search-missed"] * missed
    if missed:
        assert "at most 2.0%, but it loses at least 3.1% here, and the limit is 3.0%" in found.warnings[0].message
    likeness = Measured(metric="agreement", value=0.9, low=1 - high, high=1 - low, n=99)
    unlabelled = {"search": search.model_copy(update={"judged_by": "agreement"}), "drop": None, "likeness": likeness}
    found = lint_search(row.model_copy(update={**unlabelled, "warnings": ()}))
    assert [finding.kind for finding in found.warnings] == ["search-missed"] * missed


@quantizer
def test_integers_only_and_what_nothing_keeps_is_said_and_the_nearest_is_made(model, data, tmp_path):
    variant = search(model, data, tmp_path, "mixed:integers=true,io=int8", drop=0.0)
    graph, record = read_graph(variant.path), variant.search
    assert graph.integer_op_fraction == 1.0
    assert {spec.dtype for spec in (*graph.inputs, *graph.outputs)} == {"int8"}
    assert {layer.type for layer in record.layers} <= {"int4", "int8"}
    assert variant.status == "ok" and not record.met
    assert record.high == min(point.high for point in record.path)


@quantizer
def test_float32_is_tried_only_where_float16_cannot_hold_a_layer(model, data, mixed, tmp_path):
    tried = {kind for point in mixed.search.path for kind in point.layers}
    assert tried == {"int4", "int8", "float16"}
    edited = EditableModel(model.read_bytes())
    first, second = edited.graph.operators[:2]
    for tensor, factor in ((first.inputs[1], 1e6), (first.inputs[2], 1e6), (second.inputs[1], 1e-6)):
        edited.set_constant(int(tensor), edited.constant(int(tensor)) * np.float32(factor))
    (tmp_path / "huge.tflite").write_bytes(edited.to_bytes())
    found = search(tmp_path / "huge.tflite", data, tmp_path, search_budget=2)
    assert [set(point.layers) for point in found.search.path] == [{"float16"}, {"float32"}]
    assert (found.search.ended, found.search.loss, found.search.met) == ("budget", 0.0, True)


@quantizer
def test_activations_become_int16_where_int8_ones_lose_too_much(model, data, tmp_path):
    """Two files: all weights in int8 with activations of int8, then of int16."""
    found = search(model, data, tmp_path, "mixed:integers=true", drop=0.0, search_budget=2)
    first, second = sorted(found.search.path, key=lambda point: -point.loss)
    assert second.chosen and second.loss < first.loss
    assert found.search.activations == "int16" and "All activations are int16" in " ".join(search_text.sentences(found.search))  # fmt: skip
    assert read_graph(found.path).integer_op_fraction == 1.0
    steps = [tensor.type for tensor in unpack(found.path.read_bytes()).subgraphs[0].tensors if tensor.name == b"second"]
    assert steps == [schema.TensorType.INT16]


class Interrupted(Progress):
    """Is stopped by its user after some candidates."""

    @contextmanager
    def task(self, description, total):
        steps = itertools.count(1)

        def advance(count, detail=""):
            if description.startswith("Searching") and next(steps) == 4:
                raise KeyboardInterrupt

        yield advance


@quantizer
def test_a_search_that_is_stopped_or_out_of_budget_leaves_its_best_file_and_goes_on_where_it_was(
    model, data, mixed, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        convert(model, schemes=["mixed"], calibration=data / "train.npz", out=tmp_path, max_accuracy_drop=2.0, options=options(), progress=Interrupted())  # fmt: skip
    kept = read_sidecar(tmp_path / "mixed.tflite")
    assert kept.search.ended == "stopped" and kept.sha256 is not None
    assert Model(tmp_path / "mixed.tflite").run([np.zeros((1, 8, 8, 3), np.float32)])[0].shape == (1, CLASSES)
    [journal] = (tmp_path / ".tflitekit").glob("search-*/journal.jsonl")
    before = journal.read_text().splitlines()
    journal.write_text("\n".join(before[:3]) + '\n{"key": "torn')
    first = search(model, data, tmp_path, search_budget=6)
    assert not first.reused
    assert (first.search.ended, first.search.tried) == ("budget", 6)
    assert len({json.loads(line)["key"] for line in journal.read_text().splitlines()}) == 6
    assert search(model, data, tmp_path, search_budget="6").reused
    done = search(model, data, tmp_path)
    assert done.search.ended == "finished"
    assert done.path.read_bytes() == mixed.path.read_bytes()
    assert done.search.path == mixed.search.path
    assert not list((tmp_path / ".tflitekit").glob("search-*"))
    assert search(model, data, tmp_path).reused


@quantizer
def test_a_budget_that_is_too_short_for_anything_still_gives_the_first_file(model, data, tmp_path):
    found = search(model, data, tmp_path, search_budget="0.001s").search
    assert (found.ended, found.tried, [point.layers for point in found.path]) == ("budget", 1, [{"float16": 4}])


@quantizer
def test_a_budget_that_ends_while_weights_are_rounded_leaves_the_first_file_and_the_next_run_rounds_them(
    model, data, tmp_path, monkeypatch
):
    now, left, round_layers = [0.0], [], Workshop.round

    def never_done(workshop, timeout_s):
        left.append(timeout_s)
        now[0] += 60.0
        return round_layers(workshop, 0.001)

    with monkeypatch.context() as patch:
        patch.setattr("tflitekit.search.trials.time", SimpleNamespace(monotonic=lambda: now[0]))
        patch.setattr(Workshop, "round", never_done)
        first = search(model, data, tmp_path, search_budget="60s")
    assert left == [60.0]
    assert (first.search.ended, first.search.tried, first.status) == ("budget", 1, "ok")
    assert Model(first.path).run([np.zeros((1, 8, 8, 3), np.float32)])[0].shape == (1, CLASSES)
    second = search(model, data, tmp_path, search_budget=2)
    assert (second.search.ended, second.search.tried, second.reused) == ("budget", 2, False)
    assert {"int4": 4} in [point.layers for point in second.search.path]  # what was rounded


@quantizer
def test_a_search_goes_on_with_other_limits_and_starts_anew_on_other_samples(model, data, tmp_path):
    first = search(model, data, tmp_path, search_budget=5)
    [folder] = (tmp_path / ".tflitekit").glob("search-*")
    lines = (folder / "journal.jsonl").read_text().splitlines()
    other = search(model, data, tmp_path, drop=3.0, search_budget=6)
    assert (first.search.limit, other.search.limit, other.search.tried) == (0.02, 0.03, 6)
    assert not other.reused and list((tmp_path / ".tflitekit").glob("search-*")) == [folder]
    added = (folder / "journal.jsonl").read_text().splitlines()[len(lines) :]
    assert len({json.loads(line)["key"] for line in [*lines, *added]}) == 6
    convert(
        model, schemes=["mixed"], calibration=data / "train.npz", out=tmp_path, max_accuracy_drop=3.0,
        options=ConvertOptions(calibration_limit=16, search_samples=JUDGED, search_budget=1),
    )  # fmt: skip
    [another] = (tmp_path / ".tflitekit").glob("search-*")
    assert another != folder


def test_of_equal_candidates_the_first_is_kept_whichever_is_done_first(tmp_path):
    plans = [Plan(types={}, equalized=equalized) for equalized in (False, True)]
    lost = Loss(loss=0.0, high=0.0, divergence=0.0, samples=1)
    futures, kept = [Future(), Future()], []

    def advance(steps, words):
        if not futures[0].done():
            futures[0].set_result(Judged(plan=plans[0], loss=lost).model_dump())

    def judge(plan, bounds, timeout_s):
        return futures[plans.index(plan)]

    futures[1].set_result(Judged(plan=plans[1], loss=lost).model_dump())
    trials = Trials(
        tmp_path, SimpleNamespace(jobs=2, judge=judge), Bounds(loss=0.1), samples=1, budget=None,
        better=lambda one, other: one.size_bytes < other.size_bytes, keep=lambda best: kept.append(best.plan), advance=advance,
    )  # fmt: skip
    trials.run(plans)
    assert kept == plans[::-1] and trials.best.plan == plans[0]
    assert list(trials.tried) == [plan.key for plan in plans]


def test_limits_of_a_run_that_a_search_keeps():
    constraints = Constraints(max_accuracy_drop=2, max_class_drop=5, max_size_bytes=60_000, min_fidelity=90)
    limits = _search_limits(constraints, without_labels=False)
    assert (limits.lost, limits.of_class, limits.size_bytes, limits.unlike) == (0.02, 0.05, 60_000, pytest.approx(0.1))
    assert _search_limits(constraints, without_labels=True).of_class is None
    bounds = Bounds(loss=0.01, class_loss=0.05, size_bytes=60_000)
    loss = Loss(loss=0.004, high=0.006, divergence=0.1, samples=500, class_loss=0.03, class_high=0.045, worst_class=2)
    assert bounds.keeps(loss, 60_000) and bounds.excess(loss, 60_000) == 0
    assert bounds.missed(loss, 60_001) == ("size",) and bounds.keeps_accuracy(loss)
    unsure = loss.model_copy(update={"class_high": 0.055})
    assert bounds.missed(unsure, 60_000) == ("class_loss",) and not bounds.keeps_accuracy(unsure)
    assert bounds.excess(unsure, 0) == pytest.approx(0.1)
    assert not bounds.is_settled(loss)  # the class is nearer to its limit than twice its interval
    assert bounds.is_settled(
        loss.model_copy(update={"class_loss": 0.01, "class_high": 0.02, "loss": 0.005, "high": 0.006})
    )


def test_what_is_said_where_no_candidate_keeps_a_limit(mixed):
    record = mixed.search.model_copy(update={
        "class_limit": 0.05, "class_loss": 0.07, "class_high": 0.081, "worst_class": "cat", "met": False, "missed": ("class_loss", "size"),
        "size_limit": mixed.size_bytes - 1,
    })  # fmt: skip
    said = " ".join(search_text.sentences(record))
    assert "The recall of 'cat', which loses most, is expected to lose 7.00% (at most 8.10%); the limit is 5.00%, which no candidate keeps" in said  # fmt: skip
    smaller = [point for point in record.path if point.size_bytes < mixed.size_bytes]
    assert f"Of the candidates within it the best loses {min(p.loss for p in smaller):.2%}" in said
    said = " ".join(search_text.sentences(record.model_copy(update={"size_limit": 10})))
    assert "No candidate is within it; the smallest has " in said


@quantizer
def test_samples_that_are_evaluated_are_refused(model, data, tmp_path):
    """By their content, wherever they lie: the evaluation data are a copy of the data to judge on."""
    with np.load(data / "train.npz") as train:
        np.savez(tmp_path / "copy.npz", x=train["x"][::-1], y=train["y"][::-1])
    spec = ConversionSpec(
        [parse_request("mixed")], str(data / "train.npz"), PRESETS["raw"], None, None, evaluation=open_dataset(tmp_path / "copy.npz")
    )  # fmt: skip
    samples = open_calibration(model, spec, options())
    with pytest.raises(DataError, match="128 of the 128 samples") as refused:
        convert_unlocked(model, spec, data=samples, out=tmp_path, options=options(), progress=Progress())
    assert "--search-data" in refused.value.fix


def test_options_that_cannot_be():
    for text, words in (("mixed:minimize=latency,integers=true", "Use int8"), ("mixed:io=int8", "integers=true")):
        with pytest.raises(UsageError) as refused:
            parse_request(text)
        assert words in refused.value.fix
    assert parse_request("mixed:integers=true").name == "mixed-integers-true"
    with pytest.raises(UsageError, match="not a value of the option integers") as refused:
        parse_request("mixed:integers=True")
    assert refused.value.fix == "It takes true or false."
    for budget in ("soon", "0", "-3s", "1.5"):
        with pytest.raises(UsageError, match="search_budget"):
            ConvertOptions(search_budget=budget)
    assert ConvertOptions(search_budget="1.5m").search_budget.seconds == 90


def test_the_integer_program_finds_what_trying_everything_finds():
    random = np.random.default_rng(5)
    for _ in range(20):
        choices = {
            f"layer{i}": [Choice(kind, int(size), float(cost)) for kind, size, cost in zip(("int4", "int8", "float16"), np.cumsum(random.integers(1, 99, 3)), np.sort(random.random(3))[::-1], strict=True)]
            for i in range(5)
        }  # fmt: skip
        most = float(random.uniform(0.5, 3.0))
        every = [c for c in itertools.product(*choices.values()) if sum(each.divergence for each in c) <= most]
        found = cheapest(choices, most)
        if not every:
            assert found is None
            continue
        chosen = [next(c for c in choices[name] if c.type == kind) for name, kind in found.items()]
        assert sum(c.divergence for c in chosen) <= most + 1e-9
        assert sum(c.cost for c in chosen) == min(sum(c.cost for c in each) for each in every)


def test_the_expected_loss_is_what_labels_say_in_the_long_run():
    """Classes drawn from a model's probabilities, which it overstates: its temperature is found, and the loss with it."""
    random = np.random.default_rng(7)
    logits = random.normal(size=(40_000, 5)) * 2
    labels = (logits + random.gumbel(size=logits.shape)).argmax(1)  # drawn from their probabilities
    overstated = logits * 2
    temperature = _fitted(overstated, labels, False)
    assert temperature == pytest.approx(2.0, rel=0.05)
    other = (overstated + random.normal(size=logits.shape)).argmax(1)
    trusted = _probabilities(overstated, False, temperature)
    rows = np.arange(len(logits))
    expected = (trusted[rows, overstated.argmax(1)] - trusted[rows, other]).mean()
    counted = ((overstated.argmax(1) == labels) * 1.0 - (other == labels)).mean()
    assert expected == pytest.approx(counted, abs=0.006)


def test_the_class_that_loses_most_is_found_and_its_loss_is_what_labels_say():
    random = np.random.default_rng(9)
    logits = random.normal(size=(40_000, 5)) * 2
    trusted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (logits + random.gumbel(size=logits.shape)).argmax(1)  # drawn from their probabilities
    before, after = logits.argmax(1), (logits + np.array([0, 0, -1.5, 0, 0])).argmax(1)
    found = _of_worst_class(trusted, before, after)
    ours = labels == 2
    counted = (before[ours] == 2).mean() - (after[ours] == 2).mean()
    assert found["worst_class"] == 2 and found["class_loss"] == pytest.approx(counted, abs=0.01)
    parts = [_of_worst_class(trusted[i::40], before[i::40], after[i::40]) for i in range(40)]
    losses = np.array([part["class_loss"] for part in parts])
    widths = np.array([part["class_high"] for part in parts]) - losses
    assert widths.mean() == pytest.approx(1.645 * losses.std(ddof=1), rel=0.25)


def test_without_labels_the_share_of_other_answers_is_what_is_lost(model, data):
    with np.load(data / "test.npz") as test:
        x = test["x"][:64]
    folder = Path(tempfile.mkdtemp(dir=data))
    samples = store_calibration(
        open_dataset({"input": x}, need_labels=False), read_graph(model).inputs, PRESETS["raw"], folder, Progress()
    )
    float_model = Model(model)
    reference = replace(Reference.of(float_model, samples, "classes", None), by_agreement=True)
    other = data / "other.tflite"
    other.write_bytes(with_last_bias(model.read_bytes(), [2.0, 0.0, 0.0, 0.0]))
    loss = reference.loss(Model(other), samples, Bounds(loss=0.0))
    answers = [[file.run([one[None]])[0].argmax() for one in x] for file in (float_model, Model(other))]
    assert loss.loss == pytest.approx(np.mean(np.array(answers[0]) != np.array(answers[1])))
    assert 0 < loss.loss < loss.high
    assert loss.class_loss is None
    by_class = replace(reference, by_agreement=False).loss(Model(other), samples, Bounds(loss=1.0, class_loss=0.5))
    trusted = reference.outputs["classes"]
    before, after = (np.array(each)[:, None] == np.arange(CLASSES) for each in answers)
    recalls = (trusted * before).sum(0) / trusted.sum(0) - (trusted * after).sum(0) / trusted.sum(0)
    assert by_class.worst_class != 0  # whose bias was raised
    assert by_class.class_loss == pytest.approx(recalls[by_class.worst_class], rel=1e-4) and by_class.class_loss > 0


def with_last_bias(content, added):
    edited = EditableModel(content)
    [use] = find_layers(edited)[0][-1].uses
    edited.set_constant(use.bias, edited.constant(use.bias) + np.array(added, np.float32))
    return edited.to_bytes()
