"""``.npz`` files, read row by row out of the archive; nothing that an archive says of itself is believed unchecked."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np

from tflitekit.core.errors import DataError, TflitekitError
from tflitekit.data.kinds import data_kind
from tflitekit.data.rows import Rows, labels_by_output
from tflitekit.data.samples import Array

__all__ = ["NpzFile"]

# What is read at once (labels, one sample, an array in Fortran order) and is larger than this may not have been compressed by
# more than the second factor: deflate reaches 1,032, but only with data that say nothing.
_LARGE, _MOST_COMPRESSED = 2**26, 200
# Of samples; what is kept of each takes some dozen bytes.
_MOST_SAMPLES = 2**27


@dataclass(frozen=True)
class _Member:
    """One array of an archive, whose header agrees with the archive's directory."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    header_bytes: int

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape[1:])

    def read_whole(self, archive: zipfile.ZipFile) -> Array:
        """Reads all rows."""
        with archive.open(self.info) as stream:
            stream.read(self.header_bytes)
            size = self.row_bytes * self.shape[0]
            data = _exactly(stream, size)
        return np.frombuffer(data, self.dtype).reshape(self.shape, order="F" if self.fortran else "C")


@data_kind("npz")
def open_npz(source: Any, **options: Any) -> NpzFile | None:
    """Opens a file whose name ends in ``.npz``."""
    if not isinstance(source, str | Path) or Path(source).suffix.lower() != ".npz" or not Path(source).is_file():
        return None
    return NpzFile(Path(source), **options)


class NpzFile(Rows):
    """An ``.npz`` file, read row by row out of the archive; pickled objects are refused."""

    kind = "npz"

    def __init__(self, path: Path, **options: Any) -> None:
        self._path = path
        with _reading(path), zipfile.ZipFile(path) as archive:
            self._members = _members(archive)
            counts = {name: member.shape[0] for name, member in self._members.items()}
            self.check_counts(str(path), counts)
            targets = labels_by_output(
                {name: m.read_whole(archive) for name, m in self._members.items() if _is_label(name)}
            )
            self._members = {name: member for name, member in self._members.items() if not _is_label(name)}
        super().__init__(str(path), {name: counts[name] for name in self._members}, targets, **options)

    def rows(self, name: str, chosen: Sequence[int]) -> Iterator[Array]:
        member = self._members[name]
        with _reading(self._path), zipfile.ZipFile(self._path) as archive:
            if member.fortran and len(member.shape) > 1:
                whole = member.read_whole(archive)
                yield from (whole[index] for index in chosen)
                return
            with archive.open(member.info) as stream:
                stream.read(member.header_bytes)
                position = 0
                for index in chosen:
                    if index > position:
                        stream.seek((index - position) * member.row_bytes, 1)
                    data = _exactly(stream, member.row_bytes)
                    yield np.frombuffer(data, member.dtype).reshape(member.shape[1:])
                    position = index + 1


def _is_label(name: str) -> bool:
    return name == "y" or name.startswith("y.")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns whatever NumPy, zipfile and the decompressors raise into one error that names the file."""
    try:
        yield
    except TflitekitError:
        raise
    except Exception as error:
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise DataError(
            f"The data file {path} cannot be read as .npz: {reason}.",
            fix="Save it again with np.savez or np.savez_compressed.",
        ) from error


def _members(archive: zipfile.ZipFile) -> dict[str, _Member]:
    found: dict[str, _Member] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename:
            continue
        if name in found:
            raise ValueError(f"it has the array '{name}' twice")
        found[name] = _member(archive, info, name)
    return found


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> _Member:
    """Reads an array's header, and compares what it promises with what the archive holds, before any of it is allocated."""
    if info.flag_bits & 1:
        raise ValueError(f"the array '{name}' is encrypted, and the kit does not ask for passwords")
    with archive.open(info) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(stream)
        except (ValueError, SyntaxError, TokenError, RecursionError) as error:  # NumPy's words show its parser
            raise ValueError(f"the array '{name}' begins with a header that describes no array") from error
        header_bytes = stream.tell()
    if dtype.hasobject:
        raise ValueError(f"the array '{name}' holds pickled Python objects, which the kit does not load")
    if dtype.kind not in "biufUS" or dtype.itemsize == 0:
        raise ValueError(f"the array '{name}' is of the type {dtype}, which is neither numbers nor text")
    if not shape:
        raise ValueError(f"the array '{name}' is a single value, not one per sample")
    if min(shape) < 0 or (shape[0] and 0 in shape[1:]):
        raise ValueError(f"the array '{name}' has the shape {list(shape)}, so its samples have no values")
    member = _Member(info, shape, fortran, dtype, header_bytes)
    promised = header_bytes + member.row_bytes * shape[0]
    if promised != info.file_size:
        raise ValueError(
            f"the array '{name}' of the shape {list(shape)} would take {promised:,} bytes, and the archive has {info.file_size:,}"
        )
    whole = _is_label(name) or (fortran and len(shape) > 1)
    at_once = promised if whole else member.row_bytes
    if at_once > _LARGE and info.file_size > _MOST_COMPRESSED * info.compress_size:
        raise ValueError(
            f"the array '{name}' would grow from {info.compress_size:,} to {info.file_size:,} bytes, as only data made to exhaust memory do"
        )
    if shape[0] > _MOST_SAMPLES:
        raise ValueError(f"it has {shape[0]:,} samples, more than {_MOST_SAMPLES:,}")
    return member


def _exactly(stream: BinaryIO | Any, size: int) -> bytes:
    data: bytes = stream.read(size)
    if len(data) != size:
        raise EOFError("it is truncated")
    return data
