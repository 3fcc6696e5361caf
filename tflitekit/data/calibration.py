"""The representative dataset: preprocessed once into plain files that every conversion reads."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from tflitekit.core.errors import DataError, disk_errors
from tflitekit.core.files import hash_json
from tflitekit.core.progress import Progress
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import Dataset, InputPipeline, Sample, SkippedSamples, UnreadableSampleError, balanced
from tflitekit.data.facts import Inputs, input_facts, picture_facts
from tflitekit.data.pipeline import check_vocabulary
from tflitekit.data.preprocessing import Preprocessing

__all__ = ["CalibrationSet", "check_shapes", "store_calibration"]


class CalibrationSet(BaseModel):
    """Preprocessed calibration samples on disk, one raw file per model input.

    Attributes:
        shapes: Of each input, without batch; where samples have unlike ones, those of the first.
        each: Of each sample the shapes of its inputs, where they are unlike.
        sha256: Hash of all values, in order: part of the key of every variant that was calibrated.
        rows: The samples to use, by their number in the files; all when not given.
        inputs: What the lints look at; it does not go to the workers.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    folder: Path
    names: tuple[str, ...]
    dtypes: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    each: tuple[tuple[tuple[int, ...], ...], ...] | None = None
    samples: int
    sha256: str
    skipped: tuple[str, ...] = ()
    rows: tuple[int, ...] | None = None
    inputs: Inputs | None = Field(None, exclude=True)

    def first(self, count: int, seed: int) -> CalibrationSet:
        """Returns the first ``count`` samples of a seeded, class-balanced order: those of a smaller count are among them."""
        assert self.inputs is not None
        rows = tuple(balanced([int(label) for label in self.inputs.facts["label"]], count, seed))
        chosen = {"rows": rows, "sha256": hash_json([self.sha256, rows])} if count < self.samples else {}
        return self.model_copy(update=chosen)

    def check_vocabularies(self, vocabularies: Mapping[str, int]) -> None:
        """Raises `DataError` where a sample has values that pick rows which a table of the model does not have.

        Args:
            vocabularies: The number of rows by input.
        """
        assert self.inputs is not None
        for index, spec in enumerate(self.inputs.specs):
            ends = [self.inputs.facts[f"input_{end}"][:, index] for end in ("low", "high")]
            for number, pair in enumerate(np.stack(ends, axis=1) if spec.name in vocabularies else ()):
                check_vocabulary(spec.name, pair, vocabularies[spec.name], f"The calibration sample {number}")

    def batches(self, batch: int) -> Iterator[dict[str, NDArray[Any]]]:
        """Yields dicts of arrays by input name with ``batch`` samples each; the last one wraps around."""
        columns = [self._column(i) for i in range(len(self.names))]
        chosen = self.rows if self.rows is not None else range(self.samples)
        for start in range(0, len(chosen), batch):
            rows = [chosen[index % len(chosen)] for index in range(start, start + batch)]
            yield {
                name: np.stack([column[row] for row in rows]) for name, column in zip(self.names, columns, strict=True)
            }

    def _column(self, index: int) -> Sequence[NDArray[Any]]:
        """Returns one input's array of each sample."""
        values = np.memmap(self.folder / f"{index}.raw", dtype=self.dtypes[index], mode="r")
        if self.each is None:
            return list(values.reshape(self.samples, *self.shapes[index]))
        shapes = [shapes[index] for shapes in self.each]
        parts = np.split(values, np.cumsum([np.prod(shape, dtype=np.int64) for shape in shapes])[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def store_calibration(
    dataset: Dataset,
    inputs: Sequence[TensorSpec],
    preprocessing: Preprocessing,
    folder: Path,
    progress: Progress,
    vocabularies: Mapping[str, int] | None = None,
) -> CalibrationSet:
    """Preprocesses a data set into ``folder``.

    Args:
        vocabularies: As of `InputPipeline`.

    Raises:
        DataError: It is empty, has NaN or infinite values, or samples of different shapes although the model takes several
            at once.
    """
    pipeline = InputPipeline(inputs, preprocessing, vocabularies)
    skipped = SkippedSamples(dataset.size)
    with disk_errors(folder), progress.task("Reading calibration samples", dataset.size) as advance:
        folder.mkdir(parents=True, exist_ok=True)
        with _Writer(folder, pipeline) as writer:
            for sample in dataset:
                try:
                    arrays = pipeline.prepare(sample.read(), sample.key)
                except UnreadableSampleError as error:
                    skipped.add(sample.key, error)
                    continue
                finally:
                    advance(1)
                writer.add(sample, arrays)
    if not writer.each:
        raise DataError(f"The calibration data at {dataset.location} are empty.")
    skipped.check(len(writer.each) + len(skipped.names))
    unlike = tuple(writer.each) if len(set(writer.each)) > 1 else None
    names = [spec.name for spec in pipeline.inputs]
    writer.digest.update(repr((unlike or writer.shapes, writer.dtypes, names)).encode())
    facts = {name: np.concatenate(columns) for name, columns in writer.facts.items()}
    return CalibrationSet(
        folder=folder,
        names=tuple(names),
        dtypes=tuple(writer.dtypes),
        shapes=tuple(writer.shapes),
        each=unlike,
        samples=len(writer.each),
        sha256=writer.digest.hexdigest(),
        skipped=tuple(skipped.names),
        inputs=Inputs(pipeline.inputs, facts, dataset.classes),
    )


class _Writer:
    """Writes samples, one file an input, and gathers what is known of them; closes the files at the end of its context."""

    def __init__(self, folder: Path, pipeline: InputPipeline) -> None:
        self._streams = [(folder / f"{i}.raw").open("wb") for i in range(len(pipeline.inputs))]
        self._together = any(spec.shape[0] > 1 for spec in pipeline.inputs if spec.shape)
        self._texts: dict[int, list[NDArray[Any]]] = defaultdict(list)  # written last, when the longest one is known
        self.shapes: list[tuple[int, ...]] = []
        self.dtypes: list[str] = []
        self.each: list[tuple[tuple[int, ...], ...]] = []
        self.facts: dict[str, list[NDArray[Any]]] = defaultdict(list)
        self.digest = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for i, rows in self._texts.items() if kind is None else ():
                whole = np.concatenate([row.reshape(-1) for row in rows])
                self.dtypes[i] = whole.dtype.str
                self._streams[i].write(whole.tobytes())
        finally:
            for stream in self._streams:
                stream.close()

    def add(self, sample: Sample, arrays: tuple[NDArray[Any], ...]) -> None:
        if self._together:
            check_shapes(arrays, self.shapes, sample.key, "calibration")
        if not self.shapes:
            self.shapes, self.dtypes = [a.shape for a in arrays], [a.dtype.str for a in arrays]
        self.each.append(tuple(array.shape for array in arrays))
        for i, array in enumerate(arrays):
            self.digest.update(array.tobytes())
            if array.dtype.kind == "S":
                self._texts[i].append(array)
            else:
                self._streams[i].write(array.tobytes())
        label = sample.label if isinstance(sample.label, int) else -1
        described = {**input_facts([arrays]), **(picture_facts(arrays[0]) or {}), "label": np.array([label])}
        for name, column in described.items():
            self.facts[name].append(column)


def check_shapes(
    arrays: Sequence[NDArray[Any]],
    shapes: Sequence[tuple[int, ...]],
    key: str,
    purpose: Literal["calibration", "training"],
) -> None:
    """Raises `DataError` where a sample has other shapes than those before it (``shapes``, empty for the first)."""
    if shapes and [a.shape for a in arrays] != list(shapes):
        raise DataError(
            f"The {purpose} sample '{key}' has the shape {[list(a.shape) for a in arrays]}, "
            f"the ones before it {[list(s) for s in shapes]}.",
            fix="Pad the samples to one shape, and fix the model's with --input-shape.",
        )
