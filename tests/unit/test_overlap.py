"""Pixels and borders of classes, compared with a reference and with what can be counted by hand."""

import numpy as np
import pytest

from tflitekit.accuracy.metrics.overlap import border_f1, pixel_counts

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("ignore", [None, 255, 2])
def test_counts_are_those_of_a_confusion_matrix(ignore):
    truth, found = RANDOM.integers(0, 4, (2, 30, 20)).astype(np.uint8)
    if ignore == 255:
        truth[5:9] = 255
    confusion = np.zeros((4, 4), int)
    for true, answer in zip(truth.reshape(-1), found.reshape(-1), strict=True):
        if true != ignore:
            confusion[true, answer] += 1
    right, there, said = pixel_counts(found, truth, 4, ignore)
    assert right.tolist() == confusion.diagonal().tolist()
    assert there.tolist() == confusion.sum(axis=1).tolist()
    assert said.tolist() == confusion.sum(axis=0).tolist()


def brute(found, truth, ignore):
    """The same definition, pixel by pixel."""

    def border(classes):
        points = {}
        for y, x in np.ndindex(classes.shape):
            if truth[y, x] == ignore:
                continue
            for j, i in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= j < classes.shape[0] and 0 <= i < classes.shape[1]
                if inside and truth[j, i] != ignore and classes[j, i] != classes[y, x]:
                    points.setdefault(int(classes[y, x]), set()).add((y, x))
        return points

    reach = max(1.0, 0.0075 * np.hypot(*truth.shape))
    own, other = border(found), border(truth)
    scores = []
    for number in own.keys() | other.keys():
        one, two = own.get(number, set()), other.get(number, set())
        shares = []
        for points, against in ((one, two), (two, one)):
            near = [any(np.hypot(p[0] - q[0], p[1] - q[1]) <= reach for q in against) for p in points]
            shares.append(np.mean(near) if near else 0.0)
        scores.append(2 * shares[0] * shares[1] / sum(shares) if sum(shares) else 0.0)
    return np.mean(scores) if scores else np.nan


@pytest.mark.parametrize("ignore", [None, 255])
@pytest.mark.parametrize("size", [(12, 9), (160, 300)])
def test_border_f1_is_its_definition(size, ignore):
    blocks = RANDOM.integers(0, 3, (3, 4)).astype(np.uint8)
    rows, columns = np.arange(size[0]) * 3 // size[0], np.arange(size[1]) * 4 // size[1]
    truth = blocks[rows][:, columns].copy()
    found = np.roll(truth, 3, axis=1)
    found[:2, :2] = 2
    if ignore is not None:
        truth[2:5] = ignore
    assert border_f1(found, truth, ignore) == pytest.approx(brute(found, truth, ignore), abs=1e-12)
    assert border_f1(truth, truth, ignore) == 1.0
    assert np.isnan(border_f1(np.zeros(size, int), np.zeros(size, int), None))
    assert border_f1(np.zeros(size, int), np.eye(*size, dtype=int), None) == 0.0
