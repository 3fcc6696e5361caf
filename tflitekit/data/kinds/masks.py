"""Pictures with a mask each: folders ``images`` and ``masks``, and the segmentation of Pascal VOC."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tflitekit.core.errors import DataError, UnreadableError, UsageError
from tflitekit.core.files import decode_text, is_file, is_folder, open_file, read_bytes
from tflitekit.data.annotations import Mask
from tflitekit.data.color_maps import COLOR_FILES, IGNORED, ColorMap, find_color_map, read_color_map
from tflitekit.data.image_files import decode_annotated, decode_image, image_names, size_of_image
from tflitekit.data.kinds import data_kind
from tflitekit.data.samples import Dataset, Sample, UnreadableSampleError, balanced, file_content, some
from tflitekit.data.settings import check_settings, whole_number_of

__all__ = ["MaskFolder"]

_FOLDERS = (("images", "masks"), ("JPEGImages", "SegmentationClass"))
_VOC = _FOLDERS[1]
_SUFFIXES = ("", "_mask")
_LOSSY = ("JPEG", "MPO")
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


class _Place(NamedTuple):
    """Where pictures and masks lie."""

    root: Path
    images: str
    masks: str

    @property
    def is_voc(self) -> bool:
        return (self.images, self.masks) == _VOC


@data_kind("masks", takes_settings=True)
def open_masks(source: Any, *, settings: Mapping[str, str], **options: Any) -> MaskFolder | None:
    """Opens a folder with ``images`` and ``masks``, or Pascal VOC's ``JPEGImages`` and ``SegmentationClass``, the latter also alone."""
    if not isinstance(source, str | Path):
        return None
    path = Path(source)
    if path.name == _VOC[1] and is_folder(path) and is_folder(path.parent / _VOC[0]):
        return MaskFolder(_Place(path.parent, *_VOC), settings, **options)
    for images, masks in _FOLDERS:
        if is_folder(path / images) and is_folder(path / masks):
            return MaskFolder(_Place(path, images, masks), settings, **options)
    return None


class MaskFolder(Dataset):
    """Pictures, each with a mask of its own size that has the same name; upright, unless the mask has the size of the stored pixels."""

    kind = "masks"
    pictures = True
    upright = True

    def __init__(
        self,
        place: _Place,
        settings: Mapping[str, str],
        *,
        labels: tuple[str, ...] | None,
        limit: int | None,
        seed: int,
        need_labels: bool,
    ) -> None:
        del need_labels  # each picture has its mask
        check_settings(str(place.root), settings, ("colors", "split", "ignore"))
        given = whole_number_of(settings, "ignore", first=0)
        self._ignore = IGNORED if given is None and place.is_voc else given
        self._place = place
        pairs = _pairs(place, settings.get("split"))
        colors = _color_map(place, settings.get("colors"), labels)
        super().__init__(str(place.root), classes=labels or (colors.names if colors is not None else None))
        self._colors = colors
        if limit is not None:
            self.available, self.seed = len(pairs), seed
            pairs = [pairs[index] for index in balanced([None] * len(pairs), limit, seed)]
        self._pairs = pairs
        self.beside = tuple(os.path.join(place.root, mask) for _, mask in pairs)  # noqa: PTH118

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Sample]:
        return self.pick(range(len(self)))

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        """Yields the samples at some positions, in any order."""
        for position in positions:
            image, mask = (os.path.join(self._place.root, name) for name in self._pairs[position])  # noqa: PTH118
            ignore = IGNORED if self._ignore is None and self._colors is not None else self._ignore
            label = Mask(functools.partial(_classes, mask, self._colors), self._pairs[position][1], ignore)
            yield Sample(self._pairs[position][0], label, functools.partial(_picture, image, mask), image)

    def fingerprint(self) -> str:
        colors = None if self._colors is None else (self._colors.names, self._colors.numbers)
        digest = hashlib.sha256(f"{colors}{self._ignore}".encode())
        for name in (name for pair in self._pairs for name in pair):
            content = file_content(os.path.join(self._place.root, name))  # noqa: PTH118
            digest.update(f"{name}\0".encode(errors="surrogateescape") + content)
        return digest.hexdigest()

    def check_values(self) -> None:
        """Raises `DataError` where a mask is not of its picture's size; only the heads of files are read."""
        for pair in self._pairs:
            try:
                image, mask = (_size(self._place.root / name) for name in pair)
                turned = size_of_image(self._place.root / pair[0])
            except (OSError, Image.DecompressionBombError, DataError, UnreadableError):  # told when it is decoded
                continue
            if mask not in (image, turned):
                raise DataError(
                    f"The mask {pair[1]} has {mask[0]} x {mask[1]} pixels, and its picture {pair[0]} {image[0]} x {image[1]}.",
                    fix="Give each picture a mask of its own size.",
                )


