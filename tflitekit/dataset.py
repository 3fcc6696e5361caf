"""Labelled samples from folders of images, ``.npz`` files and Python factories: streamed, re-iterable,
keyed by input name.

A `Sample` is cheap to make; reading and decoding happen in `Sample.read`, so that several threads can do it.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import itertools
import os
import random
import sys
import zipfile
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tflitekit.errors import ContractError, DataError, UsageError
from tflitekit.preprocessing import Preprocessing
from tflitekit.tensor import TensorSpec

__all__ = [
    "Dataset",
    "ImageFolder",
    "InputPipeline",
    "Sample",
    "Selection",
    "SkippedSamples",
    "Subset",
    "UnreadableSampleError",
    "balanced",
    "class_labels",
    "load_function",
    "open_dataset",
]

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
MAX_UNREADABLE = 0.01
DEFAULT_SEED = 20210

Array = NDArray[Any]
Raw = Image.Image | Mapping[str, Array]


class UnreadableSampleError(Exception):
    """One sample cannot be decoded; evaluation and calibration count it and go on."""


@dataclass(frozen=True)
class Sample:
    """One labelled sample.

    Attributes:
        key: A name for people: the file's path below the data folder, or the row.
        label: Class index, an array of targets, or None without labels.
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
        kind: 'images', 'npz', 'arrays' or 'factory'.
        classes: Class names in label order, where the data have names.
        available: Samples that there are where only a part is drawn from them; else None.
        seed: Of that draw.
    """

    kind = "arrays"
    available: int | None = None
    seed: int | None = None

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

    def fingerprint(self) -> str | None:
        """Returns a hash of the samples' content and labels; None where it cannot be had without a full pass."""
        raise NotImplementedError

    def largest_label(self) -> int | None:
        """Returns the largest class index; None without classes, or where only a full pass would tell."""
        return None

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        """Yields the samples at some positions, which count from 0 and ascend."""
        wanted = set(positions)
        last = max(wanted, default=-1)
        return (sample for index, sample in enumerate(itertools.islice(self, last + 1)) if index in wanted)


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

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> tuple[str, int | None]:
        start = self._ends[index - 1] if index else 0
        label = self._labels[index]
        return os.fsdecode(bytes(self._names[start : self._ends[index]])), None if label < 0 else label

    def __iter__(self) -> Iterator[tuple[str, int | None]]:
        return (self[index] for index in range(len(self)))


