"""Image files: which files are some, and what they hold."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from tflitekit.core.errors import DataError
from tflitekit.data.samples import UnreadableSampleError

__all__ = [
    "IMAGE_SUFFIXES",
    "decode_image",
    "file_names",
    "image_names",
    "is_image",
    "is_one_of",
    "plain_files",
    "size_of_image",
]

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}


def is_one_of(name: str, suffixes: Set[str]) -> bool:
    """Whether a file's name ends in one of some suffixes and is not hidden; folders may stand before it, as in ``./a.png``."""
    return not os.path.basename(name).startswith(".") and os.path.splitext(name)[1].lower() in suffixes  # noqa: PTH119, PTH122


def is_image(name: str) -> bool:
    """Whether a file is an image, by its name."""
    return is_one_of(name, IMAGE_SUFFIXES)


def image_names(root: Path, folder: str) -> list[str]:
    """Returns the images at any depth below ``root / folder``, as sorted names relative to ``root``."""
    return file_names(root, folder, IMAGE_SUFFIXES)


def file_names(root: Path, folder: str, suffixes: Set[str]) -> list[str]:
    """Returns the files with some suffixes at any depth below ``root / folder``, as sorted names relative to ``root``."""
    found = []
    for parent, folders, names in os.walk(root / folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        prefix = os.path.relpath(parent, root)
        for name in names:
            if is_one_of(name, suffixes):
                found.append(os.path.normpath(os.path.join(prefix, name)))  # noqa: PTH118
    return sorted(found)


def plain_files(folder: Path) -> list[Path]:
    """Returns the files of a folder without sub-folders, as shards lie in one, sorted; none where there are some."""
    found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [] if any(path.is_dir() for path in found) else found


def decode_image(source: str | BinaryIO) -> Image.Image:
    """Returns a picture, decoded from a file by its name, or from an open one.

    Raises:
        UnreadableSampleError: It cannot be.
    """
    try:
        with Image.open(source) as image:
            image.load()
            return image
    except Image.DecompressionBombError as error:
        raise UnreadableSampleError(f"too large: {error}") from error
    except Exception as error:
        raise UnreadableSampleError(_why(error)) from error


def size_of_image(path: Path) -> tuple[int, int]:
    """Returns width and height, from a file's first bytes.

    Raises:
        DataError: It is no picture.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except Exception as error:
        raise DataError(f"The picture {path} cannot be read: {_why(error)}.", fix="Repair or remove it.") from error


def _why(error: Exception) -> str:
    """Returns why Pillow cannot read a picture; it names objects and the file itself where it knows no format."""
    return (
        "no image of a known format"
        if isinstance(error, UnidentifiedImageError)
        else f"{type(error).__name__}: {error}"
    )
