"""Figures of classifiers agree with scikit-learn's on random and degenerate cases."""

import numpy as np
import pytest

from tflitekit.accuracy.metrics.class_figures import FIGURES, usual
from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.accuracy.metrics.multilabel import MultiLabel
from tflitekit.core.errors import DataError

sklearn = pytest.importorskip("sklearn.metrics")


def scored(rows, labels, meaning="values", first="top1"):
    metric = Classification(None, rows.shape[1], first)
    return metric, metric.score(rows.astype(np.float32), [int(label) for label in labels], meaning=meaning)


def figures(metric, scores):
    return {one.metric: one for one in metric.summarize(scores)}


@pytest.mark.parametrize("seed", range(4))
def test_many_classes(seed):
    generator = np.random.default_rng(seed)
    labels = generator.choice(5, size=300, p=[0.6, 0.2, 0.1, 0.05, 0.05])
    rows = generator.normal(size=(300, 5)) + 2 * np.eye(5)[labels]
    metric, scores = scored(rows, labels)
    answers = rows.astype(np.float32).argmax(axis=1)
    found = figures(metric, scores)
    assert found["balanced-accuracy"].value == pytest.approx(sklearn.balanced_accuracy_score(labels, answers), abs=1e-9)
    assert found["macro-f1"].value == pytest.approx(sklearn.f1_score(labels, answers, average="macro"), abs=1e-9)
    for figure in found.values():
        assert figure.low <= figure.value <= figure.high
    kappa = FIGURES["kappa"].measured(scores)
    assert kappa.value == pytest.approx(sklearn.cohen_kappa_score(labels, answers, weights="quadratic"), abs=1e-9)
    equal = np.arange(300) % 5
    assert "balanced-accuracy" not in figures(*scored(rows, equal))


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("ties", [True, False])
def test_two_classes(outputs, ties):
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 2, 200)
    score = generator.normal(size=200) + labels
    score = np.round(score) if ties else score
    rows = score[:, None] if outputs == 1 else np.stack([-score / 2, score / 2], axis=1)
    found = figures(*scored(rows, labels))
    score = score.astype(np.float32)
    assert found["roc-auc"].value == pytest.approx(sklearn.roc_auc_score(labels, score), abs=1e-9)
    assert found["pr-auc"].value == pytest.approx(sklearn.average_precision_score(labels, score), abs=1e-9)


def test_degenerate_cases():
    rows = np.array([[0.2, 0.8], [0.2, 0.8], [0.2, 0.8], [0.2, 0.8]])
    found = figures(*scored(rows, [0, 1, 1, 1], "probabilities"))  # all scores are the same
    assert found["roc-auc"].value == 0.5
    assert found["pr-auc"].value == 0.75
    found = figures(*scored(rows, [1, 1, 1, 1], "probabilities"))  # there are no negatives
    assert "roc-auc" not in found
    metric, scores = scored(rows, [1, 1, 1, 1], "probabilities", "roc-auc")
    with pytest.raises(DataError, match="all of one class, of which roc-auc says nothing"):
        metric.summarize(scores)
    metric, scores = scored(np.eye(3), [0, 0, 0])
    assert FIGURES["kappa"].measured(scored(np.tile([1, 0, 0], (3, 1)), [0, 0, 0])[1]) is None
    assert [figure.name for figure in usual("kappa", scores)] == ["class-distance"]


def test_figures_decide_and_are_compared_in_pairs():
    generator = np.random.default_rng(2)
    labels = generator.choice(3, size=400, p=[0.8, 0.1, 0.1])
    rows = generator.normal(size=(400, 3)) * 0.3 + np.eye(3)[labels]
    metric, before = scored(rows, labels, first="balanced-accuracy")
    worse = rows.copy()
    worse[:, 0] += 1.0  # the small classes lose
    after = metric.score(worse.astype(np.float32), labels.tolist(), meaning="values")
    first = metric.summarize(before)[0]
    assert first.metric == "balanced-accuracy"
    drop = metric.drop(before, after, 1.0)
    assert drop.value == pytest.approx(first.value - metric.summarize(after)[0].value)
    assert drop.verdict.startswith("drops") and drop.low > 0
    same = metric.drop(before, before, 1.0)
    assert (same.value, same.low, same.high, same.verdict) == (0.0, 0.0, 0.0, "no measurable drop")
    metric, _ = scored(rows, labels, first="class-distance")
    distance = metric.summarize(metric.score(rows.astype(np.float32), labels.tolist(), meaning="values"))[0]
    assert distance.value == pytest.approx(np.abs(rows.argmax(axis=1) - labels).mean())
    assert distance.higher_is_better is False


@pytest.mark.parametrize("meaning", ["values", "probabilities"])
def test_several_labels(meaning):
    generator = np.random.default_rng(5)
    truth = generator.random((150, 6)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0.0]
    truth[0], truth[1] = True, False  # all of them, none
    truth[:, 5] = False
    logits = (generator.normal(size=(150, 6)) + 2 * truth - 1).astype(np.float32)
    rows = logits if meaning == "values" else 1 / (1 + np.exp(-logits))
    metric = MultiLabel(None)
    scores = metric.score(rows, list(truth.astype(np.int64)), meaning=meaning)
    found = figures(metric, scores)
    said = logits > 0
    expected = sklearn.average_precision_score(truth[:, :5], logits[:, :5], average=None)
    assert found["mean-ap"].value == pytest.approx(expected.mean(), abs=1e-6)
    for average in ("micro", "macro"):
        f1 = sklearn.f1_score(truth, said, average=average, zero_division=0)
        assert found[f"{average}-f1"].value == pytest.approx(f1, abs=1e-9)
    assert found["exact-match"].value == pytest.approx(sklearn.accuracy_score(truth, said), abs=1e-9)
    worse = metric.score(rows[:, ::-1], list(truth.astype(np.int64)), meaning=meaning)
    details = metric.details(worse, scores, max_class_drop=None)
    assert [row.label for row in details["per_class"]] == ["0", "1", "2", "3", "4"]
    assert details["per_class"][0].drop.value > 0
    assert details["flips"].lost > 0
    assert metric.drop(scores, worse, None).verdict.startswith("drops")
    once = truth[:60].copy()
    once[:, 4] = np.arange(60) == 7
    rare = metric.details(metric.score(rows[:60], list(once), meaning=meaning), None, max_class_drop=None)["per_class"][
        4
    ]
    assert (rare.n, rare.low, rare.high) == (1, None, None)  # all draws that have it are of the one sample
