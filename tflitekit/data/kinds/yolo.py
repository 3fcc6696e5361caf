"""Annotations as YOLO has them: a text file for each picture, with a class and a box in each line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tflitekit.core.errors import DataError, MissingDependencyError, UnreadableError
from tflitekit.core.files import decode_text, is_file, is_folder, read_bytes
from tflitekit.data.boxed import BoxedPictures, Objects, Picture, require_pictures
from tflitekit.data.fence import WITHIN, require_within
from tflitekit.data.image_files import image_names, is_image, size_of_image
from tflitekit.data.kinds import data_kind
from tflitekit.data.names import match_names
from tflitekit.data.samples import some
from tflitekit.data.settings import check_settings

__all__ = ["YoloFolder", "read_labels"]

_FIX = "Write a line for each object: its class (from 0), then center x, center y, width and height as shares of the picture's size."

_LARGEST_SHARE = 2.0
"""Of centers, sides and corners: boxes may reach beyond an edge, but not by the whole picture."""


@data_kind("yolo", takes_settings=True)
def open_yolo(source: Any, *, settings: Mapping[str, str], need_labels: bool, **options: Any) -> YoloFolder | None:
    """Opens a data.yaml, or a folder with one or with images and labels."""
    del need_labels
    if not isinstance(source, str | Path):
        return None
    path = Path(source)
    described = path if path.suffix.lower() in (".yaml", ".yml") and is_file(path) else path / "data.yaml"
    if is_file(described):
        check_settings(str(source), settings, ("split", WITHIN))
        return _by_yaml(described, settings.get("split", "val"), settings.get(WITHIN), options)
    if not all(is_folder(path / name) for name in ("images", "labels")) or not any((path / "labels").rglob("*.txt")):
        return None
    check_settings(str(source), settings, ())
    names = [f"images/{name}" for name in image_names(path / "images", "")]
    return YoloFolder(str(path), path, names, _class_list(path), **options)


def _by_yaml(path: Path, split: str, within: str | None, options: Mapping[str, Any]) -> YoloFolder:
    """Opens a split that a data.yaml names, as a folder, several, or a list of pictures in a text file; all in its folder, or ``within``."""
    content = _yaml(path)
    root = path.parent / str(content.get("path", ""))
    if not is_folder(root):
        root = path.parent
    given = content.get(split)
    if given is None:
        there = [name for name in ("train", "val", "test") if content.get(name)]
        named = f"Name one: {path}:split={' or '.join(there)}."
        raise DataError(
            f"{path} has no split '{split}'.",
            fix=named if there else f"Write one into it, with the folder of its pictures, such as '{split}: images'.",
        )
    parts = [_part(path, root, str(part), within) for part in (given if isinstance(given, list) else [given])]
    names = [name for part in parts for name in _pictures(root, part)]
    require_within(path, path.parent, names, within, base=root)
    found = YoloFolder(str(path), root, names, _class_names(path, content), **options)
    found.beside += (str(path), *(str(part) for part in parts if is_file(part)))
    return found


def _part(path: Path, root: Path, part: str, within: str | None) -> Path:
    """Returns the folder or the list of pictures that an entry of a split means."""
    for place in (root / part.removeprefix("../"), root / part, path.parent / part):  # Roboflow writes ../valid/images
        if is_folder(place) or is_file(place):
            require_within(path, path.parent, [place], within)
            return place
    raise DataError(
        f"{path} names {part}, and there is no such folder or file below {root}.", fix="Correct the data.yaml."
    )


def _pictures(root: Path, place: Path) -> list[str]:
    """Returns the pictures in a folder or a list, below the root."""
    if is_folder(place):
        return [str(_below(root, place / name)) for name in image_names(place, "")]
    lines = decode_text(read_bytes(place), str(place)).splitlines()
    return [str(_below(root, root / line.strip())) for line in lines if line.strip() and is_image(line.strip())]


def _below(root: Path, path: Path) -> Path:
    """Returns a path relative to the root; one elsewhere as it is."""
    return path.relative_to(root) if path.is_relative_to(root) else path.absolute()


def _plain_loader() -> Any:
    """Returns a safe loader of YAML that refuses aliases: a kilobyte of them can stand for gigabytes."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("it has an alias")
            return super().compose_node(parent, index)

    return Loader


def _yaml(path: Path) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingDependencyError(
            f"{path} is read by PyYAML, which is not installed.", fix="Install it with: pip install 'tflitekit[tasks]'"
        ) from error
    try:
        content = yaml.load(decode_text(read_bytes(path, 1 << 20), str(path)), _plain_loader())
    except UnreadableError as error:
        raise DataError(f"{path} cannot be read: {error.reason}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not YAML that can be used: {str(error).splitlines()[0]}.") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path} is no description of data.", fix="It must have names, and val with the folder of pictures."
        )
    return content


