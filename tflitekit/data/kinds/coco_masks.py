"""COCO's outlines of objects as the class of each pixel: ``annotations.json:as=masks``."""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.files import content_hash
from tflitekit.data.annotations import Mask
from tflitekit.data.color_maps import IGNORED
from tflitekit.data.fence import WITHIN
from tflitekit.data.image_files import decode_annotated
from tflitekit.data.kinds import data_kind
from tflitekit.data.kinds.coco import FIX, find_coco, images_of, root_of, rows_of, size_of
from tflitekit.data.names import match_names
from tflitekit.data.samples import Dataset, Sample, balanced, file_content
from tflitekit.data.settings import check_settings

__all__ = ["CocoMasks", "decode_counts", "drawn_classes"]

_BACKGROUND = ("background", "__background__", "unlabeled", "unlabelled")
_LARGEST = 1 << 26
"""Pixels of a mask."""


class Shape(NamedTuple):
    """An object.

    Attributes:
        number: Its class; None for a crowd, whose pixels count for nothing.
        polygons: float64 ``(points, 2)`` each, in pixels of the picture; empty where there are runs.
        runs: Lengths of runs outside and inside of the object, in turn, down the columns; None where there are polygons.
    """

    number: int | None
    polygons: tuple[NDArray[np.float64], ...]
    runs: NDArray[np.int64] | None


@data_kind("coco_masks", takes_settings=True)
def open_coco_masks(source: Any, *, settings: Mapping[str, str], need_labels: bool, **options: Any) -> CocoMasks | None:
    """Opens annotations of COCO whose settings say that they are masks."""
    del need_labels
    found = find_coco(source) if "as" in settings else None
    if found is None:
        return None
    check_settings(str(source), settings, ("images", WITHIN, "as"))
    if settings["as"] != "masks":
        raise UsageError(
            f"The setting as={settings['as']} says nothing of annotations.", fix="Give as=masks, or leave it out."
        )
    return CocoMasks(*found, settings, **options)


class CocoMasks(Dataset):
    """Pictures with masks that are drawn from outlines when they are needed.

    Class 0 is the background, categories follow in the order of their ids; with labels, all are found by name. Pixels of objects of
    several classes, and those of crowds, count for nothing, as nobody knows their class (torchvision's ``references/segmentation``
    leaves out overlaps, too).
    """

    kind = "coco_masks"
    pictures = True
    upright = True

    def __init__(
        self,
        path: Path,
        content: Mapping[str, Any],
        settings: Mapping[str, str],
        *,
        labels: tuple[str, ...] | None,
        limit: int | None,
        seed: int,
    ) -> None:
        images = images_of(path, content)
        numbers, self._background, classes = _numbers(path, content, labels)
        super().__init__(str(path), classes=classes)
        self._path = path
        names = [image["file_name"] for image in images.values()]
        self._root = root_of(path, names, settings)
        sizes = {number: _size(path, self._root / image["file_name"], image) for number, image in images.items()}
        shapes = _shapes(path, content, sizes, numbers)
        self._pictures = [(image["file_name"], sizes[number], shapes[number]) for number, image in images.items()]
        if limit is not None:
            self.available, self.seed = len(self._pictures), seed
            self._pictures = [self._pictures[i] for i in balanced([None] * len(self._pictures), limit, seed)]

    def __len__(self) -> int:
        return len(self._pictures)

    def __iter__(self) -> Iterator[Sample]:
        return self.pick(range(len(self)))

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        """Yields the samples at some positions, in any order."""
        for name, size, shapes in map(self._pictures.__getitem__, positions):
            path = os.path.join(self._root, name)  # noqa: PTH118
            label = Mask(functools.partial(drawn_classes, shapes, size, self._background), f"of {name}", IGNORED)
            yield Sample(name, label, functools.partial(decode_annotated, path, size), path)

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{content_hash(self._path)}{self.classes}".encode())
        for name, _, _ in self._pictures:
            content = file_content(os.path.join(self._root, name))  # noqa: PTH118
            digest.update(f"{name}\0".encode(errors="surrogateescape") + content)
        return digest.hexdigest()


def drawn_classes(shapes: Sequence[Shape], size: tuple[int, int], background: int) -> NDArray[np.uint8]:
    """Returns the class of each pixel ``(height, width)``: `IGNORED` where objects of several classes, or only a crowd, are."""
    classes = np.full(size[::-1], background, np.uint8)
    taken, crowd = np.zeros((2, *size[::-1]), np.bool_)
    for shape in shapes:
        own = _pixels(shape, size)
        if shape.number is None:
            crowd |= own
            continue
        clash = own & taken & (classes != shape.number)
        classes[own & ~taken] = shape.number
        classes[clash] = IGNORED
        taken |= own
    classes[crowd & ~taken] = IGNORED
    return classes


def _pixels(shape: Shape, size: tuple[int, int]) -> NDArray[np.bool_]:
    if shape.runs is not None:
        inside = np.arange(len(shape.runs)) % 2 == 1
        return np.repeat(inside, shape.runs).reshape(size).T
    found = np.zeros(size[::-1], np.bool_)
    for points in shape.polygons:
        found |= _filled(points, size)
    return found