class ImageFolder(Dataset):
    """A folder with one sub-folder per class."""

    kind = "images"

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
            for folder, index in zip(folders, _match_labels(root, folders, labels), strict=True):
                images = _images(root, folder)
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
        images = _images(root, "")
        if not images:
            raise DataError(
                f"The data folder {root} is empty: it has no class folders and no images.",
                fix="Give a folder with one sub-folder of images per class.",
            )
        if need_labels:
            raise DataError(
                f"The data folder {root} has {len(images)} images but no class folders.",
                why="Accuracy and training need to know each image's class.",
                fix="Put the images into one sub-folder per class. (Calibration does without.)",
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
            yield Sample(name, label, functools.partial(_decode, path), path)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for name, label in self._files:
            try:
                content = hashlib.sha256((Path(self._root) / name).read_bytes()).digest()
            except OSError as error:
                content = str(error).encode()
            digest.update(f"{name}\0{label}\0".encode() + content)
        return digest.hexdigest()

    def largest_label(self) -> int | None:
        return max((label for _, label in self._files if label is not None), default=None)


def _images(root: Path, folder: str) -> list[str]:
    """Returns the images at any depth below ``root / folder``, as sorted names relative to ``root``."""
    found = []
    for parent, folders, names in os.walk(root / folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        prefix = os.path.relpath(parent, root)
        for name in names:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122
                found.append(os.path.normpath(os.path.join(prefix, name)))  # noqa: PTH118
    return sorted(found)


def _decode(path: str) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except Image.DecompressionBombError as error:
        raise UnreadableSampleError(f"too large: {error}") from error
    except Exception as error:
        raise UnreadableSampleError(f"{type(error).__name__}: {error}") from error


def _match_labels(root: Path, names: Sequence[str], labels: tuple[str, ...] | None) -> list[int]:
    if labels is None:
        return list(range(len(names)))
    indices = []
    folded = defaultdict(list)
    for index, label in enumerate(labels):
        folded[_fold(label)].append(index)
    for name in names:
        exact = [index for index, label in enumerate(labels) if label == name]
        found = exact or folded[_fold(name)]
        if len(found) != 1:
            problem = "is not in the labels file" if not found else f"stands {len(found)} times in the labels file"
            raise DataError(
                f"The class folder {root / name} {problem}.",
                why=f"The labels are {_some(labels)}.",
                fix="Rename the folder to the label's exact text, or give the right labels file with --labels.",
            )
        indices.append(found[0])
    return indices


def _fold(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ").strip()


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")


def balanced(labels: Sequence[Any], limit: int, seed: int) -> list[int]:
    """Chooses ``limit`` indices, seeded, the same number from every class as far as the classes reach."""
    if limit < 1:
        raise UsageError(f"The limit must be at least 1, not {limit}.")
    if limit >= len(labels):
        return list(range(len(labels)))
    groups: dict[Any, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        groups[label if isinstance(label, int | str) else None].append(index)
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


class _Rows(Dataset):
    """Rows of arrays by input name; subclasses say where the rows come from."""

    def __init__(
        self,
        location: str,
        lengths: Mapping[str, int],
        targets: Array | None,
        *,
        labels: tuple[str, ...] | None,
        limit: int | None,
        seed: int,
        need_labels: bool,
    ) -> None:
        if not lengths:
            raise DataError(f"{location} has no inputs.", fix="Store the inputs as 'x', or one array per input name.")
        if targets is None and need_labels:
            raise DataError(
                f"{location} has no labels.",
                fix="Store class indices (or regression targets) as the array 'y'.",
            )
        counts = dict(lengths) | ({} if targets is None else {"y": len(targets)})
        if len(set(counts.values())) != 1:
            shown = ", ".join(f"{name}: {count}" for name, count in counts.items())
            raise DataError(f"The arrays in {location} have different numbers of samples ({shown}).")
        total = next(iter(counts.values()))
        if total == 0:
            raise DataError(f"{location} is empty: its arrays have no samples.")
        self._names = list(lengths)
        self._labels = [None] * total if targets is None else class_labels(location, targets, labels)
        self._chosen = list(range(total)) if limit is None else balanced(self._labels, limit, seed)
        super().__init__(location, classes=labels)
        if limit is not None:
            self.available, self.seed = total, seed

    def __len__(self) -> int:
        return len(self._chosen)

    def largest_label(self) -> int | None:
        return max((label for label in self._labels if isinstance(label, int)), default=None)

    def _rows(self, name: str, chosen: Sequence[int]) -> Iterator[Array]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Sample]:
        columns = [self._rows(name, self._chosen) for name in self._names]
        for index, *values in zip(self._chosen, *columns, strict=True):
            row = dict(zip(self._names, values, strict=True))
            yield Sample(f"row {index}", self._labels[index], lambda row=row: row)  # type: ignore[misc]

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for sample in self:
            digest.update(repr(sample.label).encode())
            row = sample.read()
            assert isinstance(row, Mapping)
            for name in self._names:
                digest.update(f"{name}{row[name].dtype}{row[name].shape}".encode() + row[name].tobytes())
        return digest.hexdigest()


def class_labels(location: str, targets: Array, labels: tuple[str, ...] | None) -> list[Any]:
    """Returns one label a row: class indices where the rows are integers, names or one-hot, else the rows themselves.

    Raises:
        DataError: They are neither integers, finite floats nor names from ``labels``.
    """
    if targets.dtype.kind in "US":
        if labels is None:
            raise DataError(f"The labels in {location} are names.", fix="Give their order with --labels FILE.")
        names = [str(name) for name in targets.reshape(len(targets), -1)[:, 0]]
        unknown = sorted(set(names) - set(labels))
        if unknown:
            raise DataError(f"Labels in {location} that are not in the labels file: {_some(unknown)}.")
        return [labels.index(name) for name in names]
    if targets.dtype.kind == "b":
        targets = targets.astype(np.int64)
    if targets.dtype.kind not in "iuf":
        raise DataError(f"The labels 'y' in {location} are of the type {targets.dtype}; use integers or floats.")
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        raise DataError(f"The labels 'y' in {location} contain NaN or infinite values.")
    if targets.ndim == 2 and targets.shape[1] == 1 and targets.dtype.kind in "iu":
        targets = targets[:, 0]
    one_hot = (
        targets.ndim == 2
        and targets.shape[1] > 1
        and bool(np.isin(targets, (0, 1)).all())
        and bool((targets.sum(axis=1) == 1).all())
    )
    if one_hot:
        targets = targets.argmax(axis=1)
    if targets.ndim == 1 and targets.dtype.kind in "iu":
        if int(targets.min()) < 0:
            raise DataError(f"The labels 'y' in {location} contain {int(targets.min())}; classes count from 0.")
        return [int(value) for value in targets]
    return list(targets)


class NpzFile(_Rows):
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


class Arrays(_Rows):
    """Arrays in memory: ``(x, y)`` or a mapping from input name to array, with 'y'."""

    kind = "arrays"

    def __init__(self, columns: Mapping[str, Array], **options: Any) -> None:
        arrays = {name: np.asarray(values) for name, values in columns.items()}
        targets = arrays.pop("y", None)
        self._columns = arrays
        super().__init__("arrays in memory", {name: len(v) for name, v in arrays.items()}, targets, **options)

    def _rows(self, name: str, chosen: Sequence[int]) -> Iterator[Array]:
        return (self._columns[name][index] for index in chosen)


class Factory(Dataset):
    """A function that returns a fresh iterable of ``(inputs, label)`` each time it is called."""

    kind = "factory"

    def __init__(
        self,
        location: str,
        function: Callable[[], Iterable[Any]],
        *,
        labels: tuple[str, ...] | None,
        limit: int | None,
        seed: int,
        need_labels: bool,
    ) -> None:
        super().__init__(location, classes=labels)
        self._function, self._need_labels = function, need_labels
        self._chosen: set[int] | None = None
        if limit is not None:
            found = [sample.label for sample in self]
            if not found:
                raise DataError(f"The data factory {location} yields nothing.")
            self._chosen = set(balanced(found, limit, seed))
            self.available, self.seed = len(found), seed

    def __len__(self) -> int:
        if self._chosen is None:
            raise TypeError("the number of samples is known after iterating")
        return len(self._chosen)

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        """Yields names only: the function is not called again for single samples, which may be others then."""

        def unreadable() -> Raw:
            raise UnreadableSampleError("a factory's samples are read once")

        numbers = sorted(self._chosen) if self._chosen is not None else None
        for position in positions:
            yield Sample(f"item {position if numbers is None else numbers[position]}", None, unreadable)

    def fingerprint(self) -> None:
        return None

    def __iter__(self) -> Iterator[Sample]:
        try:
            for index, item in enumerate(self._function()):
                if self._chosen is None or index in self._chosen:
                    yield self._sample(index, item)
        except DataError:
            raise
        except Exception as error:
            raise DataError(
                f"The data factory {self.location} failed: {type(error).__name__}: {error}.",
                fix="It must take no arguments and return an iterable of (inputs, label).",
            ) from error

    def _sample(self, index: int, item: Any) -> Sample:
        inputs, label = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
        if label is None and self._need_labels:
            raise DataError(
                f"The data factory {self.location} yields no label at item {index}.",
                why=f"It yielded a {type(item).__name__}.",
                fix="Yield tuples (inputs, label); inputs is an array or a dict from input name to array.",
            )
        arrays = dict(inputs) if isinstance(inputs, Mapping) else {"x": inputs}
        row = {name: np.asarray(value) for name, value in arrays.items()}
        if label is not None:
            target = np.asarray(label)
            # A vector may be one-hot or one of several targets, which a single item cannot tell: it stays as it is.
            label = target if target.size > 1 else class_labels(self.location, target.reshape(1), self.classes)[0]
        return Sample(f"item {index}", label, lambda: row)


class Selection(Dataset):
    """The samples of another data set at some positions, in its order."""

    def __init__(self, dataset: Dataset, positions: Iterable[int]) -> None:
        super().__init__(dataset.location, classes=dataset.classes)
        self.kind = dataset.kind
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


class Subset(Selection):
    """A seeded, class-balanced sample of another data set."""

    def __init__(self, dataset: Dataset, *, limit: int, seed: int = DEFAULT_SEED) -> None:
        labels = [sample.label for sample in dataset]
        super().__init__(dataset, balanced(labels, limit, seed))
        self.available, self.seed = len(labels), seed


def load_function(name: str, purpose: str) -> Callable[..., Any]:
    """Imports ``module:function`` or ``path/to/file.py:function``.

    Raises:
        UsageError: There is no such module or function.
    """
    module_name, _, function_name = name.rpartition(":")
    if not module_name or not function_name:
        raise UsageError(
            f"'{name}' does not name a {purpose}.", fix="Write module:function or path/to/file.py:function."
        )
    try:
        if module_name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(module_name).stem, module_name)
            if spec is None or spec.loader is None or not Path(module_name).is_file():
                raise ImportError(f"no file {module_name}")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            if str(Path.cwd()) not in sys.path:
                sys.path.insert(0, str(Path.cwd()))
            module = importlib.import_module(module_name)
        function = getattr(module, function_name)
    except (ImportError, AttributeError, SyntaxError) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        raise UsageError(
            f"The {purpose} '{name}' cannot be loaded: {error}.",
            fix=f"Install the package that has '{missing}', or correct the name." if missing else None,
        ) from error
    if not callable(function):
        raise UsageError(f"The {purpose} '{name}' is not a function.")
    return function  # type: ignore[no-any-return]


def open_dataset(
    source: Any,
    *,
    labels: tuple[str, ...] | None = None,
    limit: int | None = None,
    seed: int = DEFAULT_SEED,
    need_labels: bool = True,
) -> Dataset:
    """Opens a data set.

    Args:
        source: A folder with one sub-folder per class; an ``.npz`` with ``x`` (or one array per input name)
            and ``y``; ``module:function``; in Python also ``(x, y)``, a dict of arrays, a function, or a `Dataset`.
        labels: Class names in the order of the model's output; class folders are matched to them by name.
        limit: A seeded, class-balanced sample of this many.
        seed: Seed of that sample.
        need_labels: Whether missing labels are an error (calibration does without).

    Raises:
        DataError: The data are missing, empty or malformed.
        UsageError: The source is of no known kind.
    """
    options: dict[str, Any] = {"labels": labels, "limit": limit, "seed": seed, "need_labels": need_labels}
    if isinstance(source, Dataset):
        return source if limit is None else Subset(source, limit=limit, seed=seed)
    if isinstance(source, tuple) and len(source) == 2:
        return Arrays({"x": source[0], "y": source[1]}, **options)
    if isinstance(source, np.ndarray):
        return Arrays({"x": source}, **options)
    if isinstance(source, Mapping):
        return Arrays(source, **options)
    if callable(source):
        return Factory(getattr(source, "__name__", "data function"), source, **options)
    if not isinstance(source, str | Path):
        raise UsageError(
            f"A {type(source).__name__} is not a data set.", fix="Give a path, 'module:function' or (x, y)."
        )
    path = Path(source)
    if path.is_dir():
        return ImageFolder(path, **options)
    if path.is_file():
        if path.suffix.lower() != ".npz":
            raise DataError(
                f"{path} is a {path.suffix or 'file without a suffix'}, not a data set that the kit reads.",
                fix="Give a folder with one sub-folder per class, an .npz file, or a factory 'module:function'.",
            )
        return NpzFile(path, **options)
    if ":" in str(source):
        return Factory(str(source), load_function(str(source), "data factory"), **options)
    raise DataError(
        f"There is no data at {path}.",
        fix="Give a folder with one sub-folder per class, an .npz file, or a factory 'module:function'.",
    )


class InputPipeline:
    """Turns what `Sample.read` gives into the model's input arrays, by the contract's rules.

    Args:
        inputs: The model's inputs; quantized integer inputs take real values here.
        preprocessing: What happens to pixels.
    """

    def __init__(self, inputs: Sequence[TensorSpec], preprocessing: Preprocessing) -> None:
        self.inputs = tuple(inputs)
        self.preprocessing = preprocessing

    def prepare(self, raw: Raw, key: str) -> tuple[Array, ...]:
        """Returns one array per input, in the order of the model's inputs, without the batch dimension.

        Raises:
            DataError: Names or shapes do not fit; the message gives both.
        """
        if isinstance(raw, Image.Image):
            return (self.preprocessing.normalized(self.pixels(raw), self.inputs[0].shape[1:]),)
        return tuple(
            self._array(spec, values, key) for spec, values in zip(self.inputs, self._by_name(raw), strict=True)
        )

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Returns an image as the only input has it before normalization.

        Raises:
            DataError: The model has several inputs.
        """
        if len(self.inputs) != 1:
            raise DataError(
                f"The model has {len(self.inputs)} inputs ({', '.join(s.name for s in self.inputs)}), "
                "and a folder of images fills only one.",
                fix="Give an .npz with one array per input name, or a factory that yields a dict of arrays.",
            )
        return self.preprocessing.pixels(image, self.inputs[0].shape[1:])

    def _by_name(self, raw: Mapping[str, Array]) -> list[Array]:
        if len(self.inputs) == 1 and len(raw) == 1:
            return list(raw.values())
        names = [spec.name for spec in self.inputs]
        if set(names) != set(raw):
            raise DataError(
                f"The data's arrays do not match the model's inputs: the data have {', '.join(raw) or 'none'}; "
                f"the model takes {', '.join(names)}.",
                fix="Name one array per model input (and 'y' for the labels).",
            )
        return [raw[name] for name in names]

    def _array(self, spec: TensorSpec, values: Array, key: str) -> Array:
        wanted, given = spec.shape[1:], list(values.shape)
        if values.ndim == len(wanted) - 1 and wanted[-1] == 1:
            values = values[..., None]
        if values.ndim != len(wanted) or any(w not in (-1, have) for w, have in zip(wanted, values.shape, strict=True)):
            raise DataError(
                f"The data's shape {given} does not fit the model's input '{spec.name}', "
                f"which takes {['?' if d < 0 else d for d in wanted]} (both without batch; {key}).".replace("'?'", "?")
            )
        if values.dtype.kind not in "iufb":
            raise DataError(f"The data for input '{spec.name}' are of the type {values.dtype}, not numbers ({key}).")
        if spec.dtype in ("int32", "int64", "bool") or (spec.dtype in ("uint8", "int8") and spec.quantization is None):
            with np.errstate(invalid="ignore"):  # NaN becomes some number, which is refused below
                whole = np.ascontiguousarray(values.astype(spec.dtype))
            if values.dtype != whole.dtype and not np.array_equal(whole, values):
                raise DataError(
                    f"The sample '{key}' has values that the input '{spec.name}' cannot hold: it takes {spec.dtype}, without "
                    "quantization.",
                    why=f"The data are {values.dtype} from {values.min():g} to {values.max():g}: fractions and larger values would change.",
                    fix="Give the whole numbers that the model was trained with (token ids, pixels from 0 to 255).",
                )
            return whole
        result = values.astype(np.float32)
        if not np.isfinite(result).all():
            raise DataError(
                f"The sample '{key}' has NaN or infinite values in the input '{spec.name}'.",
                fix="Remove the sample or repair the data.",
            )
        if self.preprocessing.changes_values:
            if result.ndim != 3 or result.shape[-1] not in (1, 3, 4):
                raise ContractError(
                    f"The preprocessing '{self.preprocessing.name}' is for pixels, and the input '{spec.name}' "
                    f"has the shape {list(values.shape)}.",
                    fix="Store the data as the model wants them and use --preprocess raw.",
                )
            result = self.preprocessing.values(result)
        return np.ascontiguousarray(result)
