"""Metrics of classifiers on files: chosen by the labels, or named, with their parts of the report."""

import numpy as np
import pytest
from conftest import DATA, run_json
from edit_tflite import edit_weights

from tflitekit import Constraints, evaluate
from tflitekit.core.errors import DataError, UsageError
from tflitekit.tflite.graph import read_graph

FILE = DATA / "converted" / "two_inputs" / "float32.tflite"


@pytest.fixture(scope="module")
def inputs():
    generator = np.random.default_rng(4)
    return {"a-right": generator.normal(size=(90, 3)), "left": generator.normal(size=(90, 4))}


@pytest.fixture(scope="module")
def worse(tmp_path_factory):
    target = tmp_path_factory.mktemp("worse") / "worse.tflite"
    return edit_weights(FILE, target, lambda values: values[::-1], shape=(5, 7))


@pytest.fixture(scope="module")
def answers(inputs):
    """What the float file answers."""
    from tflitekit.tflite.runtime import Model

    model = Model(FILE)
    columns = [inputs[spec.name].astype(np.float32) for spec in model.inputs]
    rows = [model.run([column[index : index + 1] for column in columns]) for index in range(90)]
    return [np.array([row[index][0] for row in rows]) for index in (0, 1)]


def test_rows_of_zeros_and_ones_are_several_labels(inputs, answers, worse):
    labels = (answers[1] > 0).astype(np.int64)
    found = evaluate([FILE, worse], data={**inputs, "y": labels}, output="alpha")
    assert found.dataset.task == "multi-label"
    before, after = found.variants
    assert (before.accuracy.metric, before.accuracy.value) == ("mean-ap", 1.0)
    assert {one.metric: one.value for one in before.other_metrics}["exact-match"] == 1.0
    assert after.drop.verdict.startswith("drops")
    assert [row.metric for row in after.per_class] == ["ap"] * 5
    assert after.flips.lost > 0 and after.flips.won == 0


def test_two_classes_have_areas_and_a_named_figure_decides(inputs, answers):
    data = {**inputs, "y": answers[0].argmax(axis=1)}
    (row,) = evaluate([FILE], data=data).variants
    values = {one.metric: one.value for one in (row.accuracy, *row.other_metrics)}
    assert values["top1"] == values["roc-auc"] == values["pr-auc"] == 1.0
    (row,) = evaluate([FILE], data=data, metric="pr-auc").variants
    assert row.accuracy.metric == "pr-auc"
    assert row.hits is not None
    with pytest.raises(DataError, match=r"'alpha' has 5 classes, and roc-auc is for two"):
        evaluate([FILE], data=data, metric="roc-auc", output="alpha")
    with pytest.raises(DataError, match="are no classes, and kappa compares classes"):
        evaluate([FILE], data={**inputs, "y": answers[1]}, metric="kappa", output="alpha")
    with pytest.raises(DataError, match="no rows of 2 zeros and ones"):
        evaluate([FILE], data=data, metric="mean-ap")


def test_stopping_early_is_for_shares_of_right_answers(inputs, answers, worse):
    data = {**inputs, "y": answers[1].argmax(axis=1)}
    with pytest.raises(UsageError, match=r"(?s)not about macro-f1.*not a mean over them"):
        evaluate([FILE, worse], data=data, output="alpha", metric="macro-f1", until_certain=True)
    with pytest.raises(UsageError, match=r"(?s)not about mae.*known bounds"):
        evaluate([FILE, worse], data={**inputs, "y": answers[1]}, output="alpha", until_certain=True)


def test_several_outputs_take_them_too(inputs, answers, worse):
    labels = {"y.zeta": answers[0].argmax(axis=1), "y.alpha": (answers[1] > 0).astype(int)}
    _, after = evaluate([FILE, worse], data={**inputs, **labels}, metric=["zeta=roc-auc"]).variants
    assert [(one.output, one.accuracy.metric) for one in after.output_scores] == [
        ("zeta", "roc-auc"),
        ("alpha", "mean-ap"),
    ]
    constraints = Constraints(max_accuracy_drop=1)
    found = evaluate([FILE, worse], data={**inputs, **labels}, constraints=constraints)
    (broken,) = found.broken
    assert any("mean AP of 'alpha'" in reason for reason in broken.reasons)


