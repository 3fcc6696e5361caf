"""Outlines of COCO as masks, beside those that pycocotools draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tflitekit.core.errors import DataError, UsageError
from tflitekit.data.annotations import Mask
from tflitekit.data.dataset import open_dataset
from tflitekit.data.kinds.coco_masks import Shape, decode_counts, drawn_classes

WIDTH, HEIGHT = 40, 30
ROUND = [[20 + 11 * np.cos(a), 14 + 9 * np.sin(a)] for a in np.linspace(0, 6, 30)]
SQUARE = [2, 2, 12, 2, 12, 12, 2, 12]


def _file(folder: Path, *annotations: dict[str, Any], **rest: Any) -> str:
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT)).save(folder / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"image_id": 1, "iscrowd": 0, **one} for one in annotations],
        "categories": [{"id": 3, "name": "cat"}, {"id": 17, "name": "dog"}],
    } | rest
    (folder / "annotations.json").write_text(json.dumps(content))
    return f"{folder}/annotations.json:as=masks"


def _mask(source: str, **options: Any) -> np.ndarray:
    (sample,) = open_dataset(source, **options)
    assert isinstance(sample.label, Mask) and sample.label.ignore == 255 and sample.read().size == (WIDTH, HEIGHT)
    return sample.label.load()


@pytest.mark.parametrize(
    "points", [ROUND, np.reshape(SQUARE, (-1, 2)), [[0, 0], [40, 0], [40, 30], [0, 30]], [[-3, 5], [9.5, 5.5], [4, 35]]]
)
def test_polygons_are_drawn_as_pycocotools_draws_them_but_for_their_border(points: Any) -> None:
    from pycocotools import mask as reference

    flat = np.asarray(points, float).reshape(-1)
    wanted = reference.decode(reference.frPyObjects([flat.tolist()], HEIGHT, WIDTH))[..., 0]
    found = drawn_classes([Shape(1, (flat.reshape(-1, 2),), None)], (WIDTH, HEIGHT), 0)
    around = np.pad(wanted, 1, mode="edge")
    neighbours = np.stack([around[1:-1, :-2], around[1:-1, 2:], around[:-2, 1:-1], around[2:, 1:-1], wanted])
    border = neighbours.min(0) != neighbours.max(0)
    assert (found == wanted)[~border].all()
    assert abs(int(found.sum()) - int(wanted.sum())) <= border.sum() / 2


@given(st.integers(0, 2**32 - 1))
def test_runs_are_those_of_pycocotools(seed: int) -> None:
    from pycocotools import mask as reference

    generator = np.random.default_rng(seed)
    pixels = (generator.random((HEIGHT, WIDTH)) < generator.random()).astype(np.uint8)
    packed = reference.encode(np.asfortranarray(pixels))["counts"].decode()
    found = drawn_classes([Shape(1, (), decode_counts(packed))], (WIDTH, HEIGHT), 0)
    assert np.array_equal(found, pixels)


@given(st.one_of(st.text(max_size=30), st.lists(st.integers(-5, 2**70), max_size=5), st.none()))
def test_runs_that_cannot_be_are_refused(counts: Any) -> None:
    try:
        runs = decode_counts(counts)
    except ValueError:
        return
    assert runs.dtype == np.int64 and (runs >= 0).all()


def test_the_background_is_0_overlaps_of_classes_and_crowds_count_for_nothing(tmp_path: Path) -> None:
    other = [8, 8, 20, 8, 20, 20, 8, 20]
    everything = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * 4, HEIGHT * (WIDTH - 4)]}  # the first 4 columns
    source = _file(
        tmp_path,
        {"category_id": 3, "segmentation": [SQUARE]},
        {"category_id": 3, "segmentation": [[3, 3, 9, 3, 9, 9, 3, 9]]},
        {"category_id": 17, "segmentation": [other]},
        {"category_id": 17, "segmentation": everything, "iscrowd": 1},
    )
    mask = _mask(source)
    assert mask[5, 6] == 1 and mask[16, 16] == 2 and mask[10, 10] == 255 and mask[28, 38] == 0
    assert mask[20, 1] == 255 and mask[5, 3] == 1
    data = open_dataset(source)
    assert data.classes == ("background", "cat", "dog")
    named = _mask(source, labels=("dog", "cow", "cat", "background"))
    assert named[5, 6] == 2 and named[16, 16] == 0 and named[28, 38] == 3
    with pytest.raises(DataError, match="have no 'background'"):
        _mask(source, labels=("cat", "dog"))


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        (None, "has no 'segmentation'"),
        ([[1, 2, 3, 4]], "three points or more"),
        ([[1, 2, 3, 4, 5, 1e9]], "in pixels of the picture"),
        ([["1", 2, 3, 4, 5, 6]], "three points or more"),
        ({"size": [9, 9], "counts": [81]}, "not for 40 x 30"),
        ({"size": [HEIGHT, WIDTH], "counts": [7]}, "not for 40 x 30"),
        ({"size": [HEIGHT, WIDTH], "counts": "é"}, "neither a list nor a text"),
        ({"size": [HEIGHT, WIDTH], "counts": [-1, 1201]}, "a run is no whole number"),
    ],
)
def test_outlines_that_cannot_be(tmp_path: Path, outline: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"The annotation 0 .*{message}"):
        open_dataset(_file(tmp_path, {"category_id": 3, "segmentation": outline}))


def test_what_else_cannot_be(tmp_path: Path) -> None:
    good = {"category_id": 3, "segmentation": [SQUARE]}
    with pytest.raises(DataError, match="picture of 100000 x 100000"):
        open_dataset(_file(tmp_path, good, images=[{"id": 1, "file_name": "a.png", "width": 10**5, "height": 10**5}]))
    with pytest.raises(DataError, match="category that is not listed"):
        open_dataset(_file(tmp_path, good | {"category_id": 4}))
    source = _file(tmp_path, good).replace("as=masks", "as=boxes")
    with pytest.raises(UsageError, match="as=boxes says nothing"):
        open_dataset(source)
