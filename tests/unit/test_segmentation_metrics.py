"""Masks against labels: figures equal to the reference's, also where classes are absent or pixels ignored."""

import numpy as np
import pytest

from tflitekit.accuracy.metrics import metrics
from tflitekit.core.errors import DataError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.annotations import Mask
from tflitekit.data.dataset import open_dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.tasks.interface import Interface

RANDOM = np.random.default_rng(11)
SIZE = (20, 24)


def made(name="miou", classes=4, names=None, **options):
    inputs = (TensorSpec(name="x", shape=(1, *SIZE, 3), dtype="float32"),)
    outputs = (TensorSpec(name="out", shape=(1, *SIZE, classes), dtype="float32"),)
    dataset = open_dataset((np.zeros((2, *SIZE, 3), np.float32), np.zeros((2, *SIZE))))
    return metrics()[name].make(dataset, Interface(inputs, outputs, classes=names), TaskOptions(**options))


def pictures(count=12, classes=4):
    truth = RANDOM.integers(0, classes, (count, *SIZE))
    found = np.where(RANDOM.random(truth.shape) < 0.7, truth, RANDOM.integers(0, classes, truth.shape))
    return truth, found


def labelled(truth, ignore=None):
    return [Mask(lambda mask=mask: mask, f"{number}.png", ignore) for number, mask in enumerate(truth)]


def figures(metric, found, truth, **options):
    scores = metric.score_decoded(list(found), labelled(truth, **options))
    scores["finite"] = np.ones(len(found), bool)
    return scores, {figure.metric: figure.value for figure in metric.summarize(scores)}


def test_figures_are_those_of_scikit_learn():
    reference = pytest.importorskip("sklearn.metrics")
    truth, found = pictures()
    scores, measured = figures(made(), found, truth)
    flat = truth.reshape(-1), found.reshape(-1)
    assert measured["miou"] == pytest.approx(reference.jaccard_score(*flat, average="macro"), abs=1e-6)
    assert measured["dice"] == pytest.approx(reference.f1_score(*flat, average="macro"), abs=1e-6)
    assert measured["pixel-accuracy"] == pytest.approx(reference.accuracy_score(*flat), abs=1e-6)
    rows = made(names=tuple("abcd")).details(scores, None, max_class_drop=None)["per_class"]
    assert [row.label for row in rows] == list("abcd")
    assert [row.value for row in rows] == pytest.approx(reference.jaccard_score(*flat, average=None), abs=1e-6)
    assert all(row.low < row.value < row.high and row.n == 12 and row.metric == "iou" for row in rows)


@pytest.mark.parametrize("case", ["absent", "only found", "ignored", "one picture ignored"])
def test_degenerate_pictures_are_counted_as_the_reference_does(case):
    reference = pytest.importorskip("sklearn.metrics")
    truth, found = pictures()
    if case in ("absent", "only found"):
        truth[truth == 2] = 1
    if case == "absent":
        found[found == 2] = 1
    if case == "ignored":
        truth[RANDOM.random(truth.shape) < 0.3] = 255
    if case == "one picture ignored":
        truth[3] = 255
    counted = truth != 255
    flat = truth[counted], found[counted]
    _, measured = figures(made(ignore_label=255), found, truth)
    _, of_masks = figures(made(), found, truth, ignore=255)
    there = np.unique(np.concatenate(flat))  # a class that is neither in the truth nor found is no class of the mean
    assert measured["miou"] == pytest.approx(reference.jaccard_score(*flat, average="macro", labels=there), abs=1e-6)
    assert measured["dice"] == pytest.approx(reference.f1_score(*flat, average="macro", labels=there), abs=1e-6)
    assert measured == of_masks


def test_equal_masks_are_perfect_and_drops_are_in_points():
    truth, found = pictures()
    metric = made()
    same, measured = figures(metric, truth, truth)
    assert set(measured.values()) == {1.0}
    worse, _ = figures(metric, found, truth)
    drop = metric.drop(same, worse, None)
    assert drop.value == pytest.approx(1 - metric.summarize(worse)[0].value)
    assert drop.low < drop.value < drop.high
    assert drop.verdict.endswith("points")
    assert metric.drop(worse, worse, None).verdict == "no measurable drop"
    (first, *_) = metric.details(worse, same, max_class_drop=5)["per_class"]
    assert first.drop.value == pytest.approx(1 - first.value)
    assert first.drop.verdict.startswith("drops")
    assert metric.details(worse, worse, max_class_drop=None)["per_class"][0].drop is None


def test_losses_are_those_of_single_pictures():
    truth, found = pictures(3)
    found[1] = truth[1]
    found[2] = (truth[2] + 1) % 4
    metric = made()
    same, _ = figures(metric, truth, truth)
    worse, _ = figures(metric, found, truth)
    losses = metric.losses(worse, same)
    assert losses[1:].tolist() == [0, 1]
    assert 0 < losses[0] < 1
    assert metric.told(worse, 2) == "mean IoU 0.0%"


def test_masks_of_the_baseline_are_a_reference():
    truth, found = pictures()
    metric = made("mask-iou")
    scores = metric.compare_decoded(list(found), list(truth)) | {"finite": np.ones(len(found), bool)}
    likeness = metric.likeness(scores, ())
    assert likeness.figure.metric == "mask-iou"
    assert likeness.figure.value == pytest.approx(figures(made(), found, truth)[1]["miou"])
    same = metric.compare_decoded(list(truth), list(truth)) | {"finite": np.ones(len(found), bool)}
    assert metric.likeness(same, ()).figure.value == 1.0
    assert metric.losses(same).tolist() == [0.0] * len(found)


def test_what_does_not_fit_is_told_in_a_sentence():
    truth, found = pictures()
    with pytest.raises(DataError, match=r"The mask 0\.png has 24 x 19 pixels, and its picture 24 x 20\."):
        figures(made(), found, truth[:, :19])
    wrong = truth.copy()
    wrong[2, 0, 0] = 255
    with pytest.raises(
        DataError,
        match=r"(?s)The mask 2\.png has the class 255, and the model's classes are 0 to 3\..*--ignore-label 255",
    ):
        figures(made(), found, wrong)
    with pytest.raises(DataError, match=r"No pixel of the masks counts"):
        figures(made(ignore_label=255), found, np.full_like(truth, 255))
    with pytest.raises(DataError, match=r"The data at .* have 3 classes, and the model gives 4"):
        made(names=("a", "b", "c"))
