"""Image files: which files are some, and what they hold."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Set
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tflitekit.core.errors import DataError, UnreadableError
from tflitekit.core.files import open_file
from tflitekit.data.samples import UnreadableSampleError

__all__ = [
    "IMAGE_SUFFIXES",
    "decode_annotated",
    "decode_image",
    "file_names",
    "image_names",
    "is_image",
    "is_one_of",
    "plain_files",
    "size_of_image",
    "turn_of_file",
    "upright",
    "was_turned",
]

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}


warnings.filterwarnings("ignore", message="Corrupt EXIF")  # such pictures count as upright

_TURNED = "tflitekit turned"
_QUARTER = 5
"""From this orientation on, width and height change places."""


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
        with _opened(source) as image:
            image.load()
            return image
    except Image.DecompressionBombError as error:
        raise UnreadableSampleError(f"too large: {error}") from error
    except Exception as error:
        raise UnreadableSampleError(_why(error)) from error


def decode_annotated(path: str, size: tuple[int, int] | None) -> Image.Image:
    """Returns a picture with annotations of places: upright, unless ``size``, that the annotations are for, is that of the stored pixels.

    Raises:
        UnreadableSampleError: It cannot be decoded.
    """
    image = decode_image(path)
    turned = upright(image)
    return image if image.size == size != turned.size else turned


def upright(image: Image.Image) -> Image.Image:
    """Returns a picture that is turned as EXIF says; the same one where that says nothing."""
    if _turn(image) == 1:
        return image
    turned = ImageOps.exif_transpose(image)
    turned.info[_TURNED] = True
    return turned


def was_turned(image: Image.Image) -> bool:
    """Whether a picture is not as its file stores it."""
    return _TURNED in image.info


def turn_of_file(path: str) -> int:
    """Returns EXIF's orientation of a file, from its first bytes: 1 for upright, and where it has none or cannot be read."""
    try:
        with _opened(path) as image:
            return _turn(image)
    except Exception:  # noqa: BLE001 - it is told when it is decoded
        return 1


def _turn(image: Image.Image) -> int:
    """Returns EXIF's orientation, 1 to 8; 1 where it says nothing that can be read."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - Pillow raises many kinds for damaged EXIF
        return 1
    return found if found in range(1, 9) else 1


def size_of_image(path: Path) -> tuple[int, int]:
    """Returns width and height of the upright picture, from a file's first bytes.

    Raises:
        DataError: It is no picture.
    """
    try:
        with _opened(path) as image:
            return (image.height, image.width) if _turn(image) >= _QUARTER else image.size
    except Exception as error:
        raise DataError(f"The picture {path} cannot be read: {_why(error)}.", fix="Repair or remove it.") from error


@contextmanager
def _opened(source: str | Path | BinaryIO) -> Iterator[Image.Image]:
    """Opens a picture; a pipe or a device, for which reading would wait, is refused."""
    with (
        open_file(source) if isinstance(source, str | Path) else nullcontext(source) as stream,
        Image.open(stream) as image,
    ):
        yield image


def _why(error: Exception) -> str:
    """Returns why Pillow cannot read a picture; it names objects where it knows no format."""
    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format"
    return error.reason if isinstance(error, UnreadableError) else f"{type(error).__name__}: {error}"
