"""Color maps: which color stands for which class in the masks of a data set."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import DataError, UnreadableError
from tflitekit.core.files import decode_text, is_file, read_bytes, shortened
from tflitekit.core.structured import parse_json
from tflitekit.data.names import match_names

__all__ = ["COLOR_FILES", "IGNORED", "ColorMap", "find_color_map", "read_color_map"]

COLOR_FILES = ("colors.json", "colors.csv", "class_dict.csv", "labelmap.txt")
"""Names under which a color map is looked for beside the masks; the last two are those of CamVid and of CVAT."""

IGNORED = 255
"""What pixels become that count for nothing."""

_NO_CLASS = ("ignore", "ignored", "void", "unlabeled", "unlabelled")
_COLUMNS = (("name", "r", "g", "b"), ("name", "red", "green", "blue"))


@dataclass(frozen=True)
class ColorMap:
    """Which color stands for which class.

    Attributes:
        location: The file.
        numbers: By color, red * 65536 + green * 256 + blue; `IGNORED` for colors of what counts for nothing.
    """

    location: str
    names: tuple[str, ...]
    numbers: dict[int, int]

    @property
    def has_greys(self) -> bool:
        """Whether a class has a grey that is not black, so that a grey mask holds colors, not numbers of classes."""
        return any(color and color == (color & 255) * 0x010101 for color in self.numbers)

    def classes(self, pixels: NDArray[np.uint8], key: str) -> NDArray[np.int32]:
        """Returns the class of each pixel ``(height, width, 3)``.

        Raises:
            DataError: A color is not in the map.
        """
        packed = pixels[..., 0].astype(np.int32) << 16 | pixels[..., 1].astype(np.int32) << 8 | pixels[..., 2]
        colors, places = np.unique(packed, return_inverse=True)
        unknown = [color for color in colors.tolist() if color not in self.numbers]
        if unknown:
            shown = ", ".join(str((color >> 16, color >> 8 & 255, color & 255)) for color in unknown[:3])
            raise DataError(
                f"The mask {key} has {'the color' if len(unknown) == 1 else f'{len(unknown)} colors such as'} {shown}, which "
                f"{'is' if len(unknown) == 1 else 'are'} not in {self.location}.",
                fix="Add the class of each color; masks need to be saved without loss (PNG) and without smoothed borders.",
            )
        return np.asarray([self.numbers[color] for color in colors.tolist()], np.int32)[places].reshape(packed.shape)


def find_color_map(folders: Sequence[Path], labels: Sequence[str] | None) -> ColorMap | None:
    """Returns the color map that lies in one of the folders under a usual name; None without one."""
    found = (folder / name for folder in folders for name in COLOR_FILES if is_file(folder / name))
    path = next(found, None)
    return None if path is None else read_color_map(path, labels)


def read_color_map(path: Path, labels: Sequence[str] | None) -> ColorMap:
    """Reads a color map: JSON from name to [r, g, b], CSV with the columns name, r, g, b, or CVAT's ``name:r,g,b::``.

    Classes are numbered in the order of the file, or by name as in ``labels``; 'void', 'ignore' and 'unlabeled' count for nothing.

    Raises:
        DataError: The file cannot be read, is none of these, or has a color twice.
    """
    try:
        text = decode_text(read_bytes(path), str(path))
        pairs = _pairs(path, text)
    except UnreadableError as error:
        raise DataError(f"The color map {path} cannot be read: {error.reason}.", fix=error.fix) from error
    colors: dict[int, str] = {}
    for name, (red, green, blue) in pairs:
        color = red << 16 | green << 8 | blue
        if color in colors:
            raise DataError(
                f"The color map {path} has the color ({red}, {green}, {blue}) for '{colors[color]}' and '{name}'."
            )
        colors[color] = name
    names = tuple(dict.fromkeys(name for name, _ in pairs if name.casefold() not in _NO_CLASS))
    if labels is None:
        numbers = {name: number for number, name in enumerate(names)}
    else:
        matched = match_names(names, labels, lambda name: f"The class '{name}' in {path}")
        numbers = dict(zip(names, matched, strict=True))
    return ColorMap(str(path), names, {color: numbers.get(name, IGNORED) for color, name in colors.items()})


def _pairs(path: Path, text: str) -> list[tuple[str, tuple[int, int, int]]]:
    """Returns names and colors in the order of the file."""
    if path.suffix.lower() == ".json":
        content = parse_json(text, str(path))
        rows = list(content.items()) if isinstance(content, dict) else []
    elif path.suffix.lower() == ".csv":
        rows = _csv_rows(text)
    else:
        lines = [line.split(":") for line in text.splitlines() if line.strip() and not line.startswith("#")]
        rows = [(parts[0].strip(), parts[1].split(",")) for parts in lines if len(parts) > 1]
    found = [(str(name), _color(path, str(name), color)) for name, color in rows]
    if not found:
        raise DataError(
            f"{path} is no color map.",
            fix='Write JSON such as {"road": [128, 64, 128]}, or CSV with the columns name, r, g, b.',
        )
    return found


def _csv_rows(text: str) -> list[tuple[str, list[str]]]:
    table = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    heads = {(head or "").strip().lower(): head for head in table.fieldnames or ()}
    columns = next((columns for columns in _COLUMNS if set(columns) <= heads.keys()), None)
    if columns is None:
        return []
    name, *color = (heads[column] for column in columns)
    return [((row[name] or "").strip(), [row[part] or "" for part in color]) for row in table]


def _color(path: Path, name: str, given: Any) -> tuple[int, int, int]:
    if isinstance(given, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", given):
        given = [int(given[i : i + 2], 16) for i in (1, 3, 5)]
    parts = [str(part).strip() for part in given] if isinstance(given, list | tuple) else []
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and int(part) < 256 for part in parts):
        raise DataError(
            f"The color map {path} has no color for '{shortened(name)}' but {shortened(repr(given))}.",
            fix="Give red, green and blue from 0 to 255: [128, 64, 128].",
        )
    red, green, blue = map(int, parts)
    return red, green, blue
