"""Folders of images, with one sub-folder per class or without classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from tflitekit.data.class_folders import ClassFolders
from tflitekit.data.image_files import IMAGE_SUFFIXES, decode_image
from tflitekit.data.kinds import data_kind

__all__ = ["ImageFolder"]


@data_kind("images", last=True)
def open_images(source: Any, **options: Any) -> ImageFolder | None:
    """Opens a folder."""
    return ImageFolder(Path(source), **options) if isinstance(source, str | Path) and Path(source).is_dir() else None


class ImageFolder(ClassFolders):
    """A folder of images."""

    kind = "images"
    pictures = True
    noun = "image"
    suffixes = IMAGE_SUFFIXES

    def decode(self, path: str, key: str) -> Image.Image:
        return decode_image(path)
