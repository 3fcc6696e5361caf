"""Pictures with boxes around their objects: what all kinds of annotations have in common."""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tflitekit.core.errors import DataError
from tflitekit.core.files import is_file
from tflitekit.core.units import counted
from tflitekit.data.annotations import Boxes
from tflitekit.data.image_files import decode_annotated, image_names
from tflitekit.data.samples import MAX_UNREADABLE, Dataset, Sample, UnreadableSampleError, balanced, file_content, some

__all__ = ["BoxedPictures", "Objects", "Picture", "aside", "require_pictures"]

_NEAR = 1.0
"""Pixels that boxes may reach beyond a picture's edge: annotations are rounded."""

_FARTHEST = 1e9
_LARGEST = 1 << 20


@dataclass
class Objects:
    """The objects of one picture, as they are read.

    Attributes:
        xyxy: Left, top, right and bottom in pixels, one after the other.
        classes: One number each.
        crowd: Whether each one is around a group, and neither has to be found nor counts as wrong when it is.
        areas: In pixels, NaN for that of the box.
        difficult: Whether each one is a single object of which the same holds.
    """

    xyxy: list[tuple[float, float, float, float]] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    areas: list[float] = field(default_factory=list)
    difficult: list[bool] = field(default_factory=list)

    def add(
        self,
        box: tuple[float, float, float, float],
        number: int,
        *,
        crowd: bool = False,
        area: float = math.nan,
        difficult: bool = False,
    ) -> None:
        """Adds an object."""
        self.xyxy.append(box)
        self.classes.append(number)
        self.crowd.append(crowd)
        self.areas.append(area)
        self.difficult.append(difficult)

    def take(self, other: Objects, place: int) -> None:
        """Adds an object of others."""
        for one in fields(self):
            getattr(self, one.name).append(getattr(other, one.name)[place])


@dataclass(frozen=True)
class Picture:
    """A picture and what is annotated there.

    Attributes:
        name: Its path below the folder of pictures.
        size: Width and height that the annotations are for.
    """

    name: str
    size: tuple[int, int]
    objects: Objects


class BoxedPictures(Dataset):
    """Pictures whose labels are `Boxes`; upright, unless the size that annotations are for is that of the stored pixels.

    Args:
        location: Where the data come from, in the user's words.
        root: The folder that the pictures' names are below.
        pictures: In the order of the samples; all exist.
        classes: Class names in label order, where the data have names.
        notes: What was not taken, in sentences.
        limit: A seeded sample of this many.

    Raises:
        DataError: There are no pictures or objects, or more than 1 % of the boxes are outside of their pictures or without area.
    """

    pictures = True
    upright = True

    def __init__(
        self,
        location: str,
        root: Path,
        pictures: Sequence[Picture],
        *,
        classes: tuple[str, ...] | None,
        notes: Iterable[str] = (),
        limit: int | None,
        seed: int,
    ) -> None:
        super().__init__(location, classes=classes)
        self._root = str(root)
        kept, unusable, beyond = _checked(pictures)
        self.notes = (*notes, *_told(location, unusable, beyond, sum(len(one.objects.classes) for one in pictures)))
        if not any(one.objects.classes for one in kept):
            raise DataError(
                f"The annotations at {location} have no objects in {len(kept)} pictures.",
                fix="Give annotations with at least one box.",
            )
        if limit is not None:
            self.available, self.seed = len(kept), seed
            kept = [kept[index] for index in balanced([None] * len(kept), limit, seed)]
        self._names = [one.name for one in kept]
        self._sizes = np.asarray([one.size for one in kept], np.int32).reshape(-1, 2)
        self._ends = np.cumsum([len(one.objects.classes) for one in kept])
        self._xyxy = _joined(kept, "xyxy", np.float32).reshape(-1, 4)
        self._class_of = _joined(kept, "classes", np.int32)
        self._crowd = _joined(kept, "crowd", np.bool_)
        self._difficult = _joined(kept, "difficult", np.bool_)
        areas = _joined(kept, "areas", np.float32)
        sides = self._xyxy[:, 2:] - self._xyxy[:, :2]
        self._areas = np.where(np.isnan(areas), sides[:, 0] * sides[:, 1], areas)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Sample]:
        return self.pick(range(len(self)))

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        """Yields the samples at some positions, in any order."""
        for position in positions:
            name = self._names[position]
            path = os.path.join(self._root, name)  # noqa: PTH118
            width, height = self._sizes[position].tolist()
            yield Sample(name, self._label(position), functools.partial(_decode, path, (width, height)), path)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for values in (self._sizes, self._ends, self._xyxy, self._class_of, self._crowd, self._areas, self._difficult):
            digest.update(values.tobytes())
        for name in self._names:
            content = file_content(os.path.join(self._root, name))  # noqa: PTH118
            digest.update(f"{name}\0".encode(errors="surrogateescape") + content)
        return digest.hexdigest()

    def largest_label(self) -> int | None:
        largest = int(self._class_of.max(initial=-1))  # pictures that were drawn may have no objects
        return None if largest < 0 else largest

    def _label(self, position: int) -> Boxes:
        part = slice(int(self._ends[position - 1]) if position else 0, int(self._ends[position]))
        return Boxes(
            self._xyxy[part],
            self._class_of[part],
            crowd=self._crowd[part],
            areas=self._areas[part],
            difficult=self._difficult[part],
        )


