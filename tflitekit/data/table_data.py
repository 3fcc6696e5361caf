"""Samples that are rows of a table: numbers, text, or files that a column names or holds."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from tflitekit.core.errors import DataError
from tflitekit.core.files import content_hash, is_file
from tflitekit.data.columns import Columns, Layout, chosen_columns, numbered
from tflitekit.data.fence import WITHIN, require_within
from tflitekit.data.image_files import decode_image, is_image
from tflitekit.data.records import Labels, Record, Records, labels_of, many_labels
from tflitekit.data.samples import Raw, UnreadableSampleError, some
from tflitekit.data.settings import check_settings
from tflitekit.data.sound import SOUND_SETTINGS, SOUND_SUFFIXES, SoundReader

__all__ = ["Table", "open_rows"]

_LABELS = ("label", "labels", "y", "class", "target")
_FILES = ("path", "image", "img", "file", "filename", "file_name", "filepath", "image_path", "sound", "audio")


class Table(Protocol):
    """Rows with named columns."""

    path: Path
    names: tuple[str, ...]

    def rows(self) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yields a name for each row, and its cells in the order of the names."""

    def columns(self, names: Sequence[str]) -> dict[str, list[Any]]:
        """Returns whole columns."""

    def count(self) -> int:
        """Returns the number of rows."""


def open_rows(
    table: Table,
    settings: Mapping[str, str],
    *,
    kind: str,
    class_names: Mapping[str, Sequence[str]] | None = None,
    labels: tuple[str, ...] | None,
    **options: Any,
) -> Records:
    """Makes samples of rows.

    Args:
        settings: ``label=COLUMN``, ``group=COLUMN`` of windows, and ``INPUT=COLUMN,COLUMN`` or, where a column names files, ``file=COLUMN`` and those of sounds.
        class_names: By column, where its values are numbers of classes that have names.
        labels: This and the others as of `tflitekit.data.dataset.open_dataset`.
    """
    location = str(table.path)
    label_columns = _label_columns(location, table.names, settings)
    row = next(iter(table.rows()), None)
    if row is None:
        raise DataError(f"{location} is empty: it has no rows.")
    media = _media_column(location, table.names, row[1], settings)
    found = _labels(table, label_columns, class_names or {}, labels)
    if media is not None:
        check_settings(location, settings, ("file", "label", WITHIN, *SOUND_SETTINGS))
        return MediaRows(
            table, media, SoundReader.of(settings), found, kind=kind, within=settings.get(WITHIN), **options
        )
    given = {
        name: chosen_columns(location, text, table.names)
        for name, text in settings.items()
        if name not in ("label", "group")
    }
    group = chosen_columns(location, settings["group"], table.names)[0] if "group" in settings else None
    aside = {"", group, *(name for names in label_columns.values() for name in names)}
    inputs = [name for name in table.names if name not in aside]
    return TableRows(table, inputs, given, found, group=group, kind=kind, **options)


class TableRows(Records):
    """Rows of numbers and text."""

    def __init__(
        self,
        table: Table,
        inputs: Sequence[str],
        given: Mapping[str, Sequence[str]],
        labels: Labels,
        *,
        group: str | None,
        kind: str,
        **options: Any,
    ) -> None:
        self.kind, self._table, self._group = kind, table, group
        self.columns = tuple(table.names)
        names = [*inputs, *(name for found in given.values() for name in found if name not in inputs)]
        self._layout = Layout(str(table.path), list(dict.fromkeys(names)), given)
        if not names:
            raise DataError(f"{table.path} has no columns beside the labels.")
        super().__init__(str(table.path), labels, **options)

    def records(self) -> Iterator[Record]:
        positions = [self._table.names.index(name) for name in self._layout.names]
        whole = positions == list(range(len(self._table.names)))
        group = None if self._group is None else self._table.names.index(self._group)
        for key, cells in self._table.rows():
            values = cells if whole else [cells[position] for position in positions]
            yield Record(
                key, functools.partial(Columns, self._layout, values, key, None if group is None else cells[group])
            )

    def content(self) -> str:
        return content_hash(self._table.path) + str(sorted(self._layout.given.items()))


