"""TFRecord files of ``tf.train.Example``: one file, or a folder of shards."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tflitekit.core.errors import DataError
from tflitekit.core.files import content_hash, is_file, is_folder
from tflitekit.data.columns import Columns, Layout, chosen_columns
from tflitekit.data.image_files import decode_image, plain_files
from tflitekit.data.kinds import data_kind
from tflitekit.data.records import Labels, Record, Records, labels_of
from tflitekit.data.samples import Raw, UnreadableSampleError
from tflitekit.data.tfrecord_file import parse_example, read_records

__all__ = ["TfRecords"]

_LABELS = ("image/class/label", "label", "image/class/text", "y", "class")
_IMAGES = ("image/encoded", "image", "image_raw")


@data_kind("tfrecord", takes_settings=True)
def open_tfrecord(source: Any, *, settings: Mapping[str, str], **options: Any) -> TfRecords | None:
    """Opens a file with ``.tfrecord`` in its name, or a folder of such files."""
    if not isinstance(source, str | Path):
        return None
    path = Path(source)
    files = [path] if is_file(path) else plain_files(path) if is_folder(path) else []
    files = [file for file in files if ".tfrecord" in file.name.lower() and file.is_file()]
    return TfRecords(path, files, settings, **options) if files else None


class TfRecords(Records):
    """Shards of examples: a feature that holds an encoded image, or features by the names of the model's inputs."""

    kind = "tfrecord"
    label_advice = "Name the feature that holds them: PATH:label=FEATURE."

    def __init__(
        self,
        path: Path,
        files: Sequence[Path],
        settings: Mapping[str, str],
        *,
        labels: tuple[str, ...] | None,
        **options: Any,
    ) -> None:
        self._path, self._files = path, files
        location = str(path)
        first = next((parse_example(data, self._named(key)) for key, data in self._examples()), None)
        if first is None:
            raise DataError(f"{location} is empty: it has no examples.")
        names = sorted(first)
        self._given = {
            name: chosen_columns(location, text, names)
            for name, text in settings.items()
            if name not in ("label", "image")
        }
        label = chosen_columns(location, settings["label"], names)[0] if "label" in settings else _first(_LABELS, names)
        image = chosen_columns(location, settings["image"], names)[0] if "image" in settings else _first(_IMAGES, names)
        self._image = image if image is not None and not self._given and isinstance(first[image], bytes) else None
        self.pictures = self._image is not None
        self._layout = Layout(location, [name for name in names if name != label], self._given)
        super().__init__(location, self._labels_of(label, labels), **options)

    def _labels_of(self, name: str | None, labels: tuple[str, ...] | None) -> Labels:
        found, count = [], 0
        for key, data in self._examples():
            count += 1
            value = parse_example(data, self._named(key)).get(name) if name is not None else None
            if name is not None and value is None:
                raise DataError(f"The example '{key}' of {self._path} has no feature '{name}'.")
            found.append(value.decode(errors="replace") if isinstance(value, bytes) else value)
        return labels_of(str(self._path), None if name is None else found, count, names=None, labels=labels)

    def records(self) -> Iterator[Record]:
        for key, data in self._examples():
            yield Record(key, functools.partial(self._read, key, data))

    def _read(self, key: str, data: bytes) -> Raw:
        example = parse_example(data, self._named(key))
        if self._image is not None:
            content = example.get(self._image)
            if not isinstance(content, bytes):
                raise UnreadableSampleError(f"it has no feature '{self._image}' of one image")
            return decode_image(io.BytesIO(content))
        lacking = [name for name in self._layout.names if name not in example]
        if lacking:
            raise DataError(
                f"The example '{key}' of {self._path} has no feature '{lacking[0]}', and the first one has."
            )
        values = [example[name] for name in self._layout.names]
        return Columns(
            self._layout,
            [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values],
            key,
        )

    def content(self) -> str:
        digest = hashlib.sha256(str((self._image, sorted(self._given.items()))).encode())
        for file in self._files:
            digest.update(content_hash(file).encode())
        return digest.hexdigest()

    def _named(self, key: str) -> str:
        return f"The record '{key}' of {self._path}"

    def _examples(self) -> Iterator[tuple[str, bytes]]:
        for file in self._files:
            for number, data in enumerate(read_records(file)):
                yield (f"{file.name} {number}" if len(self._files) > 1 else f"example {number}"), data


def _first(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in wanted if name in names), None)
