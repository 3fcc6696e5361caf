"""8-bit inputs of files whose preprocessing nobody named: pixels go in as apps store them, real numbers are quantized. And what
the lints say of inputs that are stored as integers."""

import numpy as np
import pytest
from echo_model import echo_model
from PIL import Image

from tflitekit import bundle, evaluate
from tflitekit.accuracy.lints.calibration import _ranges
from tflitekit.accuracy.lints.outputs import lint_stored_inputs
from tflitekit.core.errors import DataError
from tflitekit.core.tensor import Quantization, TensorSpec
from tflitekit.data.dataset import InputPipeline, open_dataset
from tflitekit.data.facts import Inputs
from tflitekit.data.pixels import holds_pixels, stored_pixels
from tflitekit.data.preprocessing import PRESETS
from tflitekit.tflite.runtime import quantize


def spec(dtype, scale, zero, shape=(1, 2, 2, 1)):
    quantization = None if scale is None else Quantization(scale=(scale,), zero_point=(zero,))
    return TensorSpec(name="image", shape=shape, dtype=dtype, quantization=quantization)


@pytest.fixture
def photos(tmp_path):
    """Four classes: which pixel of four is the brightest; all of them far above 1."""
    generator = np.random.default_rng(7)
    for index in range(24):
        pixels = generator.integers(40, 200, 4, dtype=np.uint8)
        pixels[index % 4] = 255
        folder = tmp_path / "photos" / str(index % 4)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.reshape(2, 2)).save(folder / f"{index}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("dtype", "scale", "zero"),
    [
        ("uint8", 1 / 127.5, 128), ("uint8", 1 / 255, 0), ("uint8", 0.0187, 114), ("uint8", 1.07, 115), ("uint8", 1e-9, 255),
        ("int8", 1 / 127.5, -1), ("int8", 1 / 255, -128), ("int8", 1 / 128, 0),
    ],
)  # fmt: skip
def test_every_pixel_is_stored_as_it_is(dtype, scale, zero):
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    rules = stored_pixels(spec(dtype, scale, zero))
    stored = quantize(rules.normalized(pixels, (16, 16, 1)), spec(dtype, scale, zero))
    assert np.array_equal(stored.astype(int), pixels.astype(int) + np.iinfo(dtype).min)


@pytest.mark.parametrize(
    ("dtype", "scale", "zero"), [("uint8", 0.997, 0), ("int8", 1.0, -128), ("uint8", None, 0), ("int16", 1e-4, 0)]
)
def test_inputs_that_take_pixels_as_numbers_stay_raw(dtype, scale, zero):
    assert stored_pixels(spec(dtype, scale, zero)) is None


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "zero"), [("uint8", 128), ("int8", 0)])
def test_a_foreign_file_gets_what_an_app_stores(photos, tmp_path, dtype, zero):
    path = echo_model(tmp_path / "foreign.tflite", (1, 2, 2, 1), dtype, scale=1 / 128, zero_point=zero)
    found = evaluate([path], data=photos)
    assert found.variants[0].accuracy.value == 1
    (note,) = [warning for warning in found.warnings if warning.kind == "preprocessing-not-named"]
    assert "foreign" in note.message and "as they are stored" in note.message and "(p - 128) / 128" in note.message
    named = evaluate([path], data=photos, preprocess="raw")  # what was named is done
    assert named.variants[0].accuracy.value < 0.5
    assert "preprocessing-not-named" not in {warning.kind for warning in named.warnings}
    pixels = np.stack([np.asarray(Image.open(p)) for p in sorted(photos.rglob("*.png"))])
    wanted = ((pixels.astype(np.float32) - 128) / 128).reshape(len(pixels), -1)
    for x in (pixels, pixels[..., None].astype(np.float32)):
        assert evaluate([path], data=(x, wanted)).variants[0].accuracy.value == 0
    assert evaluate([path], data=(wanted.reshape(-1, 2, 2), wanted)).variants[0].accuracy.value == 0  # real numbers
    made = bundle(path, data=photos, out=tmp_path / "bundle", samples=2)
    assert (made.preprocessing.name, made.preprocessing.mean, made.preprocessing.std) == (
        "stored-pixels",
        (128,),
        (128,),
    )
    assert len(made.golden.samples) == 2
    for sample in made.golden.samples:
        stored, drawn = sample.results[0].inputs[0], sample.pixels
        stored = np.fromfile(tmp_path / "bundle" / stored.file, stored.dtype).astype(int)
        assert np.array_equal(
            stored, np.fromfile(tmp_path / "bundle" / drawn.file, np.uint8).astype(int) + np.iinfo(dtype).min
        )