class MediaRows(Records):
    """Rows of which one column names or holds an image or a sound."""

    def __init__(
        self,
        table: Table,
        column: int,
        sounds: SoundReader,
        labels: Labels,
        *,
        kind: str,
        within: str | None,
        **options: Any,
    ) -> None:
        self.kind, self._table, self._column = kind, table, column
        self.columns = tuple(table.names)
        cell = next(cells[column] for _, cells in table.rows())
        self._is_path = isinstance(cell, str)
        self.pictures = is_image(cell) if self._is_path else not _holds_sound(cell)
        self._sounds = sounds
        if self._is_path:
            self._check_files(within)
        if not self.pictures:
            self._sounds = sounds.like(str(self._path(cell)) if self._is_path else io.BytesIO(_held(cell) or b""))
            self.sound = self._sounds.format
        super().__init__(str(table.path), labels, **options)

    def _path(self, name: str) -> Path:
        return self._table.path.parent / name.strip()

    def _check_files(self, within: str | None) -> None:
        files = [cells[self._column] for _, cells in self._table.rows()]
        named = [name.strip() for name in files if isinstance(name, str)]
        require_within(self._table.path, self._table.path.parent, named, within)
        missing = [str(name) for name in files if not isinstance(name, str) or not is_file(self._path(name))]
        if missing:
            raise DataError(
                f"{len(missing)} of the {len(files)} files that {self._table.path} lists do{'es' if len(missing) == 1 else ''} not exist: "
                f"{some(missing, 3)}.",
                why=f"Paths are relative to {self._table.path.parent}.",
                fix="Repair the list, or put the files there.",
            )

    def records(self) -> Iterator[Record]:
        for key, cells in self._table.rows():
            cell = cells[self._column]
            if self._is_path:
                path = str(self._path(cell))
                read: Callable[[], Raw] = functools.partial(self._decode, path, cell)
                yield Record(cell, read, path)
            else:
                yield Record(key, functools.partial(self._unpack, cell, key))

    def _decode(self, source: Any, key: str) -> Raw:
        return decode_image(source) if self.pictures else self._sounds.read(source, key)

    def _unpack(self, cell: Any, key: str) -> Raw:
        content = _held(cell)
        if not isinstance(content, bytes):
            raise UnreadableSampleError("the table names a file and does not hold it")
        return self._decode(io.BytesIO(content), key)

    def content(self) -> str:
        whole = content_hash(self._table.path) + str(self._sounds)
        if not self._is_path:
            return whole
        return whole + "".join(content_hash(self._path(cells[self._column])) for _, cells in self._table.rows())


def _held(cell: Any) -> Any:
    """Returns the file that a cell holds: bytes, or an entry of a struct."""
    return cell.get("bytes") if isinstance(cell, Mapping) else cell


def _holds_sound(cell: Any) -> bool:
    try:
        with Image.open(io.BytesIO(_held(cell) or b"")):
            return False
    except Exception:  # noqa: BLE001 - Pillow raises whatever its decoders do
        return True


def _label_columns(location: str, names: Sequence[str], settings: Mapping[str, str]) -> dict[str, list[str]]:
    """Returns the columns of labels by output; of the only one under ''."""
    if "label" in settings:
        return {"": chosen_columns(location, settings["label"], names)}
    by_case = {name.casefold(): name for name in reversed(names)}
    found = next((by_case[name] for name in _LABELS if name in by_case), None)
    if found is not None:
        return {"": [found]}
    several = numbered("y", names)
    return _by_output(names) or ({"": several} if several else {})


def _by_output(names: Sequence[str]) -> dict[str, list[str]]:
    """Returns the columns ``y.OUTPUT``, or ``y.OUTPUT_0``, ``y.OUTPUT_1``, ... of an output with several targets, by output."""
    labels = [name for name in names if name.startswith("y.") and not name[2:].isdecimal()]
    found: dict[str, list[str]] = {}
    for name in labels:
        prefix = name[2:].rstrip("0123456789").rstrip("_.-")
        together = numbered(f"y.{prefix}", labels)
        found.setdefault(*((prefix, together) if name in together and len(together) > 1 else (name[2:], [name])))
    return found


def _labels(
    table: Table,
    columns: Mapping[str, Sequence[str]],
    class_names: Mapping[str, Sequence[str]],
    labels: tuple[str, ...] | None,
) -> Labels:
    location = str(table.path)
    found = table.columns([name for names in columns.values() for name in names])
    if not columns:
        return labels_of(location, None, table.count(), names=None, labels=labels)
    if "" not in columns:
        return many_labels(
            location, {output: _targets(location, found, names) for output, names in columns.items()}, labels
        )
    names = columns[""]
    values = _targets(location, found, names)
    return labels_of(
        location, values, len(values), names=class_names.get(names[0]) if len(names) == 1 else None, labels=labels
    )


def _targets(location: str, found: Mapping[str, list[Any]], names: Sequence[str]) -> list[Any]:
    """Returns the labels of one column as they are, and those of several as vectors."""
    if len(names) == 1:
        return found[names[0]]
    rows = zip(*(found[name] for name in names), strict=True)
    layout = Layout(location, names)
    return [Columns(layout, row, f"row {number}").numbers() for number, row in enumerate(rows)]


def _media_column(location: str, names: Sequence[str], cells: Sequence[Any], settings: Mapping[str, str]) -> int | None:
    """Returns the column that names or holds files; None where there is none."""
    if "file" in settings:
        return names.index(chosen_columns(location, settings["file"], names)[0])
    by_case = {name.casefold(): position for position, name in reversed(list(enumerate(names)))}
    named = [by_case[name] for name in _FILES if name in by_case]
    found = [position for position in named if _is_media(cells[position])]
    return min(
        found, key=lambda position: isinstance(cells[position], str), default=None
    )  # what is there before what is named


def _is_media(cell: Any) -> bool:
    if isinstance(cell, str):
        return is_image(cell) or Path(cell.strip()).suffix.lower() in SOUND_SUFFIXES
    return isinstance(cell, bytes) or (isinstance(cell, Mapping) and "bytes" in cell)
