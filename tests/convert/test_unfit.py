"""What does not fit is said before anything is made: data, and models that cannot be converted."""

import numpy as np
import pytest

from tflitekit import ConvertOptions, TrainingOptions, convert, optimize
from tflitekit.core.errors import TflitekitError


@pytest.mark.parametrize("fault", ["nan", "output", "class"])
def test_nothing_is_made_where_evaluation_cannot_work(models, shapes, tmp_path, fault):
    images = np.zeros((30, 12, 12, 1), np.float32)
    images[29] = np.nan if fault == "nan" else 0
    labels = np.arange(30) % (7 if fault == "class" else 3)
    with pytest.raises(
        TflitekitError, match={"nan": "row 29", "output": "no output 'probs'", "class": "class 6"}[fault]
    ):
        optimize(
            models / "shapes.keras",
            data=(images, labels),
            calibration=shapes / "train",
            schemes=["int8", "qat"],
            output="probs" if fault == "output" else None,
            options=ConvertOptions(training=TrainingOptions(data=shapes / "train", epochs=1)),
            out=tmp_path,
        )
    assert not list(tmp_path.glob("*.tflite"))
    assert not list((tmp_path / ".tflitekit").glob("train*"))


def test_nothing_is_trained_where_float32_cannot_be_converted(tmp_path, shapes):
    import keras

    inputs = keras.Input((12, 12, 1))
    x = keras.layers.UpSampling2D(interpolation="bicubic")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(16, 3)(x))
    keras.Model(inputs, keras.layers.Dense(3, "softmax")(x)).save(tmp_path / "bicubic.keras")
    options = ConvertOptions(training=TrainingOptions(data=shapes / "train", epochs=1, control=False))
    found = convert(tmp_path / "bicubic.keras", schemes=["float32", "pruned"], out=tmp_path / "out", options=options)
    status = {variant.name: (variant.status, variant.error) for variant in found.variants}
    assert status["float32"][0] == "failed"
    assert status["pruned"][0] == "skipped" and "not even float32 can be converted" in status["pruned"][1]
    assert not list((tmp_path / "out" / ".tflitekit").glob("trained-*"))