@pytest.mark.parametrize("shape", [(6, 6), (4, 5, 1), (4, 5, 3), (3, 4, 5), (1, 4, 5)])
def test_every_layout_of_pictures_is_stored_alike(tmp_path, shape):
    path = echo_model(tmp_path / "m.tflite", (1, *shape), "int8", scale=1 / 64, zero_point=-28)
    pixels = np.random.default_rng(1).integers(0, 256, (20, *shape), dtype=np.uint8)
    wanted = ((pixels.astype(np.float32) - 100) / 64).reshape(20, -1)
    assert evaluate([path], data=(pixels, wanted)).variants[0].accuracy.value == 0


def test_channels_first_arrays_are_normalized_by_channel():
    pixels = np.random.default_rng(1).random((4, 5, 3)).astype(np.float32) * 255
    for preset in ("imagenet-torch", "imagenet-caffe"):
        last, first = (
            InputPipeline([spec("float32", None, 0, (1, *s))], PRESETS[preset]) for s in ((4, 5, 3), (3, 4, 5))
        )
        (expected,) = last.prepare({"x": pixels}, "row 0")
        (found,) = first.prepare({"x": np.moveaxis(pixels, -1, 0)}, "row 0")
        assert np.array_equal(found, np.moveaxis(expected, -1, 0))


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.full((3, 4, 4, 3), 200, np.uint8), True),
        (np.full((3, 4, 4, 3), 200.0), True),
        (np.full((3, 4, 4, 3), 0.5), False),
        (np.full((3, 4, 4, 3), 1, np.uint8), False),
        (np.full((3, 4, 4, 3), 300.0), False),
        (np.full((3, 4, 4, 3), -7, np.int8), False),
        (np.full((3, 6), 200, np.uint8), False),
        (np.full((3, 20, 9), 200, np.int64), False),
    ],
)
def test_what_counts_as_pixels(x, expected):
    data = open_dataset({"x": x}, need_labels=False)
    assert holds_pixels(data, spec("float32", None, 0, shape=(1, *x.shape[1:]))) == expected


def test_images_for_whole_numbers_are_checked_too():
    pipeline = InputPipeline([spec("uint8", None, 0)], PRESETS["0-1"])
    with pytest.raises(DataError, match=r"(?s)a\.png.*'image' cannot hold.*--preprocess raw instead of '0-1'"):
        pipeline.prepare(Image.new("L", (2, 2), 77), "a.png")
    (whole,) = InputPipeline([spec("uint8", None, 0)], PRESETS["raw"]).prepare(Image.new("L", (2, 2), 77), "a.png")
    assert (whole.dtype, whole.max()) == (np.uint8, 77)


def fed(low, high, *, spread=0.0):
    """Thirty samples of one input that lie between two values."""
    ends = {
        f"input_{end}": np.linspace(value, value + spread, 30, dtype=np.float32)[:, None]
        for end, value in (("low", low), ("high", high))
    }
    gain = TensorSpec(name="gain", shape=(1, 1), dtype="float32")
    return Inputs((gain,), {"content": np.arange(30, dtype=np.uint64), **ends})


@pytest.mark.parametrize(
    ("low", "high", "kind", "advice"),
    [
        (1, 1, None, None),  # a constant needs no steps
        (0, 1, None, None),
        (0, 1 / 255, "coarse-input", "another scale"),
        (0, 255, "clipped-input", "another scale"),
        (0, 1.4, "clipped-input", "samples that cover"),
        (1.4, 1.4, "clipped-input", "samples that cover"),
        (0.9, 0.92, "coarse-input", "close together"),
    ],
)
def test_the_cause_of_a_range_that_does_not_fit(low, high, kind, advice):
    found = lint_stored_inputs(fed(low, high), [spec("int8", 1 / 255, -128, shape=(1, 1))])
    assert [f.kind for f in found] == ([kind] if kind else [])
    assert not found or advice in found[0].advice


@pytest.mark.parametrize(
    ("calibration", "evaluation", "advice"),
    [
        ((0, 1), (0, 255), "normalized twice"),
        ((1, 1), (1.5, 1.5), "samples that cover"),
        ((0, 1), (-1, 1), "Prepare both alike"),
    ],
)
def test_the_cause_of_ranges_that_differ(calibration, evaluation, advice):
    (found,) = _ranges(fed(*calibration), fed(*evaluation))
    assert advice in found.advice