def test_thresholds_show_what_crosses_them(inputs, answers, worse, cli, tmp_path):
    labels = (answers[1] > 0).astype(np.int64)
    np.savez(tmp_path / "labels.npz", **inputs, y=labels)
    found = run_json(
        cli(
            "evaluate",
            FILE,
            worse,
            "--data",
            tmp_path / "labels.npz",
            "--output",
            "alpha",
            "--threshold",
            "0.5",
            "--threshold",
            "0.9",
            "--json",
        )
    )
    (half, high), after = (row["thresholds"] for row in found["variants"])
    assert (half["threshold"], half["precision"], half["recall"], half["rose"]) == (0.5, 1.0, 1.0, None)
    assert half["above"] == pytest.approx(labels.mean()) and half["n"] == labels.size
    assert high["above"] == pytest.approx((answers[1] >= np.log(9)).mean())
    assert after[0]["rose"] > 0 and after[0]["fell"] > 0
    _, out, _ = cli(
        "evaluate", FILE, worse, "--data", tmp_path / "labels.npz", "--output", "alpha", "--threshold", "0.5"
    )
    assert "Fell below" in out

    two = {**inputs, "y": answers[0].argmax(axis=1)}
    (row,) = evaluate([FILE], data=two, threshold=[0.5]).variants
    assert (row.thresholds[0].precision, row.thresholds[0].recall) == (1.0, 1.0)
    many = {**inputs, "y": answers[1].argmax(axis=1)}
    (row,) = evaluate([FILE], data=many, output="alpha", threshold=0.4).variants
    shares = np.exp(answers[1]) / np.exp(answers[1]).sum(axis=1, keepdims=True)
    assert row.thresholds[0].above == pytest.approx((shares.max(axis=1) >= 0.4).mean())
    with pytest.raises(UsageError, match="--threshold is for labels that are classes"):
        evaluate([FILE], data={**inputs, "y": answers[1]}, output="alpha", threshold=0.5)
    with pytest.raises(UsageError, match="threshold cannot be"):
        evaluate([FILE], data=two, threshold=1.5)


def test_probabilities_are_told_by_the_answers(inputs, answers, tmp_path):
    assert evaluate([FILE], data={**inputs, "y": answers[0].argmax(axis=1)}).warnings == ()  # logits
    # The file answers with two values of its input, which are shares of one.
    file = edit_weights(FILE, tmp_path / "shares.tflite", lambda values: np.eye(2, 7), shape=(2, 7))
    first = np.random.default_rng(1).random(90)
    shares = np.stack([first, 1 - first], axis=1)
    data = {name: np.pad(shares, ((0, 0), (0, values.shape[1] - 2))) for name, values in inputs.items()}
    found = evaluate([file], data={**data, "y": shares.argmax(axis=1)})
    (note,) = found.warnings
    assert "'zeta' ends in neither softmax nor sigmoid" in note.message
    assert "64 samples lie between 0 and 1 and add up to 1: they are taken for probabilities" in note.message
    assert found.variants[0].confidence.mean_confidence == pytest.approx(shares.max(axis=1).mean(), abs=1e-5)
    data = {name: values * 0.9 for name, values in data.items()}
    (note,) = evaluate([file], data={**data, "y": shares.argmax(axis=1)}).warnings
    assert note.kind == "taken-for-logits"


def test_embeddings_are_found_among_the_others(inputs, answers, worse):
    people = np.arange(90) // 3
    people[89] = 99  # alone: nobody could be found
    found = evaluate([FILE, worse], data={**inputs, "y": people}, output="alpha", metric="retrieval").variants
    vectors = answers[1] / np.linalg.norm(answers[1], axis=1, keepdims=True)
    nearest = (vectors @ vectors.T - 2 * np.eye(90)).argsort(axis=1)[:, ::-1][:89]
    at_5 = (people[nearest[:, :5]] == people[:89, None]).any(axis=1)
    assert found[0].accuracy.metric == "recall@1" and found[0].accuracy.n == 89
    assert found[0].accuracy.value == pytest.approx((people[nearest[:, 0]] == people[:89]).mean())
    assert found[0].other_metrics[0].value == pytest.approx(at_5.mean())
    assert found[1].drop.value == pytest.approx(0.0)  # it turns all vectors alike
    with pytest.raises(DataError, match="No two samples are of the same identity"):
        evaluate([FILE], data={**inputs, "y": np.arange(90)}, output="alpha", metric="retrieval")

    _, after = evaluate([FILE, worse], data=inputs, output="alpha", metric="cosine").variants
    assert after.likeness.metric == "cosine"
    assert after.likeness.value == pytest.approx((vectors * vectors[:, ::-1]).sum(axis=1).mean(), abs=1e-6)


def test_a_limit_on_each_label(inputs, answers, worse):
    data = {**inputs, "y": (answers[1] > 0).astype(np.int64)}
    found = evaluate([FILE, worse], data=data, output="alpha", constraints=Constraints(max_class_drop=5))
    (broken,) = found.broken
    assert any(reason.startswith("the AP of '") and "more than the limit of 5" in reason for reason in broken.reasons)


def test_one_label_beside_several_sigmoids_is_told():
    file = DATA / "converted" / "detector" / "float32.tflite"
    (spec,) = read_graph(file).inputs
    images = np.random.default_rng(1).random((30, *spec.shape[1:]), np.float32)
    found = evaluate(file, data=(images, np.arange(30) % 2), output="scores")
    assert [w.message for w in found.warnings if "3 sigmoids" in w.message and "one label for each sample" in w.message]
    assert not [
        w for w in evaluate(file, data=(images, np.arange(30) % 3), output="scores").warnings if w.kind == "one-label"
    ]
