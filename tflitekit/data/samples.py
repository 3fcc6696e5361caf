"""What a data set is: samples, with labels or without, that can be iterated over and over, and parts of one."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tflitekit.core.errors import DataError, UnreadableError, UsageError
from tflitekit.core.files import open_file
from tflitekit.data.annotations import Boxes, Poses
from tflitekit.data.settings import split_settings
from tflitekit.data.sound_format import SoundFormat
from tflitekit.options.general import SEED

__all__ = [
    "DEFAULT_SEED",
    "IN_MEMORY",
    "Advised",
    "Array",
    "Dataset",
    "Raw",
    "Sample",
    "Selection",
    "SkippedSamples",
    "Subset",
    "UnreadableSampleError",
    "balanced",
    "file_content",
    "label_content",
    "same_place",
    "some",
]

MAX_UNREADABLE = 0.01
DEFAULT_SEED = SEED
IN_MEMORY = "arrays in memory"
"""The location of all arrays that have no other."""

Array = NDArray[Any]
Raw = Image.Image | Mapping[str, Array]


class Advised(dict[str, Array]):
    """Arrays by input name, and what to do where their shape is not the model's."""

    def __init__(self, arrays: Mapping[str, Array], advice: str) -> None:
        super().__init__(arrays)
        self.advice = advice


class UnreadableSampleError(Exception):
    """One sample cannot be decoded; evaluation and calibration count it and go on."""


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        key: A name for people: the file's path below the data folder, or the row.
        label: Class index, an array of targets, what `tflitekit.data.annotations` has, a dict of these by output, or None without labels.
        read: Returns the decoded image, or arrays without batch by input name (``x`` for a single input).
        path: The file that it is read from, where it has one of its own.
    """

    key: str
    label: Any
    read: Callable[[], Raw]
    path: str | None = None


@dataclass
class SkippedSamples:
    """Counts unreadable samples and refuses more than one in a hundred."""

    total: int | None
    names: list[str] = field(default_factory=list)

    def add(self, key: str, reason: object) -> None:
        """Records one sample.

        Raises:
            DataError: More than 1 % of the data cannot be read.
        """
        self.names.append(f"{key} ({reason})")
        if self.total is not None:
            self.check(self.total)

    def check(self, total: int) -> None:
        """Raises `DataError` where more than 1 % of ``total`` were skipped."""
        if len(self.names) > MAX_UNREADABLE * total:
            shown = ", ".join(sorted(self.names)[:5])
            raise DataError(
                f"{len(self.names)} of {total} samples cannot be read, more than {MAX_UNREADABLE:.0%}: {shown}"
                + (", ..." if len(self.names) > 5 else "."),
                fix="Repair or remove these files.",
            )


class Dataset:
    """Samples that can be iterated over and over.

    Attributes:
        location: Where the data come from, in the user's words.
        kind: 'images', 'npz', 'arrays', 'factory', or the name of a kind that another package adds.
        pictures: Whether each sample is an image file.
        upright: Whether pictures are turned as EXIF says; see `tflitekit.data.orientation`.
        random_access: Whether samples can be had in any order, and another time, without all the others.
        classes: Class names in label order, where the data have names.
        available: Samples that there are where only a part is drawn from them; else None.
        seed: Of that draw.
        sound: What recordings are when they were read, where the samples are sounds.
        columns: Names of a table's columns.
        notes: What was not taken from there, in sentences for people.
        numberings: Other numbers that its classes could have, by the source and setting that give them, from the number that each has.
        beside: Files that it reads besides those of its samples, where they may lie elsewhere than its place.
        recipe: What `tflitekit.data.dataset.open_dataset` opens the same data with, on any machine that has them; None for objects of this program.
    """

    kind = "arrays"
    pictures = False
    upright = False
    random_access = True
    available: int | None = None
    seed: int | None = None
    sound: SoundFormat | None = None
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    numberings: Mapping[str, Mapping[int, int]] = MappingProxyType({})
    beside: tuple[str, ...] = ()
    recipe: Mapping[str, Any] | None = None

    def __init__(self, location: str, *, classes: tuple[str, ...] | None = None) -> None:
        self.location = location
        self.classes = classes

    def __iter__(self) -> Iterator[Sample]:
        raise NotImplementedError

    def __len__(self) -> int:
        """Returns the number of samples.

        Raises:
            TypeError: It is known only after iterating (factories without a limit).
        """
        raise NotImplementedError

    @property
    def size(self) -> int | None:
        """The number of samples, or None where it is known only after iterating."""
        try:
            return len(self)
        except TypeError:
            return None

    @property
    def labelled(self) -> bool:
        """Whether samples have labels; the first one tells."""
        first = next(iter(self), None)
        return first is None or first.label is not None

    def fingerprint(self) -> str | None:
        """Returns a hash of the samples' content and labels; None where it cannot be had without a full pass."""
        raise NotImplementedError

    def check_values(self) -> None:
        """Raises `DataError` where numbers of a sample are not finite; data that only decoding would tell are not read."""

    def largest_label(self) -> int | None:
        """Returns the largest class index; None without classes, or where only a full pass would tell."""
        return None

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        """Yields the samples at some positions, which count from 0 and ascend."""
        wanted = set(positions)
        last = max(wanted, default=-1)
        return (sample for index, sample in enumerate(itertools.islice(self, last + 1)) if index in wanted)