def require_pictures(location: str, root: Path, names: Sequence[str], fix: str) -> None:
    """Raises `DataError` where annotated pictures do not exist."""
    there = set(image_names(root, "")) if names else set()
    missing = [name for name in names if os.path.normpath(name) not in there and not is_file(root / name)]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(names)} annotated pictures at {location} are not in {root}: {some(missing, 3)}.",
            fix=fix,
        )


def aside(root: Path, names: Sequence[str], reason: str) -> tuple[str, ...]:
    """Names the pictures of a folder that have no annotations."""
    others = sorted(set(image_names(root, "")) - {os.path.normpath(name) for name in names})
    if not others:
        return ()
    return (
        f"{len(others)} picture{'s' if len(others) > 1 else ''} in {root} {reason} and not evaluated: {some(others, 3)}.",
    )


def _joined(pictures: Sequence[Picture], name: str, dtype: Any) -> NDArray[Any]:
    return np.asarray([value for one in pictures for value in getattr(one.objects, name)], dtype)


def _decode(path: str, size: tuple[int, int]) -> Image.Image:
    image = decode_annotated(path, size)
    if image.size != size:
        shown = [" x ".join(map(str, one)) for one in (image.size, size)]
        raise UnreadableSampleError(f"the picture has {shown[0]} pixels, and its annotations are for {shown[1]}")
    return image


def _checked(pictures: Sequence[Picture]) -> tuple[list[Picture], list[str], list[str]]:
    """Returns the pictures with the boxes that can be found, and which cannot, and which reach beyond the edge of their picture."""
    kept, unusable, beyond = [], [], []
    for one in pictures:
        width, height = one.size
        if not (0 < width < _LARGEST and 0 < height < _LARGEST):
            raise DataError(
                f"The annotations of {one.name} are for a picture of {width} x {height} pixels.",
                fix="Correct width and height.",
            )
        usable = Objects()
        for index, box in enumerate(one.objects.xyxy):
            left, top, right, bottom = box
            place = f"{one.name} ({left:g}, {top:g}, {right:g}, {bottom:g})"
            if max(map(abs, box)) > _FARTHEST or not (
                left < right and top < bottom and left < width and top < height and right > 0 and bottom > 0
            ):
                unusable.append(place)
                continue
            if left < -_NEAR or top < -_NEAR or right > width + _NEAR or bottom > height + _NEAR:
                beyond.append(place)
            usable.take(one.objects, index)
        kept.append(Picture(one.name, one.size, usable))
    return kept, unusable, beyond


def _told(location: str, unusable: list[str], beyond: list[str], total: int) -> list[str]:
    """Returns what there is to say of boxes, or refuses them."""
    told = []
    if unusable:
        what = (
            f"{len(unusable)} of {counted(total, 'box', 'boxes')} at {location} are outside of their pictures or without area "
            f"(left, top, right, bottom): {some(unusable, 3)}"
        )
        if len(unusable) > MAX_UNREADABLE * total:
            raise DataError(f"{what}.", why=f"That is more than {MAX_UNREADABLE:.0%}.", fix="Correct the annotations.")
        told.append(f"{what}; they are left out.")
    if beyond:
        told.append(
            f"{len(beyond)} of {counted(total, 'box', 'boxes')} at {location} reach beyond the edges of their pictures "
            f"(left, top, right, bottom): {some(beyond, 3)}; they are taken as they are annotated."
        )
    return told