def _filled(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns which pixels have their middle inside of a polygon, by the even-odd rule; Pillow and OpenCV also draw those that the border touches."""
    width, height = size
    flips = np.zeros((height, width + 1), np.bool_)
    for (x, y), (other_x, other_y) in zip(points, np.roll(points, -1, axis=0), strict=True):
        first, last = (math.ceil(edge - 0.5) for edge in sorted((y, other_y)))
        rows = np.arange(max(0, first), min(height, last))
        if rows.size:
            crossed = x + (rows + 0.5 - y) * ((other_x - x) / (other_y - y))
            flips[rows, np.clip(np.ceil(crossed - 0.5), 0, width).astype(np.int64)] ^= True
    return np.logical_xor.accumulate(flips[:, :width], axis=1)


def decode_counts(counts: Any) -> NDArray[np.int64]:
    """Returns the lengths of runs that COCO writes as a list, or packs into a text (``rleFrString`` of pycocotools).

    Raises:
        ValueError: They are none.
    """
    if isinstance(counts, list):
        found = counts
    elif isinstance(counts, str) and counts.isascii():
        found = _unpacked(counts.encode())
    else:
        raise ValueError("its runs are neither a list nor a text")
    if not all(isinstance(run, int) and not isinstance(run, bool) and 0 <= run <= _LARGEST for run in found):
        raise ValueError("a run is no whole number, or too long")
    return np.asarray(found, np.int64)


def _unpacked(text: bytes) -> list[int]:
    """Returns runs of which each has 5 bits in a letter, and from the third on is the difference from the one before the last."""
    found: list[int] = []
    value = shift = 0
    for letter in text:
        bits = letter - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("its runs are no packed text")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        value -= (1 << shift) if bits & 16 else 0
        found.append(value + (found[-2] if len(found) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("its runs end in the middle of one")
    return found


def _numbers(
    path: Path, content: Mapping[str, Any], labels: tuple[str, ...] | None
) -> tuple[dict[int, int], int, tuple[str, ...]]:
    """Returns the class of each category, that of the background, and the names of all classes."""
    listed = sorted(rows_of(path, content, "categories", {"id": int, "name": str}), key=lambda entry: entry["id"])
    by_id = {entry["id"]: entry["name"] for entry in listed}
    if not by_id or len(by_id) < len(listed) or len(by_id) >= IGNORED:
        raise DataError(f"{path} has no categories, {IGNORED} or more, or two with one id.", fix=FIX)
    if labels is None:
        objects = [number for number, name in by_id.items() if name.casefold() not in _BACKGROUND]
        numbers = {number: 0 for number in by_id} | {number: place for place, number in enumerate(objects, 1)}
        return numbers, 0, ("background", *(by_id[number] for number in objects))
    background = next((place for place, name in enumerate(labels) if name.casefold() in _BACKGROUND), None)
    if background is None or len(labels) > IGNORED:
        raise DataError(
            f"The labels have no '{_BACKGROUND[0]}', which pixels outside of all objects of {path} need, or are more than {IGNORED}.",
            fix="Name it in the labels file, at its place in the model's order.",
        )
    used = {entry.get("category_id") for entry in content["annotations"] if isinstance(entry, dict)}
    named = [number for number in by_id if number in used]
    places = match_names([by_id[number] for number in named], labels, lambda name: f"The category '{name}' in {path}")
    return dict(zip(named, places, strict=True)), background, labels


def _size(path: Path, file: Path, image: Mapping[str, Any]) -> tuple[int, int]:
    width, height = size_of(file, image)
    if not (width > 0 and height > 0 and width * height <= _LARGEST):
        raise DataError(
            f"The annotations of {file.name} in {path} are for a picture of {width} x {height} pixels.", fix=FIX
        )
    return width, height


def _shapes(
    path: Path, content: Mapping[str, Any], sizes: Mapping[int, tuple[int, int]], numbers: Mapping[int, int]
) -> dict[int, list[Shape]]:
    """Returns the objects of each image, in the order of the file."""
    found: dict[int, list[Shape]] = {number: [] for number in sizes}
    for place, entry in enumerate(rows_of(path, content, "annotations", {"image_id": int, "category_id": int})):
        where = f"The annotation {place} in {path}"
        if entry["image_id"] not in sizes or entry["category_id"] not in numbers:
            raise DataError(f"{where} is of an image or a category that is not listed.", fix=FIX)
        crowd = entry.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise DataError(f"{where} has an 'iscrowd' that is not 0 or 1.", fix=FIX)
        number = None if crowd else numbers[entry["category_id"]]
        try:
            found[entry["image_id"]].append(_shape(entry.get("segmentation"), sizes[entry["image_id"]], number))
        except ValueError as error:
            raise DataError(f"{where} has no outline that can be drawn: {error}.", fix=FIX) from error
    if not any(found.values()):
        raise DataError(f"The annotations at {path} have no objects in {len(found)} pictures.", fix=FIX)
    return found


def _shape(given: Any, size: tuple[int, int], number: int | None) -> Shape:
    if isinstance(given, dict):
        runs = decode_counts(given.get("counts"))
        if given.get("size") != [size[1], size[0]] or int(runs.sum()) != size[0] * size[1]:
            raise ValueError(f"its runs are not for {size[0]} x {size[1]} pixels")
        return Shape(number, (), runs)
    if not isinstance(given, list) or not given:
        raise ValueError("it has no 'segmentation'")
    polygons = tuple(_polygon(one, max(size)) for one in given)
    return Shape(number, polygons, None)


def _polygon(given: Any, side: int) -> NDArray[np.float64]:
    numbers = isinstance(given, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in given)
    if not numbers or len(given) < 6 or len(given) % 2 or not max(map(abs, given)) <= 2 * side:
        raise ValueError("a polygon needs three points or more, x and y in turn, in pixels of the picture")
    return np.asarray(given, np.float64).reshape(-1, 2)
