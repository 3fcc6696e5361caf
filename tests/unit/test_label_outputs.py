"""Labels by the name of an output: arrays, factories and pipelines."""

import numpy as np
import pytest

from tflitekit.core.errors import DataError
from tflitekit.data.dataset import open_dataset

X = np.zeros((4, 2), np.float32)
DIGIT, ANGLE = np.array([1, 0, 1, 2]), np.array([[0.5, 1], [1, 1], [2, 1], [3, 1]])


def test_arrays_by_output(tmp_path):
    np.savez(tmp_path / "d.npz", **{"x": X, "y.digit": DIGIT, "y.angle": ANGLE})
    for source in (
        tmp_path / "d.npz",
        (X, {"digit": DIGIT, "angle": ANGLE}),
        {"x": X, "y.digit": DIGIT, "y.angle": ANGLE},
    ):
        data = open_dataset(source)
        labels = [sample.label for sample in data]
        assert [label["digit"] for label in labels] == [1, 0, 1, 2] and labels[3]["angle"].tolist() == [3, 1]
        assert data.largest_label() is None and data.labelled and list(labels[0]) == ["digit", "angle"]
        assert {sample.label["digit"] for sample in open_dataset(source, limit=3)} == {0, 1, 2}
        changed = ({"x": X}["x"], {"digit": DIGIT, "angle": ANGLE + 1})
        assert open_dataset(changed).fingerprint() != data.fingerprint()


def test_arrays_that_cannot_be(tmp_path):
    for arrays, words in (
        ({"x": X, "y.digit": DIGIT[:2], "y.angle": ANGLE}, r"x: 4, y\.digit: 2, y\.angle: 4"),
        ({"x": X, "y.digit": DIGIT - 1, "y.angle": ANGLE}, r"labels 'y\.digit' in .* contain -1"),
        ({"x": X, "y.digit": DIGIT, "y": DIGIT}, r"both as 'y' and as 'y\.digit'"),
    ):
        np.savez(tmp_path / "d.npz", **arrays)
        for source in (tmp_path / "d.npz", arrays):
            with pytest.raises(DataError, match=words):
                open_dataset(source)


def test_factories_by_output():
    one_hot = np.eye(3)[DIGIT]

    def samples():
        return ((X[i], {"digit": one_hot[i], "angle": ANGLE[i]}) for i in range(4))

    labels = [sample.label for sample in open_dataset(samples)]
    assert [label["digit"] for label in labels] == [1, 0, 1, 2] and labels[3]["angle"].tolist() == [3, 1]
    with pytest.raises(DataError, match="NaN or infinite"):
        list(open_dataset(lambda: iter([(X[0], {"digit": 1, "angle": [np.nan, 1]})])))
