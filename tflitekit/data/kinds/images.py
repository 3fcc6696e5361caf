"""Folders of images, with one sub-folder per class or without classes."""

from __future__ import annotations

import functools
import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tflitekit.core.errors import DataError
from tflitekit.data.image_files import IMAGE_SUFFIXES, decode_image, image_names, is_image
from tflitekit.data.kinds import data_kind
from tflitekit.data.names import match_names
from tflitekit.data.samples import Dataset, Sample, balanced

__all__ = ["ImageFolder", "no_class"]


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


@data_kind("images", last=True)
def open_images(source: Any, **options: Any) -> ImageFolder | None:
    """Opens a folder."""
    return ImageFolder(Path(source), **options) if isinstance(source, str | Path) and Path(source).is_dir() else None


class ImageFolder(Dataset):
    """A folder with one sub-folder per class, or of images without classes."""

    kind = "images"
    pictures = True

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
            self.notes = _aside(root, folders)
            for folder, index in zip(folders, indices, strict=True):
                images = image_names(root, folder)
                if not images:
                    raise DataError(
                        f"The class folder {root / folder} has no images.",
                        why=f"Looked for {', '.join(sorted(IMAGE_SUFFIXES))}.",
                        fix="Put images into it or remove the folder.",
                    )
                self._files.extend(images, index)
            super().__init__(self._root, classes=labels or tuple(folders))
        if limit is not None:
            self.available, self.seed = len(self._files), seed
            self._files = self._files.select(balanced([label for _, label in self._files], limit, seed))

    @staticmethod
    def _flat(root: Path, need_labels: bool) -> list[str]:
        images = image_names(root, "")
        if not images:
            raise DataError(
                f"The data folder {root} is empty: it has no class folders and no images.",
                fix="Give a folder with one subfolder of images per class, or a folder of images without classes.",
            )
        if need_labels:
            raise DataError(
                f"The data folder {root} has {len(images)} images but no class folders.",
                why="Training needs to know each image's class.",
                fix="Put the images into one subfolder per class.",
            )
        return images

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Sample]:
        return self.pick(range(len(self)))

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        """Yields the samples at some positions, in any order."""
        for name, label in map(self._files.__getitem__, positions):
            path = os.path.join(self._root, name)  # noqa: PTH118
            yield Sample(name, label, functools.partial(decode_image, path), path)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for name, label in self._files:
            try:
                with open(os.path.join(self._root, name), "rb") as file:  # noqa: PTH118, PTH123 - a third of the time
                    content = hashlib.sha256(file.read()).digest()
            except OSError as error:
                content = str(error).encode()
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
    """Says what to do where a single folder inside the data holds all images and is not a class."""
    return f"If {folder.name} is not a class, give {folder} itself: its images are then data without labels."


def _aside(root: Path, folders: list[str]) -> tuple[str, ...]:
    """Names images that lie beside the class folders."""
    aside = sorted(path.name for path in root.iterdir() if is_image(path.name))
    if not aside:
        return ()
    shown = ", ".join(aside[:3]) + (", ..." if len(aside) > 3 else "")
    return (
        f"{len(aside)} image{'s' if len(aside) > 1 else ''} in {root} itself ({shown}) {'are' if len(aside) > 1 else 'is'} in none of its "
        f"{len(folders)} class folders and not evaluated.",
    )
