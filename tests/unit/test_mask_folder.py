"""Folders of pictures with masks: what is opened, how classes are told, and what is wrong with data, each in a sentence."""

import json

import numpy as np
import pytest
from PIL import Image

from tflitekit.core.errors import DataError, UsageError
from tflitekit.data.dataset import open_dataset

RED, GREEN, BLACK = (200, 10, 10), (10, 200, 10), (0, 0, 0)


def folder(root, masks, images="images", beside="masks"):
    for name in (images, beside):
        (root / name).mkdir(parents=True)
    for name, mask in masks.items():
        Image.new("RGB", mask.size).save(root / images / f"{name}.jpg")
        mask.save(root / beside / f"{name}.png")
    return root


def index_mask(size=(6, 4), mode="L"):
    return Image.fromarray(np.arange(size[0] * size[1], dtype=np.uint8).reshape(size[1], size[0]) % 3, mode)


def colored(*colors):
    return Image.fromarray(np.asarray([colors], np.uint8).repeat(2, 0))


def classes(dataset):
    return [sample.label.load().tolist() for sample in dataset]


def test_numbers_and_palettes_are_classes(tmp_path):
    palette = index_mask()
    palette.putpalette([0, 0, 0, *RED, *GREEN])
    root = folder(tmp_path / "d", {"b": index_mask(), "a": palette, "c": Image.new("1", (6, 4), 1)})
    data = open_dataset(root)
    assert (data.kind, data.pictures, data.labelled, len(data)) == ("masks", True, True, 3)
    assert [sample.key for sample in data] == ["images/a.jpg", "images/b.jpg", "images/c.jpg"]
    numbers = (np.arange(24).reshape(4, 6) % 3).tolist()
    assert classes(data) == [numbers, numbers, np.ones((4, 6)).tolist()]
    assert [sample.label.ignore for sample in data] == [None] * 3
    assert [sample.key for sample in data.pick([2, 0])] == ["images/c.jpg", "images/a.jpg"]
    few = open_dataset(root, limit=2)
    assert (len(few), few.available) == (2, 3)
    before = data.fingerprint()
    Image.new("L", (6, 4), 2).save(root / "masks" / "a.png")
    assert open_dataset(root).fingerprint() != before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("colors.json", json.dumps({"sky": BLACK, "car": "#c80a0a", "Void": GREEN})),
        ("colors.csv", "name, r, g, b\nsky,0,0,0\ncar,200,10,10\nvoid,10,200,10\n"),
        ("class_dict.csv", "name,r,g,b\nsky,0,0,0\ncar,200,10,10\nvoid,10,200,10\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nsky:0,0,0::\ncar:200,10,10::\nignore:10,200,10::\n"),
    ],
)
def test_colors_are_classes_by_a_color_map(tmp_path, name, text):
    root = folder(tmp_path / "d", {"a": colored(BLACK, RED, GREEN)})
    (root / name).write_text(text)
    data = open_dataset(root)
    assert data.classes == ("sky", "car")
    assert classes(data) == [[[0, 1, 255]] * 2]
    assert next(iter(data)).label.ignore == 255
    assert classes(open_dataset(root, labels=("car", "tree", "sky"))) == [[[2, 0, 255]] * 2]
    (root / name).rename(tmp_path / "map.json" if name.endswith("json") else tmp_path / f"map{name[-4:]}")
    elsewhere = next(tmp_path.glob("map*"))
    assert classes(open_dataset(f"{root}:colors={elsewhere}")) == [[[0, 1, 255]] * 2]


def test_grey_masks_are_colors_too_where_there_is_a_color_map(tmp_path):
    grey = Image.fromarray(np.asarray([[0, 255, 0]] * 2, np.uint8))
    root = folder(tmp_path / "d", {"a": grey})
    (root / "colors.json").write_text(json.dumps({"background": BLACK, "crack": [255, 255, 255]}))
    assert classes(open_dataset(root)) == [[[0, 1, 0]] * 2]


def test_two_pictures_of_one_name(tmp_path):
    root = folder(tmp_path / "d", {"a": index_mask()})
    Image.new("RGB", (6, 4)).save(root / "images" / "a.png")
    with pytest.raises(DataError, match=r"images/a\.jpg and images/a\.png .* have one name"):
        open_dataset(root)


