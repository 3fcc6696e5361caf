"""Pictures with boxes: COCO, Pascal VOC and YOLO."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tflitekit.core.errors import DataError, UsageError
from tflitekit.data.annotations import Boxes, task_of
from tflitekit.data.dataset import Dataset, Subset, UnreadableSampleError, open_dataset

# Two pictures of 40 x 20 pixels with the same objects in each format; the second one has none.
BOXES = [[4, 2, 14, 12], [20, 5, 40, 20]]
NAMES = ("cat", "dog")


def _pictures(folder: Path, names: tuple[str, ...] = ("a.png", "b.png")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (40, 20), (number, 0, 0)).save(folder / name)
    return folder


def _coco_content() -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": 40, "height": 20}, {"id": 3, "file_name": "b.png"}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
        "annotations": [
            {"image_id": 7, "category_id": 18, "bbox": [20, 5, 20, 15], "iscrowd": 1, "area": 100.5},
            {"image_id": 7, "category_id": 17, "bbox": [4, 2, 10, 10]},
        ],
    }


def _coco(folder: Path, change: Callable[[dict[str, Any]], object] = lambda content: None) -> Path:
    _pictures(folder / "images")
    content = _coco_content()
    change(content)
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder / "annotations.json"


def _voc_xml(objects: str) -> str:
    return (
        f"<annotation><filename>a.png</filename><size><width>40</width><height>20</height></size>{objects}</annotation>"
    )


def _voc_object(name: str, box: list[int], extra: str = "") -> str:
    left, top, right, bottom = box
    edges = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
    return f"<object><name>{name}</name><bndbox>{edges}</bndbox>{extra}</object>"


def _voc(folder: Path, first: str | None = None) -> Path:
    _pictures(folder / "JPEGImages", ("a.png", "b.png", "c.png"))
    (folder / "Annotations").mkdir()
    dog = _voc_object("dog", BOXES[1], "<difficult>1</difficult>")
    (folder / "Annotations" / "a.xml").write_text(first or _voc_xml(_voc_object("cat", BOXES[0]) + dog))
    (folder / "Annotations" / "b.xml").write_text(_voc_xml("").replace("a.png", "b.png"))
    return folder


def _yolo_lines(boxes: list[list[int]]) -> str:
    lines = [((b[0] + b[2]) / 80, (b[1] + b[3]) / 40, (b[2] - b[0]) / 40, (b[3] - b[1]) / 20) for b in boxes]
    return "\n".join(f"{number} " + " ".join(map(str, line)) for number, line in enumerate(lines)) + "\n"


def _yolo(folder: Path, labels: str = _yolo_lines(BOXES), names: str = "names: {0: cat, 1: dog}") -> Path:
    _pictures(folder / "images" / "val")
    (folder / "labels" / "val").mkdir(parents=True)
    (folder / "labels" / "val" / "a.txt").write_text(labels)
    (folder / "data.yaml").write_text(f"path: .\ntrain: images/train\nval: images/val\n{names}\n")
    return folder


def _check(dataset: Dataset, *, classes: tuple[str, ...] = NAMES, numbers: tuple[int, ...] = (0, 1)) -> list[Boxes]:
    samples = list(dataset)
    assert [Path(sample.key).name for sample in samples] == ["a.png", "b.png"] and dataset.pictures
    assert task_of(samples[0].label) == "detection" and dataset.classes == classes
    first, second = (sample.label for sample in samples)
    order = np.argsort(first.classes)
    np.testing.assert_allclose(first.xyxy[order], BOXES, atol=1e-4)
    assert first.classes[order].tolist() == sorted(numbers) and len(second) == 0
    assert [sample.read().size for sample in samples] == [(40, 20)] * 2
    assert dataset.largest_label() == max(numbers) and len(dataset) == 2
    return [first, second]


def test_coco(tmp_path: Path) -> None:
    first, _ = _check(open_dataset(_coco(tmp_path)))
    assert first.crowd.tolist() == [True, False] and first.areas.tolist() == [100.5, 100]
    _check(open_dataset(tmp_path))


def test_coco_beside_a_folder_of_the_split(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    path = _coco(tmp_path / "elsewhere").rename(tmp_path / "annotations" / "instances_val2017.json")
    _pictures(tmp_path / "val2017")
    _check(open_dataset(path))
    named = open_dataset(f"{path}:images={tmp_path / 'elsewhere' / 'images'}")
    _check(named)
    assert "images=" in named.location


def test_categories_are_numbered_as_the_model_numbers_them(tmp_path: Path) -> None:
    path = _coco(tmp_path)
    by_id = open_dataset(f"{path}:ids=category")
    _check(by_id, classes=tuple(f"(no category {n})" for n in range(17)) + NAMES, numbers=(17, 18))
    less = open_dataset(f"{path}:ids=category-1")
    assert less.classes is not None and less.classes[16:] == NAMES and less.largest_label() == 17
    by_name = open_dataset(path, labels=("dog", "unused", "cat"))
    assert next(iter(by_name)).label.classes.tolist() == [0, 2]
    with pytest.raises(DataError, match=r"The category 'cat' in .* is not among the labels of the model"):
        open_dataset(path, labels=("dog", "bird"))
    with pytest.raises(UsageError, match="ids=names says nothing"):
        open_dataset(f"{path}:ids=names")


def test_voc(tmp_path: Path) -> None:
    dataset = open_dataset(_voc(tmp_path))
    first, _ = _check(dataset)
    assert first.difficult.tolist() == [False, True] and not first.crowd.any()
    assert any("c.png" in note and "without an XML file" in note for note in dataset.notes)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("a\nb\n")
    split = open_dataset(f"{tmp_path}:split=val")
    _check(split)
    assert not any("c.png" in note for note in split.notes)
    with pytest.raises(DataError, match="There are: val"):
        open_dataset(f"{tmp_path}:split=test")
    (lists / "val.txt").write_text("a\n../../elsewhere\n")
    with pytest.raises(
        DataError, match=r"val\.txt names a picture elsewhere: '\.\./\.\./elsewhere' is not a path inside"
    ):
        open_dataset(f"{tmp_path}:split=val")


def test_yolo(tmp_path: Path) -> None:
    dataset = open_dataset(_yolo(tmp_path))
    _check(dataset)
    assert any("1 picture has no label file" in note for note in dataset.notes)
    _check(open_dataset(tmp_path / "data.yaml"))
    with pytest.raises(DataError, match=r"split=train or val"):
        open_dataset(f"{tmp_path}:split=test")


def test_yolo_without_a_description_and_with_outlines(tmp_path: Path) -> None:
    outlines = "0 0.1 0.1 0.35 0.1 0.35 0.6\n1 0.5 0.25 1 0.25 1 1\n"
    _yolo(tmp_path, outlines)
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    _check(open_dataset(tmp_path))
    (tmp_path / "classes.txt").unlink()
    assert open_dataset(tmp_path).classes is None
    assert open_dataset(tmp_path, labels=("cat", "dog")).classes == NAMES


def test_classes_of_voc_are_said_to_be_numbered_in_sorted_order(tmp_path: Path) -> None:
    said = [note for note in open_dataset(_voc(tmp_path)).notes if "sorted order (cat, dog), from 0" in note]
    assert len(said) == 1 and "--labels FILE gives the model's order" in said[0]
    assert not any("sorted order" in note for note in open_dataset(tmp_path, labels=("dog", "cat")).notes)


def test_label_files_without_a_picture_are_told(tmp_path: Path) -> None:
    _yolo(tmp_path)
    (tmp_path / "labels" / "val" / "gone.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    assert any("1 label file has no picture" in note and "gone.txt" in note for note in open_dataset(tmp_path).notes)
    (tmp_path / "val.txt").write_text("images/val/a.png\n")
    (tmp_path / "labels" / "val" / "b.txt").write_text("")  # of another split
    (tmp_path / "data.yaml").write_text("val: val.txt\nnames: [cat, dog]\n")
    (told,) = open_dataset(tmp_path).notes
    assert "1 label file has" in told
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\n")
    with pytest.raises(DataError, match="Write one into it"):
        open_dataset(tmp_path)


def test_a_limit_draws_pictures(tmp_path: Path) -> None:
    dataset = open_dataset(_coco(tmp_path), limit=2)
    assert dataset.available == 2 and len(Subset(dataset, limit=1)) == 1
    empty = open_dataset(_coco(tmp_path / "few"), limit=1)
    assert empty.largest_label() in (None, 0, 1)  # what is drawn may have no objects


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    path = _coco(tmp_path)
    before = open_dataset(path).fingerprint()
    assert before == open_dataset(path).fingerprint()
    Image.new("RGB", (40, 20), (9, 9, 9)).save(tmp_path / "images" / "b.png")
    after = open_dataset(path).fingerprint()
    _coco(tmp_path, lambda content: content["annotations"][1].update(bbox=[4, 2, 10, 9]))
    assert len({before, after, open_dataset(path).fingerprint()}) == 3


def test_a_picture_of_another_size_than_its_annotations_are_for(tmp_path: Path) -> None:
    path = _coco(tmp_path)
    Image.new("RGB", (20, 40)).save(tmp_path / "images" / "a.png")
    with pytest.raises(UnreadableSampleError, match="20 x 40 pixels, and its annotations are for 40 x 20"):
        next(iter(open_dataset(path))).read()


def test_a_few_bad_boxes_are_left_out_and_told_and_many_are_refused(tmp_path: Path) -> None:
    def few(content: dict[str, Any]) -> None:
        good = {"image_id": 7, "category_id": 17, "bbox": [4, 2, 10, 10]}
        content["annotations"] = [good] * 298 + [good | {"bbox": [50, 0, 9, 9]}, good | {"bbox": [4, 2, 60, 10]}]

    dataset = open_dataset(_coco(tmp_path, few))
    outside, beyond = dataset.notes
    assert "1 of 300 boxes" in outside and "a.png (50, 0, 59, 9); they are left out" in outside
    assert "1 of 300 boxes" in beyond and "a.png (4, 2, 64, 12); they are taken as they are annotated" in beyond
    assert len(next(iter(dataset)).label) == 299
    with pytest.raises(DataError, match=r"1 of 2 boxes .* are outside of their pictures or without area"):
        open_dataset(_coco(tmp_path, lambda content: content["annotations"][1].update(bbox=[4, 2, 0, 10])))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["images"].append({"id": 9, "file_name": "none.png"}), r"1 of 3 annotated pictures .*none\.png"),
        (
            lambda c: c["images"].append({"id": 9, "file_name": "../b.png"}),
            r"names 1 file outside of",
        ),
        (lambda c: c["images"].append({"id": 7, "file_name": "b.png"}), "two images with one id"),
        (lambda c: c["images"].append({"id": 9, "file_name": "b.png"}), r"lists the image b\.png more than once"),
        (lambda c: c["images"][0].update(file_name="none.png"), r"1 of 2 annotated pictures .*none\.png"),
        (lambda c: c["categories"].append(dict(c["categories"][0], name="cow")), "two categories with one id"),
        (lambda c: c["annotations"][0].update(area=-1), "an 'area' below 0"),
        (lambda c: c["annotations"][0].update(iscrowd="no"), "an 'iscrowd' that is not 0 or 1"),
        (lambda c: c["annotations"][0].update(image_id=99), "1 of 2 annotations .* does not list, such as 99"),
        (lambda c: c["annotations"][0].update(category_id=99), "of the category 99, which is not listed"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), "no 'bbox' of four numbers"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, "3", 4]), "no 'bbox' of four numbers"),
        (lambda c: c["annotations"][0].update(image_id="7"), "no 'image_id' that is a whole number"),
        (lambda c: c["images"][0].update(width=0), "are for a picture of 0 x 20 pixels"),
        (lambda c: c.update(categories=[]), "no categories"),
        (lambda c: c.update(images={}), "no list of images"),
        (lambda c: c.update(annotations=[]), "have no objects in 2 pictures"),
    ],
)
def test_coco_that_cannot_be(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(_coco(tmp_path, change))


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "declares a type of document"),
        ("<annotation><object><name>cat</name></object></annotation>", "no name or no bndbox"),
        (
            _voc_xml(_voc_object("cat", BOXES[0]).replace("<xmin>5<", "<xmin>wide<")),
            "xmin is 'wide', no number",
        ),
        (_voc_xml(_voc_object("cat", BOXES[0]).replace("<xmin>5<", "<xmin>nan<")), "xmin is 'nan', no number"),
        ("<annotation>", "no element found"),
    ],
)
def test_voc_that_cannot_be(tmp_path: Path, xml: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(_voc(tmp_path, xml))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("0 0.5 0.5 0.1 0.1\n1 0.1 0.1 0.3 0.1 0.3 0.6\n", "Line 2 of .* mixes boxes and outlines"),
        ("0 0.5 0.5 0.1\n", "Line 1 of .* is no object: '0 0.5 0.5 0.1'"),
        ("cat 0.5 0.5 0.1 0.1\n", "is no object"),
        ("0.5 0.5 0.5 0.1 0.1\n", "is no object"),
        ("2 0.5 0.5 0.1 0.1\n", "is of the class 2, and there are 2 classes"),
        ("0 1.5 1.5 0.1 0.1\n", "1 of 1 box at .* outside"),
        ("0 10 10 20 20\n", "counts in pixels, not in shares of the picture"),
    ],
)
def test_yolo_that_cannot_be(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(_yolo(tmp_path, lines))


def test_descriptions_that_cannot_be(tmp_path: Path) -> None:
    _yolo(tmp_path, names="names: 3")
    with pytest.raises(DataError, match=r"names in .* are no list"):
        open_dataset(tmp_path)
    for text, message in (
        ("val: nowhere\n", "names nowhere"),
        ("- 1\n", "no description"),
        ("a: [\n", "not YAML"),
        ("a: !!python/x\n", "not YAML"),
        ("a: &a [x]\nval: *a\n", "it has an alias"),
    ):
        (tmp_path / "data.yaml").write_text(text)
        with pytest.raises(DataError, match=message):
            open_dataset(tmp_path)
    with pytest.raises(UsageError, match="no setting 'part'"):
        open_dataset(f"{tmp_path}:part=val")


def test_a_pipe_in_place_of_a_picture_is_not_waited_for(tmp_path: Path) -> None:
    dataset = open_dataset(_coco(tmp_path))
    (tmp_path / "images" / "a.png").unlink()
    os.mkfifo(tmp_path / "images" / "a.png")
    assert dataset.fingerprint()
    with pytest.raises(UnreadableSampleError, match="regular file"):
        next(iter(dataset)).read()
