"""What TensorFlow and Keras give and compute, beside what the kit makes of the same data."""

import numpy as np
import pytest
from PIL import Image

from tflitekit.data.dataset import open_dataset
from tflitekit.data.preprocessing import PRESETS


@pytest.mark.parametrize("batch", [None, 4, "remainder", "padded"])
def test_tf_data(batch):
    tf = pytest.importorskip("tensorflow")
    x, y = np.arange(120, dtype=np.float32).reshape(10, 4, 3), np.arange(10) % 3
    plain = tf.data.Dataset.from_tensor_slices((x, y))
    made = {
        None: lambda d: d.prefetch(2),
        4: lambda d: d.batch(4).map(lambda a, b: (a, b)).prefetch(2),
        "remainder": lambda d: d.batch(5, drop_remainder=True).cache(),
        "padded": lambda d: d.padded_batch(4).unbatch().batch(3, num_parallel_calls=2),
    }[batch](plain)
    generated = tf.data.Dataset.from_generator(
        lambda: iter([(x[:6], y[:6]), (x[6:], y[6:])]),
        output_signature=(tf.TensorSpec((None, 4, 3)), tf.TensorSpec((None,), tf.int64)),
    )
    onehot = made.map(lambda a, b: (a, tf.one_hot(b, 3)))
    for source in (made, lambda: made, onehot, generated):
        for _ in range(2):
            samples = list(open_dataset(source))
            assert [sample.label for sample in samples] == y.tolist()
            assert np.array_equal([sample.read()["x"] for sample in samples], x)
    named = made.map(lambda a, b: {"left": a})
    rows = [sample.read() for sample in open_dataset(named, need_labels=False)]
    assert np.array_equal([row["left"] for row in rows], x)
    by_output = made.map(lambda a, b: (a, {"class": b, "double": tf.cast(2 * b, tf.float32)}))
    labels = [sample.label for sample in open_dataset(by_output)]
    assert labels == [{"class": label, "double": 2.0 * label} for label in y.tolist()]
    assert len(open_dataset(made, limit=6, seed=1)) == 6


def picture(width=4, height=3, mode="RGB"):
    generator = np.random.default_rng(width * 31 + height)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


@pytest.mark.parametrize(("preset", "mode"), [("imagenet-torch", "torch"), ("imagenet-caffe", "caffe"), ("-1-1", "tf")])
def test_presets_agree_with_keras(preset, mode):
    imagenet_utils = pytest.importorskip("keras").applications.imagenet_utils
    image = picture(8, 8)
    expected = imagenet_utils.preprocess_input(np.asarray(image, np.float32)[None].copy(), mode=mode)[0]
    assert PRESETS[preset].image(image, (8, 8, 3)) == pytest.approx(np.asarray(expected), abs=1e-4)
