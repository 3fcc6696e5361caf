"""Annotations as Pascal VOC has them: a folder with an XML file for each picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tflitekit.core.errors import DataError, UnreadableError
from tflitekit.core.files import decode_text, is_file, is_folder, read_bytes, require_inside
from tflitekit.data.boxed import BoxedPictures, Objects, Picture, aside, require_pictures
from tflitekit.data.image_files import size_of_image
from tflitekit.data.kinds import data_kind
from tflitekit.data.names import match_names
from tflitekit.data.settings import check_settings

__all__ = ["VocFolder", "read_annotations"]

_LIMIT_BYTES = 16 << 20


@data_kind("voc", takes_settings=True)
def open_voc(source: Any, *, settings: Mapping[str, str], need_labels: bool, **options: Any) -> VocFolder | None:
    """Opens a folder with Annotations and JPEGImages."""
    del need_labels
    if not isinstance(source, str | Path) or not all(
        is_folder(Path(source) / name) for name in ("Annotations", "JPEGImages")
    ):
        return None
    check_settings(str(source), settings, ("split",))
    return VocFolder(Path(source), settings.get("split"), **options)


class VocFolder(BoxedPictures):
    """Pictures and their boxes, by XML files.

    Objects that are marked as difficult count neither way, as in the challenge itself.

    Args:
        folder: With Annotations, JPEGImages and, for splits, ImageSets/Main.
        split: Name of a list of pictures there; None for all that have annotations.
    """

    kind = "voc"

    def __init__(
        self, folder: Path, split: str | None, *, labels: tuple[str, ...] | None, limit: int | None, seed: int
    ) -> None:
        stems = (
            sorted(path.stem for path in (folder / "Annotations").glob("*.xml"))
            if split is None
            else _listed(folder, split)
        )
        if not stems:
            raise DataError(f"There are no XML files in {folder / 'Annotations'}.", fix="Give one for each picture.")
        found = [read_annotations(folder / "Annotations" / f"{stem}.xml") for stem in stems]
        names = [_picture(folder, stem, given) for stem, (given, _, _) in zip(stems, found, strict=True)]
        root = folder / "JPEGImages"
        require_pictures(str(folder), root, names, "Put them there, or remove their XML files.")
        known = sorted({name for _, _, objects in found for name, _, _ in objects})
        places = range(len(known))
        if labels is not None:
            places = match_names(known, labels, lambda name: f"The object '{name}' at {folder}")  # type: ignore[assignment]
        numbers = dict(zip(known, places, strict=True))
        pictures = []
        for name, (_, size, objects) in zip(names, found, strict=True):
            own = Objects()
            for label, box, difficult in objects:
                own.add(box, numbers[label], difficult=difficult)
            pictures.append(Picture(name, size or size_of_image(root / name), own))
        notes = list(aside(root, names, "without an XML file") if split is None else ())
        if labels is None and len(known) > 1:
            notes.append(
                f"Annotations of Pascal VOC do not number classes: the {len(known)} names at {folder} count in sorted order "
                f"({', '.join(known[:3])}{', ...' if len(known) > 3 else ''}), from 0. --labels FILE gives the model's order."
            )
        super().__init__(
            str(folder), root, pictures, classes=labels or tuple(known), notes=notes, limit=limit, seed=seed
        )


def _listed(folder: Path, split: str) -> list[str]:
    """Returns the names of pictures in a list of ImageSets/Main."""
    path = folder / "ImageSets" / "Main" / f"{split}.txt"
    try:
        lines = decode_text(read_bytes(path), str(path)).splitlines()
    except UnreadableError as error:
        there = sorted(p.stem for p in path.parent.glob("*.txt"))
        raise DataError(
            f"The split '{split}' of {folder} cannot be read: {error.reason}.",
            fix=f"There are: {', '.join(there) or 'none'}.",
        ) from error
    stems = [line.split()[0] for line in lines if line.strip()]
    try:
        return [require_inside(stem) for stem in stems]
    except ValueError as error:
        raise DataError(f"The list {path} names a picture elsewhere: {error}.", fix="Correct the list.") from error


def _picture(folder: Path, stem: str, given: str | None) -> str:
    """Returns the name of a picture: the one that the XML file gives, if it is there, else that of the XML file itself."""
    root = folder / "JPEGImages"
    inside = given if given is not None and Path(given).name == given else None
    if inside is not None and is_file(root / inside):
        return inside
    return next(
        (name for name in (f"{stem}.jpg", f"{stem}.jpeg", f"{stem}.png") if is_file(root / name)), f"{stem}.jpg"
    )


class _Builder(ElementTree.TreeBuilder):
    """Refuses declarations of types, with which XML defines entities that grow or name files."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise ValueError(f"it declares a type of document ({name}), as annotations never do")


_Found = tuple[str | None, tuple[int, int] | None, list[tuple[str, tuple[float, float, float, float], bool]]]


def read_annotations(path: Path) -> _Found:
    """Returns the picture's name, its size, and its objects: class, left, top, right and bottom, difficult.

    VOC counts pixels from 1 and includes the last one.
    """
    try:
        root = ElementTree.fromstring(read_bytes(path, _LIMIT_BYTES), ElementTree.XMLParser(target=_Builder()))
        objects = [_object(one) for one in root.iter("object")]
        size = root.find("size")
        shape = None if size is None else (int(_number(size, "width")), int(_number(size, "height")))
    except UnreadableError as error:
        raise DataError(f"The annotations at {path} cannot be read: {error.reason}.") from error
    except (ElementTree.ParseError, ValueError, OverflowError, LookupError) as error:
        raise DataError(
            f"The annotations at {path} cannot be read: {error}.",
            fix="Give XML as Pascal VOC has it: object with name and bndbox (xmin, ymin, xmax, ymax).",
        ) from error
    return root.findtext("filename"), shape if shape is not None and min(shape) > 0 else None, objects


def _object(one: ElementTree.Element) -> tuple[str, tuple[float, float, float, float], bool]:
    name, box = (one.findtext("name") or "").strip(), one.find("bndbox")
    if not name or box is None:
        raise ValueError("an object has no name or no bndbox")
    left, top, right, bottom = (_number(box, edge) for edge in ("xmin", "ymin", "xmax", "ymax"))
    return (
        name,
        (max(0.0, left - 1), max(0.0, top - 1), right, bottom),
        (one.findtext("difficult") or "0").strip() == "1",
    )


def _number(parent: ElementTree.Element, name: str) -> float:
    text = parent.findtext(name)
    if text is None:
        raise ValueError(f"{parent.tag} has no {name}")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is '{text.strip()[:60]}', no number")
    return value
