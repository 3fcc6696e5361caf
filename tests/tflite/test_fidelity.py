"""Every part of every output beside the baseline: the sums, the judgement, and what follows for the recommendation."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import t as student

from tflitekit.accuracy import fidelity
from tflitekit.accuracy.fidelity import as_columns, joined, pack, pairs_of, unpack
from tflitekit.accuracy.lints.parts import lint_parts, outputs_beside
from tflitekit.accuracy.matching import Baseline, Match
from tflitekit.core.tensor import Quantization, TensorSpec
from tflitekit.tflite.columns import column_axis


@pytest.mark.parametrize("shape", [(50, 3), (7, 40), (30, 4, 5, 2), (20,), (3, 512, 400, 3)])
@pytest.mark.parametrize("cut", [1, 13])
def test_sums_do_not_depend_on_how_they_are_split(shape, cut):
    generator = np.random.default_rng(0)
    before = generator.normal(3, 2, shape)
    after = before + generator.normal(0, 0.5, shape)
    axis = column_axis(shape)
    one, two = (as_columns(values, axis).astype(np.float32) for values in (before, after))
    whole, cut = pairs_of(one, two), min(cut, len(one) - 1)
    parts = unpack(pack(joined(pairs_of(one[cut:], two[cut:]), pairs_of(one[:cut], two[:cut]))))
    expected = 1 - np.square(one - two).sum(axis=0) / np.square(one - one.mean(axis=0)).sum(axis=0)
    for found in (whole, parts):
        np.testing.assert_allclose(found.explained, expected, rtol=1e-4)  # sums of float32
        np.testing.assert_allclose(found.mean, [one.mean(axis=0), two.mean(axis=0)], rtol=1e-4)
        np.testing.assert_array_equal(found.low, [one.min(axis=0), two.min(axis=0)])
        np.testing.assert_array_equal(found.high, [one.max(axis=0), two.max(axis=0)])


@pytest.mark.parametrize("each", [1, 5, 400])
@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_the_interval_of_what_is_kept_is_students_over_samples(each, kind, monkeypatch):
    monkeypatch.setattr(fidelity, "_BLOCK", 300)  # 400 rows of a sample do not fit, 5 do
    generator = np.random.default_rng(0)
    before = generator.normal(0, 9, (30, each, 2)).astype(kind)
    after = (before + generator.normal(0, 1, before.shape)).astype(kind)
    rows = [values.reshape(-1, 2) for values in (before, after)]
    parts = [
        pairs_of(*(values[part] for values in rows), each=each)
        for part in (slice(0, 10 * each), slice(10 * each, None))
    ]
    for found in (pairs_of(*rows, each=each), joined(*parts)):
        assert found.samples.tolist() == [30, 30]
        for column in range(2):
            one, two = before[..., column].astype(float), after[..., column].astype(float)
            lost = (one != two if kind is np.int32 else np.square(one - two)).sum(axis=1)
            half = student.ppf(0.975, 29) * lost.std(ddof=1) / np.sqrt(30)
            unit = each if kind is np.int32 else np.square(one - one.mean()).sum() / 30
            width = found.same_half if kind is np.int32 else found.explained_half
            assert width[column] == pytest.approx(half / unit, rel=1e-3)
    assert np.isnan(
        pairs_of(*(values[:each] for values in rows), each=each).explained_half
    ).all()  # one sample tells nothing


@pytest.mark.parametrize("kind", [np.float32, np.int32])
@pytest.mark.parametrize("block", [300, 2000, 1 << 19])
def test_variants_beside_a_baseline_have_the_sums_of_all_their_pairs(kind, block, monkeypatch):
    monkeypatch.setattr(fidelity, "_BLOCK", block)
    generator = np.random.default_rng(0)
    before, *variants = generator.normal(0, 9, (4, 7, 200, 3)).astype(kind)
    if kind is np.float32:
        variants[1][2, 5, 1] = np.nan
    baseline, match = Baseline({0: list(before)}), Match(0, 0, -1)
    for after in variants:
        found = baseline.compared([match], {0: list(after)})[0]
        expected = pairs_of(as_columns(before, -1), as_columns(after, -1), each=200)
        np.testing.assert_array_equal(pack(found), pack(expected))


def test_values_that_are_not_finite_are_counted_and_left_out():
    one = np.arange(12, dtype=np.float32).reshape(6, 2)
    two = one.copy()
    two[0, 0], two[1, 1], one[1, 1] = np.nan, np.inf, np.nan
    found = pairs_of(one, two)
    assert found.lost.tolist() == [1, 0]
    assert found.values.tolist() == [5, 5]
    assert found.explained.tolist() == [1, 1]
    assert found.low[:, 0].tolist() == [2, 2]


def judged(before, after, *, scale=None, dtype="float32", other_weights=False, ops=()):
    """Judges one output of a file whose values are ``after``, stored as int8 with this scale and the zero point -128."""
    spec = TensorSpec(name="out", shape=(1, before.shape[-1]), dtype=dtype)
    inner = spec
    if scale is not None:
        inner = replace(spec, dtype="int8", quantization=Quantization(scale=(scale,), zero_point=(-128,)))
    graph = SimpleNamespace(outputs=(spec,), inner_outputs=(inner,), operators=[SimpleNamespace(name=op) for op in ops])
    sums = {0: pairs_of(as_columns(before, -1), as_columns(after, -1))}
    (found,) = outputs_beside(graph, [0], sums, other_weights=other_weights)
    assert [finding.kind == "broken-part" for finding in lint_parts((found,))] == [loss.broken for loss in found.losses]
    return [(loss.cause, loss.columns, loss.broken) for loss in found.losses]


def as_int8(values, scale):
    return (np.clip(np.rint(values / scale), 0, 255) * scale).astype(np.float32)


GENERATOR = np.random.default_rng(1)
BOXES = GENERATOR.uniform(0, 640, (200, 4)).astype(np.float32)
SCORES = GENERATOR.choice([0.02, 0.9], (200, 3)).astype(np.float32)
DEPTHS = GENERATOR.uniform(0, 3, (200, 1)).astype(np.float32)
LOGITS = GENERATOR.normal(0, 4, (400, 1000)).astype(np.float32)
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("before", "after", "scale", "expected"),
    [
        (np.hstack([BOXES, SCORES]), as_int8(np.hstack([BOXES, SCORES]), 2.5), 2.5, [("constant", "4 to 6", True)]),
        (np.hstack([BOXES, DEPTHS]), as_int8(np.hstack([BOXES, DEPTHS]), 2.5), 2.5, [("coarse", "4", True)]),
        (BOXES, as_int8(BOXES, 1.0), 1.0, [("saturated", "0 to 3", True)]),
        (np.hstack([BOXES] * 12 + [SCORES[:, :1]]), as_int8(np.hstack([BOXES] * 12 + [SCORES[:, :1]]), 2.5), 2.5, [("constant", "48", True)]),
        (np.hstack([BOXES * 500, DEPTHS]), as_int8(np.hstack([BOXES * 500, DEPTHS]), 1250), 1250, [("constant", "4", True)]),
        (BOXES, BOXES * [1, 1, 0, 1], None, [("constant", "2", True)]),
        (BOXES, BOXES[:, [0, 1, 3, 2]], None, [("apart", "2 to 3", True)]),
        (BOXES, BOXES + GENERATOR.normal(0, 110, BOXES.shape), None, [("apart", "0 to 3", False)]),
        (BOXES, np.where(BOXES < 30, np.nan, BOXES), None, [("not-finite", "0 to 3", True)]),
    ],
)  # fmt: skip
def test_damaged_parts_are_found(before, after, scale, expected):
    assert judged(before, after, scale=scale) == expected


@pytest.mark.parametrize(
    ("before", "after", "scale"),
    [
        (BOXES, as_int8(BOXES, 2.52), 2.52),  # as fine as int8 can be
        (BOXES * [1, 0, 1, 1], as_int8(BOXES * [1, 0, 1, 1], 2.52), 2.52),  # constant in the baseline, too
        (1000 + BOXES * 1e-5, np.full_like(BOXES, 1000), None),  # nothing varies that float16 could keep
        (SOFTMAX, as_int8(SOFTMAX, 1 / 256), 1 / 256),  # most classes never get a thousandth
        (SOFTMAX, as_int8(SOFTMAX * np.exp(GENERATOR.normal(0, 0.2, SOFTMAX.shape)), 1 / 256), 1 / 256),
        (np.rint(SCORES), np.rint(SCORES), None),  # saturated in the baseline, too
        (BOXES[:15], BOXES[:15] * 0, None),  # too few samples
        (np.eye(200, 4, dtype=np.float32), np.zeros((200, 4), np.float32), None),  # each column rests on one sample
    ],
)
def test_healthy_parts_are_silent(before, after, scale):
    assert judged(before, after, scale=scale) == []


def test_what_may_differ_and_what_may_not():
    shuffled = BOXES[:, [1, 2, 3, 0]]
    assert judged(BOXES, shuffled, other_weights=True) == []  # trained further: the metric judges
    assert judged(BOXES, BOXES * 0, other_weights=True) == [("constant", "0 to 3", True)]
    assert judged(BOXES, shuffled, ops=("TOPK_V2",)) == []  # a list in the order of scores
    answers = GENERATOR.integers(0, 9, (200, 1))
    assert judged(answers, np.where(GENERATOR.random((200, 1)) < 0.1, 0, answers), dtype="int64") == []
    assert judged(answers, np.roll(answers, 1), dtype="int64") == [("apart", "0", True)]
