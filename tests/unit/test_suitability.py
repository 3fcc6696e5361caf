"""What is known of data and model in seconds is said before anything is converted or trained."""

import numpy as np
import pytest

from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.accuracy.suitability import check_evaluation_data
from tflitekit.core.errors import ContractError, DataError, UsageError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import InputPipeline, open_dataset
from tflitekit.data.preprocessing import PRESETS
from tflitekit.options.evaluate import ScoringOptions
from tflitekit.tasks.interface import Interface


def out(name, *shape):
    return TensorSpec(name=name, shape=(1, *shape), dtype="float32")


def check(y, *outputs, output=None, metric=None, task=None, labels=None, x=None):
    x = np.zeros((len(y), 2), np.float32) if x is None else x
    pipeline = InputPipeline([TensorSpec(name="x", shape=(1, 2), dtype="float32")], PRESETS["raw"])
    return check_evaluation_data(
        open_dataset((x, y), labels=labels),
        [pipeline],
        Interface((), outputs, output, classes=labels),
        ScoringOptions(metric=metric, task=task),
    ).name  # fmt: skip


CLASSES = np.array([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("y", "outputs", "metric"),
    [
        (CLASSES, [out("probs", 3)], "top1"),
        (CLASSES, [out("probs", 1, 1, 3)], "top1"),
        (CLASSES, [out("probs", 5)], "top1"),  # some classes have no samples
        (CLASSES, [out("probs", 5), out("more", 7)], "top1"),
        (CLASSES % 2, [out("logit", 1)], "top1"),
        (CLASSES, [out("count", 1)], "mae"),
        (CLASSES, [out("open", -1)], "top1"),
        (np.zeros((4, 6, 6)), [out("mask", 6, 6, 1)], "mae"),
        (np.full(4, 10**12), [out("price", 1)], "mae"),
    ],
)
def test_data_that_fit(y, outputs, metric):
    assert check(y, *outputs) == metric


MASKS = np.arange(4 * 36).reshape(4, 6, 6) % 3


@pytest.mark.parametrize(
    ("y", "outputs", "words"),
    [
        # The first output has no place for a class; another one has.
        (CLASSES, [out("feature", 2), out("probs", 3)], r"class 2, but the model has 2.*'feature' \[2\], 'probs' \[3\].*--output probs"),
        # It has more values than there are classes, and another one just as many.
        (CLASSES, [out("feature", 8), out("probs", 3)], r"classes 0 to 2.*'feature' has 8 values; 'probs' has 3.*--output probs.*--output feature"),
        (CLASSES, [out("grid", 4, 4, 8), out("probs", 3)], r"'grid' has the shape.*one class per sample.*--output probs"),
        (CLASSES, [out("grid", 4, 4, 8)], r"'grid' has the shape \[1, 4, 4, 8\].*--metric"),
        (MASKS, [out("mask", 6, 6, 3)], r"\[6, 6\] \(36 values.*'mask' of the shape \[6, 6, 3\].*one for each class at each place.*--task segmentation.*--metric"),
        (MASKS, [out("probs", 3), out("mask", 6, 6, 1)], r"\[6, 6\].*'probs'.*--output mask"),
        (np.full(4, 10**12), [out("probs", 3)], "class 1000000000000, but the model has 3 classes"),
        (np.full(4, 2**63, np.uint64), [out("probs", 3)], "more than int64 holds"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit(y, outputs, words):
    with pytest.raises(DataError, match=rf"(?s){words}"):
        check(y, *outputs)


def test_what_is_named_is_taken():
    assert check(MASKS, out("mask", 6, 6, 3), task="segmentation") == "miou"
    assert check(CLASSES, out("feature", 8), out("probs", 3), output="feature") == "top1"
    with pytest.raises(UsageError, match=r"(?s)no output 'prob'.*feature, probs"):
        check(CLASSES, out("feature", 8), out("probs", 3), output="prob")
    with pytest.raises(ContractError, match=r"(?s)4 labels.*8 outputs.*--output probs"):
        check(CLASSES, out("feature", 8), out("probs", 4), labels=("a", "b", "c", "d"))


def test_a_class_beyond_an_open_output():
    with pytest.raises(DataError, match=r"class 1000000000000, but the model has 3 classes"):
        Classification(None, 1).score(np.zeros((2, 3), np.float32), [0, 10**12], meaning="values")


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "NaN or infinite"), (-np.inf, "NaN or infinite"), (1e300, "cannot hold")]
)
def test_numbers_that_no_model_takes(tmp_path, value, words):
    x = np.zeros((50, 2))
    x[49, 1] = value
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(50) % 3)
    for source in (tmp_path / "d.npz", (x, np.arange(50) % 3)):
        data = open_dataset(source)
        check_evaluation_data(data, [], Interface((), (out("probs", 3),)), ScoringOptions())
        with pytest.raises(DataError, match=rf"'row 49'.*{words}"):
            data.check_values()
