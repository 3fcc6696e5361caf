"""Image files: which files are some, and what they hold."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from tflitekit.data.samples import UnreadableSampleError

__all__ = ["IMAGE_SUFFIXES", "decode_image", "image_names", "is_image"]

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}


def is_image(name: str) -> bool:
    """Whether a file is an image, by its name."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def image_names(root: Path, folder: str) -> list[str]:
    """Returns the images at any depth below ``root / folder``, as sorted names relative to ``root``."""
    found = []
    for parent, folders, names in os.walk(root / folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        prefix = os.path.relpath(parent, root)
        for name in names:
            if is_image(name):
                found.append(os.path.normpath(os.path.join(prefix, name)))  # noqa: PTH118
    return sorted(found)


def decode_image(path: str) -> Image.Image:
    """Returns a picture, decoded.

    Raises:
        UnreadableSampleError: It cannot be.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except Image.DecompressionBombError as error:
        raise UnreadableSampleError(f"too large: {error}") from error
    except Exception as error:
        raise UnreadableSampleError(f"{type(error).__name__}: {error}") from error
