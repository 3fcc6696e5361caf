"""``.npz`` files, read row by row out of the archive."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.dataset.rows import Rows
from tflitekit.dataset.samples import Array
from tflitekit.errors import DataError

__all__ = ["NpzFile"]


class NpzFile(Rows):
    """An ``.npz`` file, read row by row out of the archive; pickled objects are refused."""

    kind = "npz"

    def __init__(self, path: Path, **options: Any) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
                self._members = members
                shapes = {name: self._header(archive, name)[0] for name in members}
                targets = None
                if "y" in members:
                    with archive.open(members["y"]) as stream:
                        targets = np.lib.format.read_array(stream, allow_pickle=False)
        except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise DataError(f"The data file {path} cannot be read as .npz: {error}.") from error
        lengths = {name: (shape[0] if shape else 0) for name, shape in shapes.items() if name != "y"}
        super().__init__(str(path), lengths, targets, **options)

    def _header(self, archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        with archive.open(self._members[name]) as stream:
            return _read_npy_header(stream)

    def _rows(self, name: str, chosen: Sequence[int]) -> Iterator[Array]:
        with zipfile.ZipFile(self._path) as archive, archive.open(self._members[name]) as stream:
            shape, fortran, dtype = _read_npy_header(stream)
            if fortran and len(shape) > 1:
                stream.seek(0)
                whole = np.lib.format.read_array(stream, allow_pickle=False)
                yield from (whole[index] for index in chosen)
                return
            row_bytes = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
            position = 0
            for index in chosen:
                if index > position:
                    stream.seek((index - position) * row_bytes, 1)
                data = stream.read(row_bytes)
                if len(data) != row_bytes:
                    raise DataError(f"The data file {self._path} is cut short in '{name}' at row {index}.")
                yield np.frombuffer(data, dtype).reshape(shape[1:])
                position = index + 1


def _read_npy_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("it holds pickled Python objects, which the kit does not load")
    return shape, fortran, dtype
