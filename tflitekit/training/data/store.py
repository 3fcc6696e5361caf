"""The training data: decoded once into plain files that every training reads, and split into two parts.

Images are kept as 8-bit pixels before normalization. A folder of images that would need too much of the disk is not
stored; its images are decoded anew in every epoch (`tflitekit.training.data.rows`).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import DataError, UsageError, disk_errors
from tflitekit.core.files import hash_json
from tflitekit.core.progress import Progress
from tflitekit.core.structured import read_record, write_record
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import Dataset, ImageFolder, InputPipeline, open_dataset
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.data.sound_format import SoundFormat, check_same_rate
from tflitekit.options.values import output_weights
from tflitekit.training.data.decoding import Column, SampleWriter, image_bytes
from tflitekit.training.data.labels import LabelKind, count_classes
from tflitekit.training.data.split import split_rows

__all__ = ["Part", "StreamedFolder", "TrainingSet", "store_training_data"]

Part = Literal["train", "validation"]

_RECORD = "training_set.json"
_PARTS = ("train", "validation")
_FORMAT = 1  # raise it when files of the same data would be laid out otherwise


class StreamedFolder(BaseModel):
    """A folder of images as a worker opens it again; its rows follow those of the folder before it."""

    model_config = ConfigDict(frozen=True)

    source: str
    labels: tuple[str, ...] | None
    limit: int | None
    seed: int
    rows: int

    def open(self) -> Dataset:
        """Opens it."""
        return open_dataset(self.source, labels=self.labels, limit=self.limit, seed=self.seed)


class StoredLabels(BaseModel):
    """What is known of the labels of one output: fields of the same names of a `TrainingSet`."""

    model_config = ConfigDict(frozen=True)

    label_file: str
    labels: LabelKind
    label_shape: tuple[int, ...]
    label_dtype: str
    classes: int | None
    class_counts: tuple[int, ...]


class TrainingSet(BaseModel):
    """Labelled samples on disk (or in folders of images), split into a part to train on and one to validate on.

    A row is a sample's position: first those of the data, then those of validation data of their own. Rows of
    unreadable samples belong to no part.

    Attributes:
        location: Where the data come from, in the user's words.
        inputs: The model's inputs, in its order.
        columns: What is stored, one for each input.
        samples: Readable ones in both parts; ``rows`` counts unreadable ones as well.
        labels: What they are (see `tflitekit.training.data.labels`), each of ``label_shape``.
        label_file: That holds them, without its ending.
        by_output: What is known of the labels of each output, where they are given by name; `of` takes those of one.
        classes: How many there are: names, or the largest label and one; None where a label is not one class.
        class_counts: Samples of each class in the part to train on; empty for values.
        sha256: Hash of content, labels, preprocessing and split: part of the key of everything trained on the set.
        fingerprint: `Dataset.fingerprint` of the training data themselves; None for data that have none.
        skipped: Samples that could not be read, each with the reason.
        validation: 'split', 'none', or the location of data of their own.
        seed: Of the split.
        streamed: Folders to decode from; empty for a set that is stored.
    """

    model_config = ConfigDict(frozen=True)

    location: str
    kind: str
    folder: Path
    inputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing
    sound: SoundFormat | None = None
    columns: tuple[Column, ...]
    rows: int
    samples: int
    labels: LabelKind
    label_shape: tuple[int, ...]
    label_dtype: str
    label_file: str = "labels"
    by_output: dict[str, StoredLabels] = {}
    classes: int | None
    class_names: tuple[str, ...] | None
    class_counts: tuple[int, ...]
    sha256: str
    fingerprint: str | None = None
    skipped: tuple[str, ...]
    validation: str
    train_samples: int
    validation_samples: int
    seed: int
    streamed: tuple[StreamedFolder, ...] = ()

    @property
    def has_rows(self) -> bool:
        """Whether the rows can be read; see `delete_rows`."""
        return bool(self.streamed) or all(
            _size(self.folder / f"{number}.raw") == self.rows * column.row_bytes
            for number, column in enumerate(self.columns)
        )

    def delete_rows(self) -> None:
        """Deletes what takes space. The record stays: what was trained on the set can be told without decoding it anew."""
        for number in range(len(self.columns)):
            (self.folder / f"{number}.raw").unlink(missing_ok=True)

    def steps(self, batch_size: int) -> int:
        """Returns the steps of one epoch: a remainder is left out, and fewer samples than a batch are one smaller batch."""
        return max(1, self.train_samples // batch_size)

    def of(self, output: str) -> TrainingSet:
        """Returns the same samples with the labels of one of several outputs."""
        return self.model_copy(update=dict(self.by_output[output]))

    @property
    def each(self) -> tuple[TrainingSet, ...]:
        """The same samples with the labels of each output; itself where there is one."""
        return tuple(map(self.of, self.by_output)) or (self,)

    def read_labels(self) -> NDArray[Any]:
        """Returns the labels of all rows."""
        mapped: Literal["r"] | None = "r" if self.labels == "mask" else None  # masks are as large as pictures
        labels: NDArray[Any] = np.load(self.folder / f"{self.label_file}.npy", mmap_mode=mapped, allow_pickle=False)
        return labels

    def part(self, part: Part) -> NDArray[np.int64]:
        """Returns the rows of one part, ascending."""
        rows: NDArray[np.int64] = np.load(self.folder / f"{part}.npy", allow_pickle=False)
        return rows

    def normalized(self, column: int, values: NDArray[Any]) -> NDArray[Any]:
        """Returns rows of a column as the model takes them: what `InputPipeline.prepare` makes of the samples."""
        if not self.columns[column].pixels:
            return values
        return self.preprocessing.normalized(values, self.inputs[column].shape[1:])


class _Source(NamedTuple):
    given: Any
    dataset: Dataset
    labels: tuple[str, ...] | None
    limit: int | None

    @property
    def can_stream(self) -> bool:
        return isinstance(self.given, str | Path) and isinstance(self.dataset, ImageFolder)


# Above 60 lines: about half of them name and explain the arguments.
def store_training_data(
    data: Any,
    *,
    inputs: Sequence[TensorSpec],
    preprocessing: Preprocessing,
    vocabularies: Mapping[str, int] | None = None,
    labels: tuple[str, ...] | None = None,
    limit: int | None = None,
    validation: Any = None,
    validation_split: float = 0.1,
    seed: int,
    output: str | None = None,
    ignore_label: int | None = None,
    folder: Path,
    progress: Progress,
    jobs: int | None = None,
    most_bytes: int = 4 << 30,
    rows: bool = True,
) -> TrainingSet:
    """Prepares training data in ``folder``; data that it already holds are not decoded again.

    Args:
        data: Whatever `open_dataset` takes.
        inputs: The model's inputs, in its order.
        vocabularies: As of `InputPipeline`.
        labels: Class names in the order of the model's output.
        limit: A seeded, class-balanced sample of ``data`` of this many.
        validation: Data of their own to validate on, instead of a part of ``data``; like ``data``.
        validation_split: Share of each class that is held out; 0 for none.
        seed: Of the split and of the sample.
        output: Whose labels to take of samples that have them by output, one or several as in ``a=0.7,b=0.3``; all when not given.
        ignore_label: Value of pixels in masks that count for nothing; what the data say when not given.
        jobs: Processes that decode images; all cores by default.
        most_bytes: Folders of images that would need more are decoded in every epoch instead of being stored. Other data
            are always stored: there is no quick way to their single samples.
        rows: False also takes a set whose rows were deleted.

    Raises:
        UsageError: The split is not a share.
        DataError: There are no data, no labels, samples of several shapes, or too many that cannot be read.
        StorageError: The disk is full.
    """
    if not 0 <= validation_split < 1:
        raise UsageError(f"The validation split must be at least 0 and below 1, not {validation_split:g}.")
    sources = _open(data, labels=labels, limit=limit, validation=validation, seed=seed)
    first, outputs = sources[0].dataset, tuple(output_weights(output))
    pipeline = InputPipeline(inputs, preprocessing, vocabularies)
    streams = _streams(sources, pipeline, seed, most_bytes)
    rest = {
        "format": _FORMAT,
        "inputs": [[spec.name, spec.shape, spec.dtype] for spec in pipeline.inputs],
        "preprocessing": preprocessing.model_dump(mode="json", exclude={"name"}),
        "class_names": first.classes,
        "split": [seed, validation_split if validation is None else "own"],
    } | {
        name: value
        for name, value in (("output", outputs or None), ("ignore_label", ignore_label))
        if value is not None
    }
    held_out = "split" if validation_split else "none"
    placed = {
        "folder": folder,
        "location": first.location,
        "kind": first.kind,
        "preprocessing": preprocessing,
        "sound": first.sound,
        "validation": sources[1].dataset.location if validation is not None else held_out,
    }
    prints = [source.dataset.fingerprint() for source in sources]
    if None not in prints:
        found = _find(folder, hash_json([prints, rest]), stored=not streams)
        if found and (found.has_rows or not rows):
            return found.model_copy(update=placed | {"streamed": streams if found.streamed else ()})
    written, digest = _write(
        folder,
        functools.partial(
            SampleWriter,
            folder,
            pipeline,
            store=not streams,
            hashed=None in prints,
            outputs=outputs,
            ignore=ignore_label,
        ),
        sources,
        validation_split,
        seed,
        progress,
        jobs,
    )
    result = TrainingSet(
        **placed,
        **written,
        inputs=pipeline.inputs,
        class_names=first.classes,
        sha256=hash_json([prints if None not in prints else digest, rest]),
        fingerprint=prints[0],
        seed=seed,
        streamed=streams,
    )
    files = dict.fromkeys([*(part.label_file for part in result.each), *_PARTS])
    write_record(folder / _RECORD, result.model_dump(mode="json"), *(f"{name}.npy" for name in files))
    return result


def _streams(
    sources: Sequence[_Source], pipeline: InputPipeline, seed: int, most_bytes: int
) -> tuple[StreamedFolder, ...]:
    """Returns the folders that are decoded in every epoch, because they would need too much space; none where all are stored."""
    streams = tuple(
        StreamedFolder(
            source=os.path.abspath(source.given),  # noqa: PTH100 - resolving links would change what the user named
            labels=source.labels,
            limit=source.limit,
            seed=seed,
            rows=len(source.dataset),
        )
        for source in sources
        if source.can_stream
    )
    large = image_bytes(pipeline) * sum(stream.rows for stream in streams) > most_bytes
    return streams if large and len(streams) == len(sources) else ()


def _write(
    folder: Path,
    open_writer: Callable[[], SampleWriter],
    sources: Sequence[_Source],
    split: float,
    seed: int,
    progress: Progress,
    jobs: int | None,
) -> tuple[dict[str, Any], str]:
    """Writes samples, labels and the split.

    Returns:
        What the fields of a `TrainingSet` say of them, and the hash of all where asked for.
    """
    first = sources[0].dataset
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _RECORD).unlink(missing_ok=True)
        try:
            with open_writer() as writer:
                counts = [writer.add(source.dataset, progress, jobs) for source in sources]
            stacked = writer.stacked(first)
            train, held = _split(writer, *_stratified(stacked), sum(counts[1:]), split, seed)
            for name, array in zip(_PARTS, (train, held), strict=True):
                np.save(folder / f"{name}.npy", array, allow_pickle=False)
            several = len(stacked) > 1
            labels = {
                output: _stored(folder, "labels" if not number else f"labels-{number}", *found, first, train, several)
                for number, (output, found) in enumerate(stacked.items())
            }
            writer.delete_masks()
        except BaseException:
            for path in folder.glob("*.raw"):
                with suppress(OSError):
                    path.unlink()
            raise
    written = {
        "columns": tuple(writer.columns),
        "rows": sum(counts),
        "samples": len(train) + len(held),
        "skipped": tuple(sorted(writer.skipped)),
        "train_samples": len(train),
        "validation_samples": len(held),
    }
    written |= dict(next(iter(labels.values()))) | {"by_output": {} if "" in labels else labels}
    return written, writer.digest.hexdigest()


def _stratified(stacked: Mapping[str, tuple[NDArray[Any], LabelKind]]) -> tuple[NDArray[Any], LabelKind]:
    """Returns the labels by which samples are held out: the first that are classes, else the first."""
    found = list(stacked.values())
    return next((one for one in found if one[1] == "class"), found[0])


def _stored(
    folder: Path,
    file: str,
    targets: NDArray[Any],
    kind: LabelKind,
    dataset: Dataset,
    train: NDArray[np.int64],
    several: bool,
) -> StoredLabels:
    """Writes the labels of an output; names of classes are those of the only one."""
    np.save(folder / f"{file}.npy", targets, allow_pickle=False)
    classes = count_classes(targets, dataset, kind) if not several or kind != "class" else int(targets.max()) + 1
    return StoredLabels(
        label_file=file,
        labels=kind,
        label_shape=targets.shape[1:],
        label_dtype=targets.dtype.str,
        classes=classes,
        class_counts=() if classes is None else tuple(np.bincount(targets[train], minlength=classes).tolist()),
    )


def _open(data: Any, *, labels: tuple[str, ...] | None, limit: int | None, validation: Any, seed: int) -> list[_Source]:
    if data is None:
        raise DataError("There are no training data.", fix="Give labelled samples with --data.")
    dataset = open_dataset(data, labels=labels, limit=limit, seed=seed)
    sources = [_Source(data, dataset, labels, limit)]
    if validation is not None:
        names = labels or dataset.classes
        try:
            sources.append(_Source(validation, open_dataset(validation, labels=names, seed=seed), names, None))
        except DataError as error:
            if labels or not names:
                raise
            raise DataError(
                f"The validation data do not fit the training data: {error.what}",
                why=f"Classes are those of the training data at {dataset.location}: {', '.join(names)}.",
                fix="Give the folders of both the same names.",
            ) from error
    check_same_rate({source.dataset.location: source.dataset.sound for source in sources})
    return sources


def _find(folder: Path, sha256: str, *, stored: bool) -> TrainingSet | None:
    """Returns the finished set of that hash in ``folder``, perhaps without its rows; ``stored`` refuses one that is streamed."""
    found = read_record(folder / _RECORD, TrainingSet)
    if found is None or found.sha256 != sha256 or (stored and found.streamed):
        return None
    found = found.model_copy(update={"folder": folder})
    try:
        labels = {len(part.read_labels()) for part in found.each}
        lengths = len(found.part("train")), len(found.part("validation"))
    except (OSError, ValueError, EOFError):
        return None
    return found if labels == {found.rows} and lengths == (found.train_samples, found.validation_samples) else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _split(
    writer: SampleWriter, targets: NDArray[Any], kind: str, own: int, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the readable rows to train and to validate on; ``own`` rows at the end are validation data."""
    readable = np.setdiff1d(np.arange(len(targets)), writer.unreadable)
    mine, own_rows = readable[readable < len(targets) - own], readable[readable >= len(targets) - own]
    if kind == "class" and len(np.unique(targets[mine])) < 2:
        raise DataError(
            f"All training samples are of class {int(targets[mine[0]])}.",
            why="A model trained on one class forgets the others.",
            fix="Give samples of all classes.",
        )
    if own:
        return mine, own_rows
    return split_rows(mine, targets[mine] if kind == "class" else None, share, seed)
