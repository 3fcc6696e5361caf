"""The ZIP archive of an APK: what lies where in it. Nothing is ever unpacked to disk, and every read has a limit."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from tflitekit.core.errors import ApkError, UnreadableError
from tflitekit.core.files import open_file, shortened

__all__ = ["MODEL_LIMIT_BYTES", "Archive", "Entry"]

MODEL_LIMIT_BYTES = 512 * 2**20
"""Files that are read whole (models, libraries) may have this size; larger ones are counted but not read."""
_TOTAL_LIMIT_BYTES = 2**32
"""Without ZIP64, which Android's installer does not read, no archive describes more."""
_LARGEST_RATIO = 1032
"""DEFLATE shrinks to no less than this part of the size (https://zlib.net/zlib_tech.html)."""
_CHUNK_BYTES = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, ValueError, OSError,
    OverflowError, LookupError,
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One file in the archive.

    Attributes:
        size_bytes: Unpacked, as the directory says.
        packed_bytes: In the archive.
        stored: Whether it is not compressed.
        offset: Where its data begin in the APK, in bytes.
    """

    name: str
    size_bytes: int
    packed_bytes: int
    stored: bool
    offset: int


class Archive:
    """An open APK; a context manager.

    Attributes:
        entries: By name, in the order of the directory; folders are left out.
        size_bytes: Of the whole file.
    """

    entries: dict[str, Entry]

    def __init__(self, path: Path) -> None:
        """Opens the file and checks what its directory claims.

        Raises:
            ApkError: It cannot be read, is no ZIP archive, is cut short, or is made to mislead or exhaust its reader.
        """
        self.path = path
        try:
            self._file: BinaryIO = open_file(path)
        except UnreadableError as error:
            raise ApkError(f"The APK {path} cannot be read: {error.reason}.") from error
        try:
            self.size_bytes = path.stat().st_size
            with self._damage():
                if self._file.read(4) != b"PK\3\4":
                    raise self._foreign()
                self._zip = zipfile.ZipFile(self._file)
            self._refuse_hostile(self._zip.infolist())
            with self._damage():
                self.entries = {i.filename: self._entry(i) for i in self._zip.infolist() if not i.is_dir()}
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
        self._file.close()

    @property
    def directory_offset(self) -> int:
        """Where the central directory begins; the signing block, if there is one, ends there."""
        return int(self._zip.start_dir)

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Returns raw bytes of the file, fewer at its end."""
        with self._damage():
            self._file.seek(max(0, offset))
            return self._file.read(count)

    def read(self, entry: Entry, limit_bytes: int = MODEL_LIMIT_BYTES) -> bytes:
        """Returns the unpacked content.

        Raises:
            ApkError: It is larger than the limit, or damaged.
        """
        if entry.size_bytes > limit_bytes:
            raise ApkError(f"{entry.name} in {self.path} has {entry.size_bytes:,} bytes, more than {limit_bytes:,}.")
        return b"".join(self.chunks(entry))

    def head(self, entry: Entry, count: int) -> bytes:
        """Returns the first bytes of the unpacked content."""
        with self._damage(entry.name), self._zip.open(entry.name) as stream:
            return stream.read(count)

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """Yields the unpacked content piece by piece; its checksum is checked at the end."""
        with self._damage(entry.name), self._zip.open(entry.name) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk

    def deflated_bytes(self, entry: Entry) -> int:
        """Returns what the entry costs in a compressed download: about its size after DEFLATE."""
        if not entry.stored:
            return entry.packed_bytes
        compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
        size = sum(len(compressor.compress(chunk)) for chunk in self.chunks(entry))
        return min(entry.size_bytes, size + len(compressor.flush()))

    def _entry(self, info: zipfile.ZipInfo) -> Entry:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ApkError(
                f"{info.filename} in {self.path} is compressed with method {info.compress_type}.",
                why="Android reads only stored and deflated files.",
                fix="Package the app with its build tools, or with 'zip' and zipalign.",
            )
        self._file.seek(info.header_offset)
        magic, name_length, extra_length = _LOCAL_HEADER.unpack(self._file.read(_LOCAL_HEADER.size))
        if magic != b"PK\3\4":
            raise zipfile.BadZipFile(f"no file header where {info.filename} should be")
        return Entry(
            name=info.filename,
            size_bytes=info.file_size,
            packed_bytes=info.compress_size,
            stored=info.compress_type == zipfile.ZIP_STORED,
            offset=info.header_offset + _LOCAL_HEADER.size + name_length + extra_length,
        )

    def _refuse_hostile(self, files: list[zipfile.ZipInfo]) -> None:
        """Refuses archives that no build tool makes, but that mislead or exhaust whoever reads them."""
        advice = "Do not install it unless you know where it comes from; if it is your own, build it again."
        repeated = [name for name, count in Counter(info.filename for info in files).items() if count > 1]
        if repeated:
            raise ApkError(
                f"{self.path} has more than one file named {repeated[0]!r}.",
                why="Which one counts depends on the reader; Android refuses to install such an APK.",
                fix=advice,
            )
        for info in files:
            name = info.orig_filename
            parts = name.replace("\\", "/").split("/")
            if ".." in parts or not parts[0] or parts[0].endswith(":") or any(ord(letter) < 32 for letter in name):
                raise ApkError(
                    f"{self.path} has a file with the name {name!r}.",
                    why="No build tool writes such a name. Unpacked, it may end up outside the folder or be hidden.",
                    fix=advice,
                )
            if info.file_size > info.compress_size * _LARGEST_RATIO + 64:
                raise ApkError(
                    f"{info.filename} in {self.path} claims to unpack from {info.compress_size:,} to "
                    f"{info.file_size:,} bytes.",
                    why="No compression that Android reads does that.",
                    fix=advice,
                )
        packed, unpacked = sum(i.compress_size for i in files), sum(i.file_size for i in files)
        if packed > self.size_bytes or unpacked > _TOTAL_LIMIT_BYTES:
            raise ApkError(
                f"The files in {self.path} would take {packed:,} bytes packed and {unpacked:,} unpacked.",
                why=f"The APK itself has {self.size_bytes:,} bytes, and {_TOTAL_LIMIT_BYTES:,} is the most that an "
                "archive may contain.",
                fix=advice,
            )

    def _foreign(self) -> ApkError:
        return ApkError(
            f"{self.path} is not an APK.",
            why="It does not start like a ZIP archive." if self.size_bytes else "It is empty.",
            fix="Give the .apk that your build wrote, in app/build/outputs/apk for Gradle.",
        )

    @contextmanager
    def _damage(self, name: str | None = None) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            raise ApkError(
                f"{f'{name} in ' if name else ''}{self.path} is damaged or truncated.",
                why=f"Reading its {self.size_bytes:,} bytes as an archive failed: {shortened(str(error), 300)}.",
                fix="Copy or build it again.",
            ) from error
