"""Files that ``bundle.json`` names, each with its SHA-256."""

from __future__ import annotations

import math

import numpy as np
from pydantic import BaseModel, ConfigDict, field_validator

from tflitekit.core.files import require_inside, shortened

__all__ = ["ArrayFile", "Entry", "FileEntry", "ImageFile"]

_DTYPES = frozenset(
    ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64"]
)


class Entry(BaseModel):
    """A part of ``bundle.json``."""

    model_config = ConfigDict(frozen=True)


class FileEntry(Entry):
    """A file of the bundle."""

    file: str
    sha256: str

    @field_validator("file")
    @classmethod
    def _inside(cls, value: str) -> str:
        return require_inside(value)


class ImageFile(FileEntry):
    """An image, with its size in pixels as it is stored."""

    width: int
    height: int


class ArrayFile(FileEntry):
    """Values of one tensor: little-endian, in C order, without a header."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """What the values take."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @field_validator("dtype")
    @classmethod
    def _numbers(cls, value: str) -> str:
        if value not in _DTYPES:
            raise ValueError(f"'{shortened(value)}' is not a type of stored numbers")
        return value
