"""Models that take text: a lookup table beside numbers, from the Keras file to every verb that reads the file."""

import numpy as np
import pytest

from tflitekit.core.errors import DataError
from tflitekit.core.progress import Progress
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.calibration import store_calibration
from tflitekit.data.dataset import InputPipeline, open_dataset
from tflitekit.data.preprocessing import PRESETS

TEXT = TensorSpec(name="city", shape=(1, 1), dtype="string")


@pytest.mark.parametrize(
    "values", [np.array(["Köln"]), np.array(["Köln".encode()]), np.array(["Köln"], object), np.array("Köln", "U90")]
)
def test_text_is_fed_as_utf8(values):
    (prepared,) = InputPipeline([TEXT], PRESETS["raw"]).prepare({"city": values}, "row 0")
    assert (prepared.shape, prepared.dtype.str, prepared[0]) == ((1,), "|S5", "Köln".encode())


@pytest.mark.parametrize(
    ("values", "words"),
    [(np.array([3.5]), "takes text, and the data are of the type float64"), (np.array(["\ud800"]), "not Unicode")],
)
def test_what_is_no_text_is_refused(values, words):
    with pytest.raises(DataError, match=words):
        InputPipeline([TEXT], PRESETS["raw"]).prepare({"city": values}, "row 0")
    with pytest.raises(DataError, match="not numbers"):
        InputPipeline([TensorSpec(name="n", shape=(1, 1), dtype="float32")], PRESETS["raw"]).prepare(
            {"n": np.array(["a"])}, "row 0"
        )


def test_calibration_keeps_text_of_any_length(tmp_path):
    words = np.array([["a"], ["Łódź"], ["a long name of a place"]])
    stored = store_calibration(
        open_dataset({"city": words}, need_labels=False), [TEXT], PRESETS["raw"], tmp_path, Progress()
    )
    assert [batch["city"][0, 0].decode() for batch in stored.batches(1)] == [word for (word,) in words]
