"""Pictures that EXIF turns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tflitekit.bundling.golden import _Writer
from tflitekit.core.errors import UsageError
from tflitekit.data.dataset import open_dataset
from tflitekit.data.preprocessing import PRESETS

TOP, BOTTOM = 250, 5
BOX = [2, 1, 6, 4]
"""Left, top, right and bottom in the upright picture, 10 x 20, whose upper half is bright."""


def _photo(path: Path, tag: int | None = 6) -> Path:
    """Writes a picture that is bright above when it is upright, stored as a camera does that was held otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((20, 10), BOTTOM, np.uint8)
    pixels[:10] = TOP
    exif = Image.Exif()
    stored = Image.fromarray(pixels)
    if tag is not None:
        exif[0x0112] = tag
        back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[tag]
        stored = stored.transpose(back)
    stored.save(path, exif=exif)
    return path


def _is_upright(dataset: Any) -> bool:
    (sample,) = dataset
    image = sample.read()
    pixels = np.asarray(image)
    return image.size == (10, 20) and bool(pixels[:10].min() == TOP and pixels[10:].max() == BOTTOM)


def test_photos_with_a_class_are_taken_as_they_are_stored_which_is_told_and_upright_where_wanted(
    tmp_path: Path,
) -> None:
    _photo(tmp_path / "a" / "1.png")
    stored = open_dataset(tmp_path)
    assert not _is_upright(stored)
    (note,) = stored.notes
    assert "turns 1 of 1 pictures" in note and f"{tmp_path}:orientation=upright" in note
    turned = open_dataset(f"{tmp_path}:orientation=upright")
    assert _is_upright(turned) and turned.notes == () and turned.location.endswith("upright")
    assert (turned.classes, turned.kind, turned.labelled, len(turned)) == (("a",), "images", True, 1)
    assert turned.fingerprint() != stored.fingerprint()
    said = open_dataset(f"{tmp_path}:orientation=stored")
    assert said.notes == () and said.fingerprint() == stored.fingerprint()


def test_nothing_is_said_of_photos_that_are_stored_upright(tmp_path: Path) -> None:
    _photo(tmp_path / "a" / "1.png", None)
    _photo(tmp_path / "a" / "2.png", None).write_bytes(b"no picture")
    assert open_dataset(tmp_path).notes == ()


def _coco(folder: Path, tag: int, size: tuple[int, int] | None) -> str:
    _photo(folder / "1.png", tag)
    left, top, right, bottom = BOX
    given = {} if size is None else {"width": size[0], "height": size[1]}
    (folder / "annotations.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "1.png", **given}],
                "annotations": [{"image_id": 1, "category_id": 1, "bbox": [left, top, right - left, bottom - top]}],
                "categories": [{"id": 1, "name": "cat"}],
            }
        )
    )
    return str(folder)


def _voc(folder: Path, tag: int, size: tuple[int, int] | None) -> str:
    _photo(folder / "JPEGImages" / "1.png", tag)
    given = "" if size is None else f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    edges = "".join(f"<{n}>{v}</{n}>" for n, v in zip(("xmin", "ymin", "xmax", "ymax"), (3, 2, 6, 4), strict=True))
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "1.xml").write_text(
        f"<annotation><filename>1.png</filename>{given}<object><name>cat</name><bndbox>{edges}</bndbox></object></annotation>"
    )
    return str(folder)


def _yolo(folder: Path, tag: int, size: tuple[int, int] | None) -> str:
    _photo(folder / "images" / "1.png", tag)
    (folder / "labels").mkdir()
    (folder / "labels" / "1.txt").write_text("0 0.4 0.125 0.4 0.15\n")
    return str(folder)


def _masks(folder: Path, tag: int, size: tuple[int, int] | None) -> str:
    _photo(folder / "images" / "1.png", tag)
    (folder / "masks").mkdir()
    Image.new("L", size or (10, 20)).save(folder / "masks" / "1.png")
    return str(folder)


@pytest.mark.parametrize("tag", [3, 6])
@pytest.mark.parametrize("size", [None, (10, 20)])
@pytest.mark.parametrize("write", [_coco, _voc, _yolo, _masks])
def test_annotations_are_for_upright_pictures(
    tmp_path: Path, write: Callable[[Path, int, Any], str], size: tuple[int, int] | None, tag: int
) -> None:
    data = open_dataset(write(tmp_path, tag, size))
    data.check_values()
    assert _is_upright(data) and data.notes == ()
    (sample,) = data
    if write is not _masks:
        assert sample.label.xyxy.tolist() == [BOX]
    with pytest.raises(UsageError, match="take no setting 'orientation'"):
        open_dataset(f"{data.location}:orientation=stored")


@pytest.mark.parametrize("write", [_coco, _voc, _masks])
def test_an_annotated_size_tells_that_pixels_are_meant_as_they_are_stored(
    tmp_path: Path, write: Callable[[Path, int, Any], str]
) -> None:
    (sample,) = open_dataset(write(tmp_path, 6, (20, 10)))
    assert sample.read().size == (20, 10)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_says_nothing(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8))
    (tmp_path / "a").mkdir()
    image.save(tmp_path / "a" / "1.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    (sample,) = open_dataset(f"{tmp_path}:orientation=upright")
    assert sample.read().size == (8, 8)


def test_a_bundle_holds_a_turned_picture_as_the_model_saw_it(tmp_path: Path) -> None:
    _photo(tmp_path / "d" / "a" / "1.png")
    (sample,) = open_dataset(f"{tmp_path / 'd'}:orientation=upright")
    original, lossless = _Writer(tmp_path, "0").images(sample, sample.read(), PRESETS["raw"], (20, 10, 1))
    assert original == lossless and (original.width, original.height) == (10, 20)
    with Image.open(tmp_path / original.file) as image:
        assert image.size == (10, 20) and image.getexif().get(0x0112) is None


def test_only_pictures_have_an_orientation(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,label\n1,0\n")
    with pytest.raises(UsageError, match="not picture files"):
        open_dataset(f"{tmp_path / 't.csv'}:orientation=upright")
    _photo(tmp_path / "d" / "a" / "1.png")
    with pytest.raises(UsageError, match="stored or upright"):
        open_dataset(f"{tmp_path / 'd'}:orientation=turned")