def _by_stem(root: Path, part: str) -> dict[str, str]:
    """Returns the names of pictures by what they share with their masks."""
    found: dict[str, str] = {}
    for name in image_names(root, part):
        other = found.setdefault(_stem(name), name)
        if other != name:
            raise DataError(
                f"The pictures {other} and {name} at {root} have one name, so nothing tells which one a mask belongs to.",
                fix="Rename one of them, and its mask.",
            )
    return found


def _pairs(place: _Place, split: str | None) -> list[tuple[str, str]]:
    """Returns the names of pictures and their masks, below the root.

    Raises:
        DataError: There are none, or a picture has no mask, or a mask no picture. In Pascal VOC's folders pictures may be without.
        UsageError: There is no such split.
    """
    images, masks = (_by_stem(place.root, part) for part in (place.images, place.masks))
    if not masks:
        raise DataError(f"The folder {place.root / place.masks} has no masks.", fix="Give a PNG for each picture.")
    by_picture = {stem: masks[stem + end] for end in reversed(_SUFFIXES) for stem in images if stem + end in masks}
    wanted = set(by_picture) if split is None else _split(place, split)
    lost = sorted((images.keys() | wanted if not place.is_voc else wanted) - by_picture.keys())
    if lost:
        raise DataError(
            f"{_counted(lost, 'picture')} in {place.root / place.images} {'has' if len(lost) == 1 else 'have'} no mask in "
            f"{place.root / place.masks}: {some(lost, 3)}.",
            fix="Give each picture a mask with the same name, or remove it.",
        )
    used = set(by_picture.values())
    alone = sorted(name for name in masks.values() if name not in used)
    if alone:
        raise DataError(
            f"{_counted(alone, 'mask')} {'has' if len(alone) == 1 else 'have'} no picture in {place.root / place.images}: {some(alone, 3)}.",
            fix="Give the pictures with the same names, or remove the masks.",
        )
    return [(images[stem], by_picture[stem]) for stem in sorted(wanted)]


def _stem(name: str) -> str:
    """Returns a picture's name below its own folder, without suffix."""
    return os.path.splitext(name)[0].split(os.sep, 1)[-1]  # noqa: PTH122


def _counted(names: Sequence[str], noun: str) -> str:
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}"


def _split(place: _Place, split: str) -> set[str]:
    """Returns the names that Pascal VOC lists for a split."""
    folder = place.root / "ImageSets" / "Segmentation"
    path = folder / f"{split}.txt"
    if not is_file(path):
        known = sorted(found.stem for found in folder.glob("*.txt")) if is_folder(folder) else []
        raise UsageError(
            f"There is no split '{split}' of the data at {place.root}.",
            fix=f"Splits: {', '.join(known)}." if known else f"It would be {path}.",
        )
    try:
        return set(decode_text(read_bytes(path), str(path)).split())
    except UnreadableError as error:
        raise DataError(f"{path} cannot be read: {error.reason}.", fix=error.fix) from error


def _color_map(place: _Place, given: str | None, labels: tuple[str, ...] | None) -> ColorMap | None:
    if given is not None:
        return read_color_map(Path(given), labels)
    return find_color_map((place.root, place.root / place.masks), labels)


def _size(path: Path) -> tuple[int, int]:
    with open_file(path) as stream, Image.open(stream) as image:
        return image.size


def _picture(path: str, mask: str) -> Image.Image:
    try:
        size = _size(Path(mask))
    except Exception:  # noqa: BLE001 - told when the mask is decoded
        size = None
    return decode_annotated(path, size)


def _classes(path: str, colors: ColorMap | None) -> NDArray[Any]:
    """Returns the classes of a mask: the numbers of its pixels, by palette or grey, or those of their colors.

    Raises:
        DataError: It cannot be read, was saved with loss, or has colors and there is no color map.
    """
    try:
        image = decode_image(path)
    except UnreadableSampleError as error:
        raise DataError(
            f"The mask {path} cannot be read: {error}.", fix="Repair it, or remove it and its picture."
        ) from error
    if image.format in _LOSSY or (image.mode not in _MODES and not image.mode.startswith("I")):
        raise DataError(
            f"The mask {path} is {'a JPEG, which changes numbers near borders' if image.format in _LOSSY else f'of the mode {image.mode}, which holds no numbers of classes'}.",
            fix="Save masks without loss, as PNG of whole numbers.",
        )
    if image.mode in ("RGB", "RGBA") and colors is None:
        raise DataError(
            f"The mask {path} has colors, and there is no color map that tells their classes.",
            fix=f"Put one beside the folders ({', '.join(COLOR_FILES)}), or name it: DATA:colors=FILE. "
            'As JSON: {"road": [128, 64, 128]}.',
        )
    if colors is not None and (image.mode in ("P", "RGB", "RGBA") or (image.mode == "L" and colors.has_greys)):
        return colors.classes(np.asarray(image.convert("RGB")), path)
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    return np.asarray(image if image.mode in ("P", "L") or image.mode.startswith("I") else image.convert("L"))