def test_pascal_voc_has_pictures_without_masks_and_splits(tmp_path):
    root = folder(tmp_path / "VOC2012", {"a": index_mask(), "b": index_mask()}, "JPEGImages", "SegmentationClass")
    Image.new("RGB", (5, 5)).save(root / "JPEGImages" / "other.jpg")
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("b\n")
    assert len(open_dataset(root)) == 2
    data = open_dataset(f"{root / 'SegmentationClass'}:split=val")
    assert [sample.key for sample in data] == ["JPEGImages/b.jpg"]
    assert next(iter(data)).label.ignore == 255
    with pytest.raises(UsageError, match=r"(?s)There is no split 'test' of the data.*Splits: val\."):
        open_dataset(f"{root}:split=test")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("b\nother\n")
    with pytest.raises(DataError, match=r"1 picture in .* has no mask in .*: other"):
        open_dataset(f"{root}:split=val")


def test_bad_data_are_told_in_a_sentence(tmp_path):
    root = folder(tmp_path / "d", {"a": index_mask(), "b": index_mask()})
    Image.new("RGB", (6, 4)).save(root / "images" / "c.jpg")
    with pytest.raises(DataError, match=r"1 picture in .*images has no mask in .*masks: c\."):
        open_dataset(root)
    (root / "images" / "c.jpg").unlink()
    index_mask().save(root / "masks" / "x.png")
    index_mask().save(root / "masks" / "y.png")
    with pytest.raises(DataError, match=r"2 masks have no picture in .*images: masks/x\.png, masks/y\.png\."):
        open_dataset(root)
    for name in "xy":
        (root / "masks" / f"{name}.png").unlink()
    index_mask((5, 4)).save(root / "masks" / "b.png")
    with pytest.raises(
        DataError, match=r"The mask masks/b\.png has 5 x 4 pixels, and its picture images/b\.jpg 6 x 4\."
    ):
        open_dataset(root).check_values()
    colored(RED, GREEN, RED).save(root / "masks" / "b.png")
    with pytest.raises(DataError, match=r"(?s)b\.png has colors, and there is no color map.*colors=FILE"):
        classes(open_dataset(root))
    (root / "colors.json").write_text(json.dumps({"car": RED}))
    with pytest.raises(DataError, match=r"b\.png has the color \(10, 200, 10\), which is not in .*colors\.json"):
        classes(open_dataset(root))
    (root / "masks" / "b.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"The mask .*b\.png cannot be read"):
        classes(open_dataset(root))
    with pytest.raises(UsageError, match="There is no setting 'color'"):
        open_dataset(f"{root}:color=x")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("colors.json", '{"car": [1, 2]}', r"has no color for 'car' but \[1, 2\]"),
        ("colors.json", '{"car": [1, 2, 3], "bus": [1, 2, 3]}', r"has the color \(1, 2, 3\) for 'car' and 'bus'"),
        ("colors.json", "[1]", "is no color map"),
        ("colors.json", "{", "cannot be read"),
        ("colors.csv", "a,b\n1,2\n", "is no color map"),
        ("colors.csv", "name,r,g,b\ncar,1,2,300\n", "has no color for 'car'"),
    ],
)
def test_broken_color_maps(tmp_path, name, text, words):
    root = folder(tmp_path / "d", {"a": colored(RED)})
    (root / name).write_text(text)
    with pytest.raises(DataError, match=words):
        open_dataset(root)


@pytest.mark.parametrize(
    ("mode", "suffix", "message"),
    [("L", "jpg", "is a JPEG"), ("CMYK", "tif", "of the mode CMYK"), ("F", "tif", "of the mode F")],
)
def test_masks_that_hold_no_numbers_of_classes_are_refused(tmp_path, mode, suffix, message):
    root = folder(tmp_path / "d", {"a": index_mask()})
    (root / "masks" / "a.png").unlink()
    index_mask().convert(mode).save(root / "masks" / f"a.{suffix}")
    with pytest.raises(DataError, match=message):
        classes(open_dataset(root))
