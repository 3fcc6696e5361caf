"""Outputs that become masks: which shapes are read how, and the size of the picture."""

import numpy as np
import pytest

from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.tensor import Quantization, TensorSpec
from tflitekit.data.frame import Frame
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.tasks.interface import Interface
from tflitekit.tasks.readers import open_reader

RANDOM = np.random.default_rng(5)


def opened(*shapes, dtype="float32", size=(64, 48), wanted=None, classes=None, meaning=None, quantized=False):
    width, height = size
    scale = Quantization(scale=(0.1,), zero_point=(0,)) if quantized else None
    outputs = tuple(
        TensorSpec(name=f"out{i}", shape=(1, *shape), dtype=dtype, quantization=scale) for i, shape in enumerate(shapes)
    )
    inputs = (TensorSpec(name="picture", shape=(1, height, width, 3), dtype="float32"),)
    meanings = {} if meaning is None else {"out0": meaning}
    interface = Interface(inputs, outputs, classes=classes, meanings=meanings)
    return open_reader(interface, task="segmentation", wanted=wanted)


@pytest.mark.parametrize(
    ("shape", "options", "values", "layout", "count"),
    [
        ((48, 64, 5), {}, "scores", "channels_last", 5),
        ((5, 48, 64), {}, "scores", "channels_first", 5),
        ((12, 16, 5), {}, "scores", "channels_last", 5),
        ((13, 17, 150), {}, "scores", "channels_last", 150),
        ((48, 64, 1), {}, "foreground", "channels_last", 2),
        ((1, 48, 64), {}, "foreground", "channels_first", 2),
        ((48, 64), {}, "foreground", "channels_last", 2),
        ((48, 64), {"dtype": "int64"}, "classes", "channels_last", None),
        ((48, 64, 1), {"dtype": "uint8"}, "classes", "channels_last", None),
        ((48, 64, 1), {"dtype": "uint8", "quantized": True}, "foreground", "channels_last", 2),
        ((48, 64, 1), {"wanted": "mask:values=classes"}, "classes", "channels_last", None),
        ((64, 64, 64), {"size": (64, 64)}, "scores", "channels_last", 64),
        ((21, 21, 7), {"size": (64, 64), "classes": "abcdefg"}, "scores", "channels_last", 7),
        ((7, 7, 7), {"size": (64, 64), "wanted": "mask:layout=channels_first"}, "scores", "channels_first", 7),
        ((-1, -1, 4), {}, "scores", "channels_last", 4),
    ],
)
def test_shapes_tell_what_a_map_holds(shape, options, values, layout, count):
    found = opened(shape, **options)
    assert (found.values, found.layout, found.classes) == (values, layout, count)
    assert found.describe()["values"] == values


def test_the_output_that_is_a_map_is_found_among_others():
    assert opened((10,), (4, 100), (12, 16, 3)).outputs == ("out2",)


@pytest.mark.parametrize("shape", [(10,), (100, 4), (48, 64, 3, 2), (16, 12, 5)])
def test_what_is_no_map_over_the_input_is_refused(shape):
    with pytest.raises(DataError, match="no reader of segmentation fits them"):
        opened(shape)


def test_wrong_options_are_named():
    with pytest.raises(UsageError, match=r"'logits' is not a value of the option values.*\n?.*scores, foreground"):
        opened((48, 64, 2), wanted="mask:values=logits")
    with pytest.raises(UsageError, match="threshold of the reader 'mask' is 1, and a probability"):
        opened((48, 64, 1), wanted="mask:threshold=1.0")


def test_logits_and_probabilities_have_one_threshold():
    logits = RANDOM.normal(size=(48, 64, 1)).astype(np.float32)
    frame = Frame.whole(64, 48)
    probabilities = 1 / (1 + np.exp(-logits))
    of_logits = opened((48, 64, 1), wanted="mask:threshold=0.7").read([logits], frame)
    of_probabilities = opened((48, 64, 1), wanted="mask:threshold=0.7", meaning="probabilities").read(
        [probabilities], frame
    )
    assert np.array_equal(of_logits, probabilities[..., 0] > 0.7)
    assert np.array_equal(of_logits, of_probabilities)


def test_scores_are_enlarged_before_the_highest_is_chosen():
    reference = pytest.importorskip("cv2")
    scores = RANDOM.normal(size=(12, 16, 5)).astype(np.float32)
    large = reference.resize(scores, (320, 239), interpolation=reference.INTER_LINEAR)
    frame = Frame((320, 239), (64, 48), (64 / 320, 48 / 239))
    found = opened((12, 16, 5)).read([scores], frame)
    assert found.shape == (239, 320)
    best = np.sort(large, axis=-1)
    clear = best[..., -1] - best[..., -2] > 1e-4  # where rounding does not decide
    assert clear.mean() > 0.99
    assert np.array_equal(found[clear], large.argmax(axis=-1)[clear])
    first = opened((5, 12, 16)).read([np.moveaxis(scores, -1, 0)], frame)
    assert np.array_equal(first, found)
    same = opened((48, 64, 5)).read([np.repeat(np.repeat(scores, 4, 0), 4, 1)], Frame.whole(64, 48))
    assert np.array_equal(same, np.repeat(np.repeat(scores.argmax(-1), 4, 0), 4, 1))


@pytest.mark.parametrize(
    ("fit", "size"), [("pad", (100, 40)), ("center_crop", (100, 40)), ("stretch", (100, 40)), ("pad", (30, 90))]
)
def test_padding_and_crops_are_undone(fit, size):
    """A picture whose right half is white is a mask whose right half is class 1, wherever it lies in the input."""
    from PIL import Image

    width, height = size
    picture = Image.new("L", size)
    picture.paste(255, (width // 2, 0, width, height))
    preprocessing = Preprocessing(fit=fit, resize="nearest")
    shape = (48, 64, 1)
    pixels = preprocessing.pixels(picture, shape).astype(np.float32)
    found = opened(shape, wanted="mask:values=foreground").read([pixels / 255 - 0.5], preprocessing.frame(size, shape))
    assert found.shape == (height, width)
    truth = np.asarray(picture) > 0
    assert (found == truth).mean() > 0.96  # a column of pixels at the border
    classes = opened(shape, dtype="int32").read([pixels / 255], preprocessing.frame(size, shape))
    assert (classes == truth).mean() > 0.96
