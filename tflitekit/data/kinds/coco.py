"""Annotations as COCO has them: one JSON file with images, boxes and categories."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tflitekit.core.errors import DataError, UnreadableError, UsageError
from tflitekit.core.files import is_file
from tflitekit.core.structured import read_json
from tflitekit.data.boxed import BoxedPictures, Objects, Picture, aside, require_pictures
from tflitekit.data.fence import WITHIN, require_within
from tflitekit.data.image_files import size_of_image
from tflitekit.data.kinds import data_kind
from tflitekit.data.names import match_names
from tflitekit.data.settings import check_settings

__all__ = ["FIX", "IDS", "CocoFile", "find_coco", "images_of", "root_of", "rows_of", "size_of"]

_LIMIT_BYTES = 1 << 30
_LOOKED_FOR = 20
_FILES = ("annotations.json", "_annotations.coco.json")
IDS = {
    "order": "in the order of their ids",
    "category": "by their ids",
    "category-1": "by their ids less one, as in TensorFlow's detectors",
}
FIX = "Give annotations as COCO has them: https://cocodataset.org/#format-data."


@data_kind("coco", takes_settings=True)
def open_coco(source: Any, *, settings: Mapping[str, str], need_labels: bool, **options: Any) -> CocoFile | None:
    """Opens a .json file with images and annotations, or a folder with an annotations.json."""
    del need_labels  # there always are some
    found = find_coco(source) if "as" not in settings else None
    if found is None:
        return None
    check_settings(str(source), settings, ("images", "ids", WITHIN, "as"))
    return CocoFile(*found, settings, **options)


def find_coco(source: Any) -> tuple[Path, Mapping[str, Any]] | None:
    """Returns the file of annotations and what it holds; None where there is none."""
    if not isinstance(source, str | Path):
        return None
    path = Path(source)
    found = [path / name for name in _FILES if is_file(path / name)] if path.is_dir() else [path] * is_file(path)
    if len(found) != 1 or found[0].suffix.lower() != ".json":
        return None
    try:
        content = read_json(found[0], limit_bytes=_LIMIT_BYTES)
    except UnreadableError as error:
        raise DataError(f"The annotations at {found[0]} cannot be read: {error.reason}.", fix=FIX) from error
    if not isinstance(content, dict) or not {"images", "annotations"} <= set(content):
        return None
    return found[0], content


class CocoFile(BoxedPictures):
    """Pictures and their boxes, by a file of annotations.

    Args:
        path: The file.
        content: What it holds.
        settings: 'images', the folder of the pictures; 'ids', which number a category is; 'within', where else pictures may lie.
    """

    kind = "coco"

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
        numbers, classes = _classes(path, content, settings.get("ids", "order"), labels)
        objects = _objects(path, content, set(images), numbers)
        names = [image["file_name"] for image in images.values()]
        root = root_of(path, names, settings)
        pictures = [
            Picture(name, size_of(root / name, image), objects[number])
            for name, (number, image) in zip(names, images.items(), strict=True)
        ]
        notes = aside(root, names, f"not named in {path.name}")
        super().__init__(str(path), root, pictures, classes=classes, notes=notes, limit=limit, seed=seed)
        if labels is None:
            self.numberings = {f"{path}:ids={ids}": other for ids, other in _other_numbers(numbers).items()}


def images_of(path: Path, content: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """Returns the images of a file by id.

    Raises:
        DataError: One of them has no id or name, or stands there twice.
    """
    listed = rows_of(path, content, "images", {"id": int, "file_name": str})
    images = {image["id"]: image for image in listed}
    if len(images) < len(listed):
        raise DataError(f"{path} lists two images with one id.", fix=FIX)
    twice = [name for name, count in Counter(image["file_name"] for image in listed).items() if count > 1]
    if twice:
        raise DataError(f"{path} lists the image {twice[0]} more than once, with different ids.", fix=FIX)
    return images


def rows_of(
    path: Path, content: Mapping[str, Any], key: str, wanted: Mapping[str, type]
) -> Sequence[Mapping[str, Any]]:
    """Returns a list of the file whose entries have fields of some types."""
    entries = content.get(key)
    if not isinstance(entries, list):
        raise DataError(f"{path} has no list of {key}.", fix=FIX)
    for place, entry in enumerate(entries):
        for name, kind in wanted.items():
            value = entry.get(name) if isinstance(entry, dict) else None
            if not isinstance(value, kind) or isinstance(value, bool):
                raise DataError(
                    f"The entry {place} of {key} in {path} has no '{name}' that is {_KINDS[kind]}.", fix=FIX
                )
    return entries


_KINDS = {int: "a whole number", str: "a text", list: "a list"}


def _classes(
    path: Path, content: Mapping[str, Any], ids: str, labels: tuple[str, ...] | None
) -> tuple[dict[int, int], tuple[str, ...]]:
    """Returns the class of each category, and the names of all classes."""
    if ids not in IDS:
        shown = "; ".join(f"{name}: {meaning}" for name, meaning in IDS.items())
        raise UsageError(
            f"The setting ids={ids} says nothing of categories.", fix=f"Categories are numbered as it says: {shown}."
        )
    entries = rows_of(path, content, "categories", {"id": int, "name": str})
    by_id = {entry["id"]: entry["name"] for entry in sorted(entries, key=lambda entry: entry["id"])}
    if len(by_id) < len(entries):
        raise DataError(f"{path} lists two categories with one id.", fix=FIX)
    if not by_id or min(by_id) < 0 or max(by_id) > 32000:
        raise DataError(f"{path} has no categories, or some whose ids are below 0 or above 32000.", fix=FIX)
    if labels is not None:
        used = {entry.get("category_id") for entry in content["annotations"] if isinstance(entry, dict)}
        named = [number for number in by_id if number in used]
        places = match_names(
            [by_id[number] for number in named], labels, lambda name: f"The category '{name}' in {path}"
        )
        return dict(zip(named, places, strict=True)), labels
    if ids == "order":
        return {number: place for place, number in enumerate(by_id)}, tuple(by_id.values())
    first = int(ids == "category-1")
    if min(by_id) < first:
        raise DataError(
            f"{path} has a category with the id 0, which ids=category-1 cannot have.", fix="Give ids=category."
        )
    named_all = tuple(
        by_id.get(number + first, f"(no category {number + first})") for number in range(max(by_id) + 1 - first)
    )
    return {number: number - first for number in by_id}, named_all


def _other_numbers(numbers: Mapping[int, int]) -> dict[str, dict[int, int]]:
    """Returns the classes that categories would be under each setting that numbers them otherwise, by the class that they are."""
    ranks = {category: place for place, category in enumerate(sorted(numbers))}
    others = {
        "order": {number: ranks[category] for category, number in numbers.items()},
        "category": {number: category for category, number in numbers.items()},
        "category-1": {number: category - 1 for category, number in numbers.items()},
    }
    return {
        ids: other
        for ids, other in others.items()
        if min(other.values()) >= 0 and any(a != b for a, b in other.items())
    }


def _objects(
    path: Path, content: Mapping[str, Any], images: set[int], numbers: Mapping[int, int]
) -> dict[int, Objects]:
    """Returns the objects of each image."""
    found = {image: Objects() for image in images}
    entries = rows_of(path, content, "annotations", {"image_id": int, "category_id": int, "bbox": list})
    strangers = [entry["image_id"] for entry in entries if entry["image_id"] not in images]
    if strangers:
        raise DataError(
            f"{len(strangers)} of {len(entries)} annotations in {path} are of images that it does not list, such as {strangers[0]}.",
            fix=FIX,
        )
    for place, entry in enumerate(entries):
        box, area = entry["bbox"], entry.get("area", math.nan)
        if len(box) != 4 or not all(_is_number(value) for value in (*box, area)):
            raise DataError(
                f"The annotation {place} in {path} has no 'bbox' of four numbers, or an 'area' that is none.", fix=FIX
            )
        if area < 0 or entry.get("iscrowd", 0) not in (0, 1):
            raise DataError(
                f"The annotation {place} in {path} has an 'area' below 0, or an 'iscrowd' that is not 0 or 1.", fix=FIX
            )
        if entry["category_id"] not in numbers:
            raise DataError(
                f"The annotation {place} in {path} is of the category {entry['category_id']}, which is not listed.",
                fix=FIX,
            )
        left, top, width, height = map(float, box)
        found[entry["image_id"]].add(
            (left, top, left + width, top + height),
            numbers[entry["category_id"]],
            crowd=bool(entry.get("iscrowd", 0)),
            area=float(area),
        )
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def size_of(file: Path, image: Mapping[str, Any]) -> tuple[int, int]:
    """Returns width and height that annotations are for; those of the picture where they do not say."""
    width, height = image.get("width"), image.get("height")
    if all(isinstance(side, int) and not isinstance(side, bool) for side in (width, height)):
        return width, height  # type: ignore[return-value]
    return size_of_image(file)


def root_of(path: Path, names: Sequence[str], settings: Mapping[str, str]) -> Path:
    """Returns the folder of the images, which are all there: the one that is named, else that beside the file where most of the first ones lie.

    Raises:
        DataError: Some are not, or lie elsewhere than they may.
    """
    root = _root(path, names, settings.get("images"))
    require_within(path, root, names, settings.get(WITHIN))
    require_pictures(str(path), root, names, f"Name their folder: {path}:images=FOLDER.")
    return root


def _root(path: Path, names: Sequence[str], given: str | None) -> Path:
    if given is not None:
        return Path(given) if Path(given).is_absolute() or Path(given).is_dir() else path.parent / given
    split = path.stem.rpartition("_")[2]  # instances_val2017.json lies in annotations/, beside val2017/
    above = path.parent.parent
    places = (path.parent, path.parent / "images", above / split, above / "images" / split, above / "images", above)
    first = names[:_LOOKED_FOR]
    return max(places, key=lambda place: sum(is_file(place / name) for name in first))
