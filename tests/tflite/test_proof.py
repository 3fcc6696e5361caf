"""The proof that a converted model computes what the original does, and the samples that it is made with."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import DATA

from tflitekit.conversion import convert
from tflitekit.core.errors import DataError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import open_dataset
from tflitekit.data.preprocessing import PRESETS
from tflitekit.source.few_samples import FewSamples, Original, compared, keep_samples
from tflitekit.source.prepared import Exported
from tflitekit.tflite.proof import compare, difference, write_reference
from tflitekit.tflite.runtime import Model

FLOAT = DATA / "converted" / "shapes" / "float32.tflite"
INPUT = TensorSpec(name="image", shape=(1, 12, 12, 1), dtype="float32")


def shapes_reference(path, change=lambda value: value):
    """Writes what the file itself computes, changed."""
    rows = FewSamples().of([INPUT])
    model = Model(FLOAT)
    write_reference(path, rows, [[change(model.run(row)[0])] for row in rows])
    return path


def shapes_proof(reference):
    return compare(FLOAT, reference, inputs=["image"], outputs=["shape"], original="keras 3", origin="random")


def test_the_same_network_is_proved_equal(tmp_path):
    found = shapes_proof(shapes_reference(tmp_path / "reference.npz"))
    assert found.holds
    assert (found.samples, found.largest, found.relative, found.output) == (4, 0, 0, "shape")


def test_another_network_is_not(tmp_path):
    found = shapes_proof(shapes_reference(tmp_path / "reference.npz", lambda value: value * 1.01))
    assert not found.holds
    assert found.relative == pytest.approx(0.0099, abs=1e-4)  # 0.01 of 1.01


@pytest.mark.parametrize("change", [lambda v: v[:, None], lambda v: v * np.nan, lambda v: v / np.float32(0)])
def test_what_cannot_be_compared_does_not_hold(tmp_path, change):
    with np.errstate(divide="ignore"):
        found = shapes_proof(shapes_reference(tmp_path / "reference.npz", change))
    assert not found.holds
    assert found.relative is None and found.largest is None


@pytest.mark.parametrize(
    ("found", "expected", "relative"),
    [
        ([np.float32([1, np.nan])], [np.float32([1, np.nan])], 0),
        ([np.float32([np.inf])], [np.float32([np.inf])], 0),
        ([np.float32([1e-8])], [np.float32([0])], 1e-5),  # what is left of larger values that cancel out
        ([np.float32([0.5]), np.float32([100])], [np.float32([0.6]), np.float32([100])], 0.001),  # scale of all samples
        ([np.int32([1, 2, 3, 4])], [np.int32([1, 2, 3, 9])], 0.25),
        ([np.array([True, False])], [np.array([True, True])], 0.5),
        ([np.array([b"a", b"b"])], [np.array([b"a", b"c"])], 0.5),
        ([np.zeros((1, 0), np.float32)], [np.zeros((1, 0), np.float32)], 0),
    ],
)
def test_differences(found, expected, relative):
    assert difference(found, expected)[1] == pytest.approx(relative, rel=1e-4)


def test_the_users_samples_are_taken_and_preprocessed(tmp_path):
    pictures = np.arange(20, dtype=np.uint8).repeat(144).reshape(20, 12, 12, 1)
    data = open_dataset({"x": pictures}, need_labels=False)
    samples = keep_samples(data, tmp_path / "samples.npz", "calibration", PRESETS["0-1"])
    again = FewSamples.model_validate_json(samples.model_dump_json())
    rows = again.of([INPUT])
    assert [row[0].shape for row in rows] == [(1, 12, 12, 1)] * 4
    assert [row[0].max() * 255 for row in rows] == pytest.approx([0, 5, 10, 15])  # spread over the data
    assert [row[0].shape for row in again.of([TensorSpec(name="image", shape=(3, 12, 12, 1), dtype="float32")])] == [
        (3, 12, 12, 1)
    ] * 4


def test_samples_with_other_names_or_shapes_are_refused_by_name(tmp_path):
    two = [TensorSpec(name="tokens", shape=(1, 5), dtype="int32"), TensorSpec(name="mask", shape=(1, 5), dtype="int32")]
    data = open_dataset({"ids": np.zeros((4, 5), np.int32), "mask": np.ones((4, 5), np.int32)}, need_labels=False)
    samples = keep_samples(data, tmp_path / "samples.npz", "calibration", PRESETS["raw"])
    with pytest.raises(DataError, match="the data have ids, mask; the model takes tokens, mask"):
        samples.of(two)
    data = open_dataset({"x": np.zeros((4, 6), np.int32)}, need_labels=False)
    samples = keep_samples(data, tmp_path / "samples.npz", "calibration", PRESETS["raw"])
    with pytest.raises(DataError, match=r"shape \[6\] does not fit the model's input 'tokens', which takes \[5\]"):
        samples.of(two[:1])


def test_random_samples_are_what_models_can_take():
    kinds = ("float32", "int64", "bool", "uint8", "string")
    rows = FewSamples().of([TensorSpec(name=kind, shape=(-1, 2, -1), dtype=kind) for kind in kinds])
    assert [array.dtype.kind for array in rows[0]] == ["f", "i", "b", "u", "S"]
    assert {array.shape for row in rows for array in row} == {(1, 2, 32)}
    assert all(set(np.unique(array)) <= {0, 1} for row in rows for array in row[1:4])
    pictures = FewSamples().of([INPUT])
    assert max(row[0].max() for row in pictures) > 200 and min(row[0].min() for row in pictures) < -1


def test_an_original_that_is_never_the_same_is_not_compared(tmp_path):
    random = np.random.default_rng(0)
    found = compared(Exported(tmp_path), "keras 3", Original(lambda row: [random.random(3)]), [INPUT], FewSamples())
    assert found["proof"].samples == 0 and "differently each time" in str(found["proof"])
    assert not list(tmp_path.iterdir())


def test_an_original_that_takes_only_some_samples_is_compared_on_them(tmp_path):
    def answer(row):
        if row[0].min() < 0:
            raise ValueError("negative")
        return row

    assert compared(Exported(tmp_path), "x", Original(answer), [INPUT], FewSamples()) == {"compared_on": "random"}
    with np.load(tmp_path / "reference.npz") as arrays:
        assert sum(name.endswith("/in/0") for name in arrays) == 2

    def refuse(row):
        raise ValueError("never")

    found = compared(Exported(tmp_path), "x", Original(refuse), [INPUT], FewSamples())
    assert "cannot be run on the samples: ValueError: never" in str(found["proof"])


def test_a_tflite_file_is_its_own_baseline(tmp_path):
    (variant,) = convert(FLOAT, out=tmp_path, schemes=["float32"]).variants
    assert variant.proof.samples == 0 and variant.proof.holds
    assert str(variant.proof) == "The file given is the baseline itself: nothing was converted."