def _class_names(path: Path, content: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = content.get("names")
    if isinstance(names, dict):
        names = [names.get(number) for number in range(len(names))]
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise DataError(
            f"The names in {path} are no list, and no object with the numbers from 0.", fix="List the classes in order."
        )
    return tuple(map(str, names))


def _class_list(folder: Path) -> tuple[str, ...] | None:
    """Returns the names in a classes.txt, as tools for labelling leave one."""
    found = [path for path in (folder / "classes.txt", folder / "labels" / "classes.txt") if is_file(path)]
    if not found:
        return None
    lines = decode_text(read_bytes(found[0]), str(found[0])).splitlines()
    return tuple(line.strip() for line in lines if line.strip())


class YoloFolder(BoxedPictures):
    """Pictures and their boxes, by text files: labels/a/b.txt for images/a/b.jpg. A picture without one has no objects.

    Args:
        location: In the user's words.
        root: What the names are below.
        names: Of the pictures.
        classes: Names of the classes, where there are some.
    """

    kind = "yolo"

    def __init__(
        self,
        location: str,
        root: Path,
        names: Sequence[str],
        classes: tuple[str, ...] | None,
        *,
        labels: tuple[str, ...] | None,
        limit: int | None,
        seed: int,
    ) -> None:
        if not names:
            raise DataError(f"There are no images at {location}.", fix="Put them into the folder images.")
        require_pictures(location, root, names, "Correct the list of pictures.")
        numbers = _numbers(location, classes, labels)
        texts = [_label_file(root / name) for name in names]
        without = [name for name, text in zip(names, texts, strict=True) if not is_file(text)]
        if len(without) == len(names):
            raise DataError(
                f"None of the {len(names)} pictures at {location} has a label file, such as {texts[0]}.",
                fix="Put labels/ beside images/.",
            )
        pictures = []
        for name, text in zip(names, texts, strict=True):
            size = size_of_image(root / name)
            pictures.append(Picture(name, size, read_labels(text, size, numbers) if is_file(text) else Objects()))
        self.beside = tuple(str(text) for text in texts if is_file(text))
        notes = _notes(without, {text.parent: (root / name).parent for name, text in zip(names, texts, strict=True)})
        super().__init__(location, root, pictures, classes=labels or classes, notes=notes, limit=limit, seed=seed)


def _notes(without: Sequence[str], folders: Mapping[Path, Path]) -> list[str]:
    """Names the pictures without a label file, and the label files without a picture.

    Args:
        folders: From folders of label files to those of their pictures, which may also have pictures of other splits.
    """
    notes = []
    if without:
        told = (
            "picture has no label file and counts as one"
            if len(without) == 1
            else "pictures have no label file and count as some"
        )
        notes.append(f"{len(without)} {told} without objects: {some(without, 3)}.")
    alone = [str(path) for texts, pictures in sorted(folders.items()) for path in _without_picture(texts, pictures)]
    if alone:
        told = "label file has" if len(alone) == 1 else "label files have"
        notes.append(f"{len(alone)} {told} no picture: {some(alone, 3)}.")
    return notes


def _without_picture(texts: Path, pictures: Path) -> list[Path]:
    stems = {path.stem for path in pictures.iterdir() if is_image(path.name)} | {"classes"}
    return sorted(path for path in texts.glob("*.txt") if path.stem not in stems)


def _numbers(location: str, classes: tuple[str, ...] | None, labels: tuple[str, ...] | None) -> Sequence[int] | None:
    """Returns the class of each number in label files; None where numbers are classes, however many there are."""
    if labels is None:
        return None if classes is None else range(len(classes))
    if classes is None:
        return range(len(labels))
    return match_names(classes, labels, lambda name: f"The class '{name}' at {location}")


def _label_file(picture: Path) -> Path:
    """Returns the text file of a picture: its last folder 'images' becomes 'labels'."""
    parts = list(picture.parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def read_labels(path: Path, size: tuple[int, int], numbers: Sequence[int] | None) -> Objects:
    """Reads a text file; outlines become the boxes around them.

    Raises:
        DataError: A line is none of an object, boxes and outlines are mixed, or there is no class of a number.
    """
    found, kinds = Objects(), set()
    try:
        lines = decode_text(read_bytes(path), str(path)).splitlines()
    except UnreadableError as error:
        raise DataError(f"The labels at {path} cannot be read: {error.reason}.", fix=_FIX) from error
    for place, line in enumerate(lines, start=1):
        parts = line.split()
        if not parts:
            continue
        kinds.add(len(parts) == 5)
        values = _values(parts)
        if values is None or len(kinds) > 1:
            why = None if values is None else "Boxes have five numbers, outlines of masks an odd number from seven on."
            told = "is no object" if values is None else "mixes boxes and outlines of masks"
            raise DataError(f"Line {place} of {path} {told}: '{line.strip()[:60]}'.", why=why, fix=_FIX)
        if max(values[1:]) > _LARGEST_SHARE:
            raise DataError(
                f"Line {place} of {path} counts in pixels, not in shares of the picture: '{line.strip()[:60]}'.",
                fix=_FIX,
            )
        number = int(values[0])
        if numbers is not None and number >= len(numbers):
            raise DataError(
                f"Line {place} of {path} is of the class {number}, and there are {len(numbers)} classes (from 0).",
                fix="Correct it, or the list of classes.",
            )
        found.add(_box(values[1:], size), number if numbers is None else numbers[number])
    return found


def _values(parts: Sequence[str]) -> list[float] | None:
    """Returns the numbers of a line; None where it is no object."""
    try:
        values = [float(part) for part in parts]
    except ValueError:
        return None
    whole = values[0] >= 0 and values[0] == int(values[0]) if math.isfinite(values[0]) else False
    fits = len(values) == 5 or (len(values) >= 7 and len(values) % 2 == 1)
    return values if whole and values[0] < 32000 and fits and all(map(math.isfinite, values)) else None


def _box(values: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    width, height = size
    if len(values) == 4:
        x, y, w, h = values
        return (x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height
    xs, ys = values[0::2], values[1::2]
    return min(xs) * width, min(ys) * height, max(xs) * width, max(ys) * height
