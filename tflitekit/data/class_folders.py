"""Folders of images or sounds, with one sub-folder per class or without classes."""

from __future__ import annotations

import functools
import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import ClassVar

from tflitekit.core.errors import DataError
from tflitekit.data.image_files import file_names, is_one_of
from tflitekit.data.names import match_names
from tflitekit.data.samples import Dataset, Raw, Sample, balanced, file_content

__all__ = ["ClassFolders", "no_class"]


class _FileTable:
    """File names with labels in a few bytes each: workers fork, and every Python object that they touch is copied."""

    def __init__(self) -> None:
        self._names = bytearray()
        self._ends = array("q")
        self._labels = array("q")

    def extend(self, names: Iterable[str], label: int | None) -> None:
        for name in names:
            self._names += os.fsencode(name)
            self._ends.append(len(self._names))
            self._labels.append(-1 if label is None else label)

    def select(self, chosen: Sequence[int]) -> _FileTable:
        table = _FileTable()
        for index in chosen:
            name, label = self[index]
            table.extend([name], label)
        return table

    def largest_label(self) -> int | None:
        largest = max(self._labels, default=-1)
        return None if largest < 0 else largest

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> tuple[str, int | None]:
        start = self._ends[index - 1] if index else 0
        label = self._labels[index]
        return os.fsdecode(bytes(self._names[start : self._ends[index]])), None if label < 0 else label

    def __iter__(self) -> Iterator[tuple[str, int | None]]:
        return (self[index] for index in range(len(self)))


class ClassFolders(Dataset):
    """A folder with one sub-folder per class, or of files without classes.

    Attributes:
        noun: What a file is called: 'image'.
        suffixes: Of the files.
    """

    noun: ClassVar[str]
    suffixes: ClassVar[Set[str]]

    def __init__(
        self, root: Path, *, labels: tuple[str, ...] | None, limit: int | None, seed: int, need_labels: bool
    ) -> None:
        folders = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))
        self._root = str(root)
        self._files = _FileTable()
        if not folders:
            self._files.extend(self._flat(root, need_labels), None)
            super().__init__(self._root)
        else:
            indices = range(len(folders)) if labels is None else _match(root, folders, labels)
            self.notes = self._aside(root, folders)
            for folder, index in zip(folders, indices, strict=True):
                files = file_names(root, folder, self.suffixes)
                if not files:
                    raise DataError(
                        f"The class folder {root / folder} has no {self.noun}s.",
                        why=f"Looked for {', '.join(sorted(self.suffixes))}.",
                        fix=f"Put {self.noun}s into it or remove the folder.",
                    )
                self._files.extend(files, index)
            super().__init__(self._root, classes=labels or tuple(folders))
        if limit is not None:
            self.available, self.seed = len(self._files), seed
            self._files = self._files.select(balanced([label for _, label in self._files], limit, seed))

    def decode(self, path: str, key: str) -> Raw:
        """Reads a file.

        Raises:
            UnreadableSampleError: It is damaged.
        """
        raise NotImplementedError

    def _flat(self, root: Path, need_labels: bool) -> list[str]:
        files = file_names(root, "", self.suffixes)
        if not files:
            raise DataError(
                f"The data folder {root} is empty: it has no class folders and no {self.noun}s.",
                fix=f"Give a folder with one subfolder of {self.noun}s per class, or a folder of {self.noun}s without classes.",
            )
        if need_labels:
            raise DataError(
                f"The data folder {root} has {len(files)} {self.noun}s but no class folders.",
                why=f"Training needs to know each {self.noun}'s class.",
                fix=f"Put the {self.noun}s into one subfolder per class.",
            )
        return files

    def _aside(self, root: Path, folders: list[str]) -> tuple[str, ...]:
        """Names files that lie beside the class folders."""
        aside = sorted(path.name for path in root.iterdir() if is_one_of(path.name, self.suffixes))
        if not aside:
            return ()
        shown = ", ".join(aside[:3]) + (", ..." if len(aside) > 3 else "")
        return (
            f"{len(aside)} {self.noun}{'s' if len(aside) > 1 else ''} in {root} itself ({shown}) {'are' if len(aside) > 1 else 'is'} in none of "
            f"its {len(folders)} class folders and not evaluated.",
        )

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Sample]:
        return self.pick(range(len(self)))

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        """Yields the samples at some positions, in any order."""
        for name, label in map(self._files.__getitem__, positions):
            path = os.path.join(self._root, name)  # noqa: PTH118
            yield Sample(name, label, functools.partial(self.decode, path, name), path)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for name, label in self._files:
            content = file_content(os.path.join(self._root, name))  # noqa: PTH118
            digest.update(f"{name}\0{label}\0".encode(errors="surrogateescape") + content)
        return digest.hexdigest()

    def largest_label(self) -> int | None:
        return self._files.largest_label()


def _match(root: Path, folders: list[str], labels: tuple[str, ...]) -> list[int]:
    try:
        return match_names(folders, labels, lambda name: f"The class folder {root / name}")
    except DataError as error:
        if len(folders) > 1:
            raise
        raise DataError(error.what, why=error.why, fix=f"{error.fix} {no_class(root / folders[0])}") from error


def no_class(folder: Path) -> str:
    """Says what to do where a single folder inside the data holds all files and is not a class."""
    return f"If {folder.name} is not a class, give {folder} itself: its files are then data without labels."