def balanced(labels: Sequence[Any], limit: int, seed: int) -> list[int]:
    """Chooses ``limit`` indices, seeded, the same number from every class as far as the classes reach."""
    if limit < 1:
        raise UsageError(f"The limit must be at least 1, not {limit}.")
    if limit >= len(labels):
        return list(range(len(labels)))
    groups: dict[Any, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        groups[_class_of(label)].append(index)
    generator = random.Random(seed)
    for group in groups.values():
        generator.shuffle(group)
    order = list(groups.values())
    generator.shuffle(order)
    chosen: list[int] = []
    position = 0
    while len(chosen) < limit:
        chosen += [group[position] for group in order if position < len(group)]
        position += 1
    return sorted(chosen[:limit])


def _class_of(label: Any) -> int | str | None:
    """Returns what samples are balanced by; of several labels, the first class."""
    several = label.values() if isinstance(label, Mapping) else (label,)
    return next((one for one in several if isinstance(one, int | str)), None)


class Selection(Dataset):
    """The samples of another data set at some positions, in its order."""

    def __init__(self, dataset: Dataset, positions: Iterable[int]) -> None:
        super().__init__(dataset.location, classes=dataset.classes)
        self.kind = dataset.kind
        self.pictures, self.upright, self.random_access = dataset.pictures, dataset.upright, dataset.random_access
        self.notes, self.numberings, self.sound = dataset.notes, dataset.numberings, dataset.sound
        self.columns = dataset.columns
        self._dataset = dataset
        self._chosen = {int(position) for position in positions}

    def __iter__(self) -> Iterator[Sample]:
        return (sample for index, sample in enumerate(self._dataset) if index in self._chosen)

    def __len__(self) -> int:
        return len(self._chosen)

    def fingerprint(self) -> str | None:
        whole = self._dataset.fingerprint()
        return whole and hashlib.sha256(f"{whole}{sorted(self._chosen)}".encode()).hexdigest()

    def largest_label(self) -> int | None:
        return self._dataset.largest_label()

    def check_values(self) -> None:
        self._dataset.check_values()


class Subset(Selection):
    """A seeded, class-balanced sample of another data set."""

    def __init__(self, dataset: Dataset, *, limit: int, seed: int = DEFAULT_SEED) -> None:
        labels = [sample.label for sample in dataset]
        super().__init__(dataset, balanced(labels, limit, seed))
        self.available, self.seed = len(labels), seed


def file_content(path: str) -> bytes:
    """Returns a hash of a file's content, or why it cannot be read."""
    try:
        with open_file(path) as file:
            return hashlib.sha256(file.read()).digest()
    except (OSError, UnreadableError) as error:
        return str(error).encode()


def label_content(label: Any) -> bytes:
    """Returns all that there is of a label, for hashes; NumPy's own text of an array leaves out the middle of long ones."""
    if isinstance(label, Mapping):
        return b"".join(f"{name}=".encode() + label_content(label[name]) for name in sorted(label))
    if isinstance(label, Boxes | Poses):
        return label_content(vars(label))
    if isinstance(label, np.ndarray | np.generic):
        return f"{label.dtype.str}{label.shape}".encode() + label.tobytes()
    return f"{label!r}\0".encode()


def some(names: Sequence[str], most: int = 8) -> str:
    """Returns some names for people, and how many there are."""
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")


def same_place(one: str, other: str) -> bool:
    """Whether two locations are of the same data; arrays in memory have none that would tell."""
    return one != IN_MEMORY and Path(split_settings(one)[0]).resolve() == Path(split_settings(other)[0]).resolve()
