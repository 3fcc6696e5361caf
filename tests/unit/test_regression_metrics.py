"""Numbers and pictures as targets: figures equal to the reference implementations', intervals and drops in pairs."""

import numpy as np
import pytest

from tflitekit.accuracy.metrics import metrics
from tflitekit.core.errors import DataError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import open_dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.tasks.interface import Interface

RANDOM = np.random.default_rng(7)


def made(name, targets):
    dataset = open_dataset((np.zeros((len(targets), 2), np.float32), targets))
    output = TensorSpec(name="out", shape=(1, *targets.shape[1:]), dtype="float32")
    return metrics()[name].make(dataset, Interface((), (output,)), TaskOptions())


def figures(metric, outputs, targets):
    scores = metric.score(outputs.astype(np.float32), list(targets), meaning="values")
    return scores, {figure.metric: figure for figure in metric.summarize(scores)}


def test_numbers_are_those_of_scikit_learn():
    reference = pytest.importorskip("sklearn.metrics")
    targets = RANDOM.normal(1e4, 1, (80, 3)) * [1, 5, 0.1]  # far from zero: no digits may be lost
    outputs = (targets + RANDOM.normal(0, 0.3, targets.shape)).astype(np.float32)
    _, found = figures(made("r2", targets), outputs, targets)
    assert list(found) == ["r2", "mae", "rmse"]
    assert found["r2"].value == pytest.approx(reference.r2_score(targets, outputs), abs=1e-6)
    assert found["mae"].value == pytest.approx(reference.mean_absolute_error(targets, outputs), abs=1e-6)
    assert found["rmse"].value == pytest.approx(reference.mean_squared_error(targets, outputs) ** 0.5, abs=1e-6)
    assert all(figure.low < figure.value < figure.high for figure in found.values())


def test_a_target_that_never_changes_has_no_variance_to_explain():
    targets = np.stack([RANDOM.normal(size=40), np.full(40, 3.0)], axis=1)
    outputs = targets + 0.1
    _, found = figures(made("mae", targets), outputs, targets)
    residual, total = 40 * 0.1**2, np.square(targets[:, 0] - targets[:, 0].mean()).sum()
    assert found["r2"].value == pytest.approx(1 - residual / total, abs=1e-6)

    constant = np.full((40, 1), 3.0)
    _, found = figures(made("mae", constant), constant + 0.1, constant)
    assert list(found) == ["mae", "rmse"]
    with pytest.raises(DataError, match="targets never change, so r2 says nothing"):
        figures(made("r2", constant), constant, constant)
    with pytest.raises(DataError, match=r"65 values per sample, and r2 is for a fixed number of at most 64"):
        made("r2", np.zeros((4, 65)))


@pytest.mark.parametrize(("name", "worse"), [("mae", 1), ("rmse", 1), ("r2", 1), ("psnr", 1)])
def test_drops_are_positive_where_a_variant_is_worse(name, worse):
    targets = RANDOM.random((60, 6, 6, 1) if name == "psnr" else (60, 1))
    metric = made(name, targets)
    (before, good), (after, bad) = (
        figures(metric, targets + RANDOM.normal(0, noise, targets.shape), targets) for noise in (0.05, 0.1)
    )
    drop = metric.drop(before, after, None)
    assert drop.value == pytest.approx(abs(good[name].value - bad[name].value), abs=1e-9)
    assert drop.low < drop.value < drop.high
    assert drop.p_value < 0.05
    assert drop.verdict.startswith("worse by")
    assert metric.drop(after, before, None).verdict.startswith("better by")
    assert "no measurable difference" in metric.drop(before, before, None).verdict


@pytest.mark.parametrize(("shape", "scale", "low"), [((20, 24, 3), 1, 0), ((16, 18), 255, 0), ((12, 12, 1), 2, -1)])
def test_pictures_are_those_of_scikit_image(shape, scale, low):
    reference = pytest.importorskip("skimage.metrics")
    targets = RANDOM.random((5, *shape)) * scale + low
    if scale == 255:
        targets = targets.astype(np.uint8)
    outputs = (targets + RANDOM.normal(0, 0.1 * scale, targets.shape)).astype(np.float32)
    outputs[0] = targets[0]
    _, found = figures(made("ssim", targets), outputs, targets)
    assert list(found) == ["ssim", "psnr", "mae", "rmse"]
    pairs = list(zip(targets.astype(np.float64), outputs.astype(np.float64), strict=True))
    psnr = [reference.peak_signal_noise_ratio(*pair, data_range=scale) for pair in pairs[1:]]
    ssim = [
        reference.structural_similarity(
            *pair, data_range=scale, channel_axis=2 if len(shape) == 3 else None, gaussian_weights=True, use_sample_covariance=False
        )
        for pair in pairs
    ]  # fmt: skip
    same = 100 if scale == 255 else -10 * np.log10(np.square(outputs[0] - targets[0]).mean() / scale**2)
    assert found["psnr"].value == pytest.approx((min(100, same) + sum(psnr)) / 5, abs=1e-5)
    assert found["ssim"].value == pytest.approx(np.mean(ssim), abs=1e-6)


def test_what_is_no_picture_is_refused():
    with pytest.raises(DataError, match=r"have the shape \[5\], and psnr compares pictures"):
        made("psnr", np.zeros((4, 5)))
    pytest.importorskip("skimage")
    with pytest.raises(DataError, match="at least 11 pixels a side"):
        made("ssim", np.zeros((4, 10, 20)))
    with pytest.raises(DataError, match="lie between -3 and 0: that is none of the ranges of pictures"):
        made("psnr", 3 * np.eye(12)[None].repeat(2, 0) - 3)
