"""WebDataset shards: tar files in which the files of one sample follow one another and share their name up to the first dot."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.files import content_hash, is_file, is_folder
from tflitekit.data.image_files import decode_image, is_image, plain_files
from tflitekit.data.kinds import data_kind
from tflitekit.data.records import Labels, Record, Records, labels_of
from tflitekit.data.samples import Array, Raw, UnreadableSampleError
from tflitekit.data.settings import check_settings
from tflitekit.data.sound import SOUND_SETTINGS, SOUND_SUFFIXES, SoundReader

__all__ = ["WebDataset"]

_LABELS = ("cls", "json", "txt")
_JSON_KEYS = ("label", "cls", "class")
_SHARD = (".tar", ".tar.gz", ".tgz")
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_SHARDS = 100_000
# Of one file in a shard, unpacked: what is larger was made to exhaust memory.
_LARGEST = 2**28


class _Part(NamedTuple):
    """A file in a shard: where it lies in an uncompressed one, or its content."""

    shard: Path
    offset: int
    size: int
    content: bytes | None

    def read(self) -> bytes:
        if self.content is not None:
            return self.content
        with self.shard.open("rb") as stream:
            stream.seek(self.offset)
            found = stream.read(self.size)
        if len(found) != self.size:
            raise UnreadableSampleError("it is truncated")
        return found


@data_kind("webdataset", takes_settings=True)
def open_webdataset(source: Any, *, settings: Mapping[str, str], **options: Any) -> WebDataset | None:
    """Opens a ``.tar``, a folder of them, or a pattern such as ``train-{000..009}.tar``."""
    if not isinstance(source, str | Path):
        return None
    path, text = Path(source), str(source)
    shards = [path] if is_file(path) else plain_files(path) if is_folder(path) else _expanded(text)
    shards = [shard for shard in shards if shard.name.lower().endswith(_SHARD)]
    if not shards:
        return None
    check_settings(text, settings, ("label", *SOUND_SETTINGS))
    return WebDataset(text, shards, settings, **options)


def _expanded(text: str) -> list[Path]:
    match = _BRACES.search(text)
    if match is None:
        return []
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + _MOST_SHARDS:
        raise UsageError(
            f"{match[0]} in {text} names no shards.", fix="Write the smaller number first, as in {000..009}."
        )
    names = [
        f"{text[: match.start()]}{number:0{len(match[1])}d}{text[match.end() :]}" for number in range(first, last + 1)
    ]
    missing = [name for name in names if not is_file(Path(name))]
    if missing:
        raise DataError(f"{len(missing)} of the {len(names)} shards {text} do not exist: {missing[0]}.")
    return [Path(name) for name in names]


class WebDataset(Records):
    """Samples out of shards; nothing is unpacked to disk, so names in a shard lead nowhere."""

    kind = "webdataset"
    label_advice = "Store them as .cls, .json (with 'label') or .txt beside each sample, or name what holds them: PATH:label=EXTENSION."

    def __init__(
        self,
        location: str,
        shards: Sequence[Path],
        settings: Mapping[str, str],
        *,
        labels: tuple[str, ...] | None,
        **options: Any,
    ) -> None:
        self._place, self._shards, self._sounds = location, shards, SoundReader.of(settings)
        first = next(self._samples(), None)
        if first is None:
            raise DataError(f"{location} is empty: it has no samples.")
        self._label = settings.get("label") or next((name for name in _LABELS if name in first[1]), None)
        kept = self._label.partition(".")[0] if self._label else None
        if "label" in settings and kept not in first[1]:
            raise UsageError(f"The samples in {location} have no .{kept}.", fix=f"They have {', '.join(first[1])}.")
        self._inputs = [name for name in first[1] if name not in (kept, *_LABELS)]
        self.pictures = len(self._inputs) == 1 and is_image(f"x.{self._inputs[0]}")
        self._check_inputs()
        sound = next((part for name, part in first[1].items() if f".{name}" in SOUND_SUFFIXES), None)
        if sound is not None and not self.pictures:
            self._sounds = self._sounds.like(io.BytesIO(sound.read()))
            self.sound = self._sounds.format
        super().__init__(location, self._labels_of(kept, labels), **options)

    def _check_inputs(self) -> None:
        known = [self.pictures or name.endswith("npy") or f".{name}" in SOUND_SUFFIXES for name in self._inputs]
        if not known or not all(known):
            shown = ", ".join(f".{name}" for name in self._inputs) or "nothing beside labels"
            raise DataError(
                f"The samples in {self._place} hold {shown}.",
                fix="The kit reads one image or sound a sample, or .npy, or NAME.npy for each of several inputs.",
            )

    def _labels_of(self, name: str | None, labels: tuple[str, ...] | None) -> Labels:
        found, count = [], 0
        for key, parts in self._samples():
            count += 1
            if name is None:
                continue
            if name not in parts:
                raise DataError(f"The sample '{key}' in {self._place} has no .{name}, and the first one has.")
            found.append(_label(parts[name].read(), str(self._label), key))
        return labels_of(self._place, found if name is not None else None, count, names=None, labels=labels)

    def records(self) -> Iterator[Record]:
        for key, parts in self._samples():
            yield Record(key, functools.partial(self._read, key, parts))

    def _read(self, key: str, parts: Mapping[str, _Part]) -> Raw:
        lacking = [name for name in self._inputs if name not in parts]
        if lacking:
            raise UnreadableSampleError(f"it has no .{lacking[0]}")
        if self.pictures:
            return decode_image(io.BytesIO(parts[self._inputs[0]].read()))
        arrays: dict[str, Array] = {}
        for name in self._inputs:
            content = io.BytesIO(parts[name].read())
            if name.endswith("npy"):
                arrays[name.removesuffix("npy").rstrip(".") or "x"] = _array(content)
            else:
                return self._sounds.read(content, key)
        return arrays

    def content(self) -> str:
        digest = hashlib.sha256(f"{self._label}{self._inputs}{self._sounds}".encode())
        for shard in self._shards:
            digest.update(content_hash(shard).encode())
        return digest.hexdigest()

    def _samples(self) -> Iterator[tuple[str, dict[str, _Part]]]:
        """Yields the files of each sample by extension."""
        for shard in self._shards:
            current, parts = "", dict[str, _Part]()
            for name, part in _parts(shard):
                folder, _, file = name.rpartition("/")
                stem, _, extension = file.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                if not stem or not extension:
                    continue
                if parts and (key != current or extension in parts):
                    yield current, parts
                    parts = {}
                current = key
                parts[extension.lower()] = part
            if parts:
                yield current, parts


def _parts(shard: Path) -> Iterator[tuple[str, _Part]]:
    compressed = not shard.name.lower().endswith(".tar")
    try:
        with tarfile.open(shard, "r|gz" if compressed else "r:") as archive:
            for info in archive:
                if info.isdir():
                    continue
                if not info.isreg() or info.issparse():
                    raise DataError(
                        f"'{info.name[:80]}' in {shard} is a link or no plain file, and the kit follows none."
                    )
                if info.size > _LARGEST:
                    raise DataError(
                        f"'{info.name[:80]}' in {shard} would have {info.size:,} bytes, more than {_LARGEST:,}."
                    )
                stream = archive.extractfile(info) if compressed else None
                yield (
                    info.name,
                    _Part(shard, info.offset_data, info.size, stream.read() if stream is not None else None),
                )
                archive.members = []  # type: ignore[attr-defined]  # which would otherwise grow with the shard
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(
            f"{shard} cannot be read as tar: {str(error) or type(error).__name__}.", fix="Write the shard again."
        ) from error


def _label(content: bytes, name: str, key: str) -> Any:
    extension, _, wanted = name.partition(".")
    try:
        text = content.decode("utf-8-sig")
        if extension != "json":
            return text.strip()
        found = json.loads(text)
        keys = [wanted] if wanted else [one for one in _JSON_KEYS if isinstance(found, dict) and one in found]
        value = found[keys[0]] if isinstance(found, dict) and keys else found
        return str(value) if isinstance(value, int | str) else np.asarray(value, np.float64)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"The .{extension} of the sample '{key}' holds no label{f' {wanted!r}' if wanted else ''}.",
            fix="Store a number or a name; or name the entry of the .json: PATH:label=json.ENTRY.",
        ) from error


def _array(content: io.BytesIO) -> Array:
    try:
        found: Array = np.load(content, allow_pickle=False)
    except Exception as error:
        raise UnreadableSampleError(f"{type(error).__name__}: {error}") from error
    return found
