"""Pixels to numbers: presets against Keras's own functions, geometry against pictures whose answer is known."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tflitekit.core.errors import ContractError
from tflitekit.data.contract import load_labels
from tflitekit.data.preprocessing import PRESETS, Preprocessing, image_layout, load_preprocessing


def picture(width=4, height=3, mode="RGB"):
    generator = np.random.default_rng(width * 31 + height)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def test_raw_gives_pixels_as_they_are():
    image = picture()
    assert np.array_equal(PRESETS["raw"].image(image, (3, 4, 3)), np.asarray(image, np.float32))


def test_zero_to_one():
    values = PRESETS["0-1"].image(Image.new("L", (2, 2), 255), (2, 2, 1))
    assert values.dtype == np.float32
    assert np.all(values == 1.0)


def test_channels_follow_the_model():
    assert PRESETS["raw"].image(picture(mode="RGBA"), (3, 4, 3)).shape == (3, 4, 3)
    assert PRESETS["raw"].image(picture(), (3, 4, 1)).shape == (3, 4, 1)
    assert PRESETS["raw"].image(picture(), (4, 4)).shape == (4, 4)
    first = PRESETS["raw"].image(picture(8, 8), (3, 8, 8))
    assert np.array_equal(first, np.moveaxis(np.asarray(picture(8, 8), np.float32), -1, 0))


def test_sixteen_bit_grey_is_scaled_not_clipped():
    image = Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16))
    assert PRESETS["raw"].image(image, (1, 3, 1)).ravel().tolist() == [0, 100, 255]


def test_center_crop_cuts_the_middle():
    canvas = Image.new("L", (30, 10), 0)
    canvas.paste(255, (10, 0, 20, 10))
    cropped = Preprocessing(fit="center_crop").image(canvas, (5, 5, 1))
    assert cropped.min() == 255
    assert Preprocessing().image(canvas, (5, 5, 1)).min() == 0


def test_crop_fraction_keeps_the_centre():
    canvas = Image.new("L", (8, 8), 0)
    canvas.paste(255, (2, 2, 6, 6))
    assert Preprocessing(crop_fraction=0.5).image(canvas, (4, 4, 1)).min() == 255


def test_pad_keeps_everything_with_black_borders():
    values = Preprocessing(fit="pad").image(Image.new("L", (20, 10), 255), (8, 8, 1))[..., 0]
    assert np.all(values[2:6] == 255)
    assert np.all(values[:2] == 0)
    assert np.all(values[6:] == 0)


@settings(max_examples=60)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 24),
    st.integers(1, 24),
    st.sampled_from(["stretch", "center_crop", "pad"]),
    st.floats(0.05, 1.0),
)
def test_any_image_fits_any_input(width, height, rows, columns, fit, fraction):
    rules = Preprocessing(fit=fit, crop_fraction=fraction, divisor=255)
    values = rules.image(Image.new("RGB", (width, height), (255, 255, 255)), (rows, columns, 3))
    assert values.shape == (rows, columns, 3)
    assert values.max() == pytest.approx(1.0)
    if fit != "pad":
        assert values.min() == pytest.approx(1.0)


def test_wrong_number_of_channel_values_names_both():
    with pytest.raises(ContractError, match=r"3 values for mean.*1 channels"):
        PRESETS["imagenet-torch"].image(picture(mode="L"), (3, 4, 1))


@pytest.mark.parametrize("shape", [(10,), (100, 8), (5, 5, 7), (2, 3, 4, 3), (-1, -1, 3)])
def test_shapes_that_are_no_images(shape):
    with pytest.raises(ContractError, match="not that of an image"):
        image_layout(shape)


def test_json_files(tmp_path):
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"divisor": 2, "mean": [1, 2, 3]}))
    assert load_preprocessing(path).mean == (1.0, 2.0, 3.0)
    path.write_text(json.dumps({"preprocessing": {"fit": "pad"}}))
    assert load_preprocessing(path).fit == "pad"
    for wrong, word in (({"divisr": 2}, "divisr"), ({"std": [0]}, "std"), ({"crop_fraction": 2}, "crop_fraction")):
        path.write_text(json.dumps(wrong))
        with pytest.raises(ContractError, match=word):
            load_preprocessing(path)
    path.write_text("{")
    with pytest.raises(ContractError, match="cannot be read"):
        load_preprocessing(path)
    with pytest.raises(ContractError, match="imagenet-torch"):
        load_preprocessing("imagenet")


def test_labels_files(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("cat\n dog \n")
    assert load_labels(path) == ("cat", "dog")
    path = tmp_path / "labels.json"
    path.write_text('{"1": "dog", "0": "cat"}')
    assert load_labels(path) == ("cat", "dog")
    for wrong in ('{"0": "a", "2": "b"}', "[1, 2]", "nope"):
        path.write_text(wrong)
        with pytest.raises(ContractError, match="JSON"):
            load_labels(path)
    path.write_text("[]")
    with pytest.raises(ContractError, match="empty"):
        load_labels(path)
    with pytest.raises(ContractError, match="cannot be read"):
        load_labels(tmp_path / "none.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("suffix", ["txt", "json"])
def test_labels_in_every_encoding_that_marks_itself(tmp_path, encoding, suffix):
    names = ["Kätzchen", "犬", "café"]
    path = tmp_path / f"labels.{suffix}"
    path.write_bytes(
        ("\r\n".join(names) if suffix == "txt" else json.dumps(names, ensure_ascii=False)).encode(encoding)
    )
    assert load_labels(path) == tuple(names)


@pytest.mark.parametrize(
    ("encoding", "problem"), [("latin-1", "not UTF-8: line 2 has the byte 0xe9"), ("utf-16-le", "zero bytes")]
)
def test_labels_in_encodings_that_cannot_be_known(tmp_path, encoding, problem):
    path = tmp_path / "labels.txt"
    path.write_bytes("chat\ncafé\n".encode(encoding))
    with pytest.raises(ContractError, match=rf"(?s){problem}.*Save it as UTF-8"):
        load_labels(path)
