"""Rows of arrays by input name, and what their labels mean."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tflitekit.core.answers import answering, expect
from tflitekit.core.errors import DataError
from tflitekit.data.names import match_names
from tflitekit.data.samples import Array, Dataset, Sample, balanced, label_content

__all__ = ["Rows", "check_finite", "class_labels", "labels_by_output", "one_hot"]


class Rows(Dataset):
    """Rows of arrays by input name; a subclass says with `rows` where they come from, so that they need not fit into memory.

    Args:
        location: Where the data come from, in the user's words.
        lengths: Number of rows of each input; all must agree.
        targets: The labels, which are kept in memory: class indices, names from ``labels``, one-hot rows or numbers; by output where
            several have labels; None without.
        labels: Class names in the order of the model's output; this and the others as of `tflitekit.data.dataset.open_dataset`.
    """

    def __init__(
        self,
        location: str,
        lengths: Mapping[str, int],
        targets: Array | Mapping[str, Array] | None,
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
                fix="Store class indices or targets as the array 'y'; to train an autoencoder, its inputs.",
            )
        by_output = targets if isinstance(targets, Mapping) else {} if targets is None else {"": targets}
        counts = dict(lengths) | {f"y.{name}".rstrip("."): len(values) for name, values in by_output.items()}
        self.check_counts(location, counts)
        total = next(iter(counts.values()))
        self._names = list(lengths)
        columns = {name: class_labels(location, values, labels, name) for name, values in by_output.items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        self._labels = columns.get("", rows) if columns else [None] * total
        self._chosen = range(total) if limit is None else balanced(self._labels, limit, seed)
        super().__init__(location, classes=labels)
        if limit is not None:
            self.available, self.seed = total, seed

    @staticmethod
    def check_counts(location: str, counts: Mapping[str, int]) -> None:
        """Raises `DataError` where arrays have different numbers of samples, or none."""
        if len(set(counts.values())) > 1:
            shown = ", ".join(f"{name}: {count}" for name, count in counts.items())
            raise DataError(f"The arrays in {location} have different numbers of samples ({shown}).")
        if 0 in counts.values():
            raise DataError(f"{location} is empty: its arrays have no samples.")

    def __len__(self) -> int:
        return len(self._chosen)

    def largest_label(self) -> int | None:
        return max((label for label in self._labels if isinstance(label, int)), default=None)

    def rows(self, name: str, chosen: Sequence[int]) -> Iterator[Array]:
        """Yields the rows of an input that are chosen, in this order, one at a time."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Sample]:
        columns = [answering(self.rows, Iterable)(name, self._chosen) for name in self._names]
        for index, *values in zip(self._chosen, *columns, strict=True):
            arrays = (expect(value, np.ndarray, np.generic, by=self.rows) for value in values)
            row = dict(zip(self._names, arrays, strict=True))
            yield Sample(f"row {index}", self._labels[index], lambda row=row: row)  # type: ignore[misc]

    def check_values(self) -> None:
        for sample in self:
            row = sample.read()
            assert isinstance(row, Mapping)
            for name, values in row.items():
                check_finite(values, name, sample.key)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for sample in self:
            digest.update(label_content(sample.label))
            row = sample.read()
            assert isinstance(row, Mapping)
            for name in self._names:
                digest.update(f"{name}{row[name].dtype}{row[name].shape}".encode() + row[name].tobytes())
        return digest.hexdigest()


def labels_by_output(arrays: dict[str, Array]) -> Array | dict[str, Array] | None:
    """Takes the labels out of arrays by name: 'y', or 'y.OUTPUT' for each of several outputs.

    Raises:
        ValueError: There are both.
    """
    by_output = {name.removeprefix("y."): arrays.pop(name) for name in list(arrays) if name.startswith("y.")}
    labels = arrays.pop("y", None)
    if by_output and labels is not None:
        raise ValueError(f"it has labels both as 'y' and as 'y.{next(iter(by_output))}'")
    return by_output or labels


def class_labels(location: str, targets: Array, labels: tuple[str, ...] | None, output: str = "") -> list[Any]:
    """Returns one label a row: class indices where the rows are integers, names or one-hot, else the rows themselves.

    Args:
        output: That they are for, where several have labels.

    Raises:
        DataError: They are neither integers, finite floats nor names from ``labels``.
    """
    shown = f"The labels '{f'y.{output}'.rstrip('.')}' in {location}"
    if targets.dtype.kind in "US":
        if labels is None:
            raise DataError(f"{shown} are names.", fix="Give their order with --labels FILE.")
        return _by_name(location, targets.reshape(len(targets), -1)[:, 0], labels)
    if targets.dtype.kind == "b":
        targets = targets.astype(np.int64)
    if targets.dtype.kind not in "iuf":
        raise DataError(f"{shown} are of the type {targets.dtype}; use integers or floats.")
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        raise DataError(f"{shown} contain NaN or infinite values.")
    if targets.ndim == 2 and targets.shape[1] == 1 and targets.dtype.kind in "iu":
        targets = targets[:, 0]
    if one_hot(targets):
        targets = targets.argmax(axis=1)
    if targets.ndim == 1 and targets.dtype.kind in "iu":
        if int(targets.min()) < 0:
            raise DataError(f"{shown} contain {int(targets.min())}; classes count from 0.")
        if int(targets.max()) > np.iinfo(np.int64).max:
            raise DataError(f"{shown} contain {int(targets.max())}, which is more than int64 holds.")
        return [int(value) for value in targets]
    return list(targets)


def _by_name(location: str, names: Array, labels: tuple[str, ...]) -> list[Any]:
    try:
        texts = [name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist()]
    except UnicodeDecodeError as error:
        raise DataError(f"The labels in {location} are not UTF-8: {error}.", fix="Store them as str.") from error
    distinct = sorted(set(texts))
    indices = match_names(distinct, labels, lambda name: f"The label '{name}' in {location}")
    by_text = dict(zip(distinct, indices, strict=True))
    return [by_text[text] for text in texts]


def one_hot(targets: Array) -> bool:
    """Whether rows ``(n, classes)`` have a single one among zeros."""
    return (
        targets.ndim == 2
        and targets.shape[1] > 1
        and bool(np.isin(targets, (0, 1)).all())
        and bool((targets.sum(axis=1) == 1).all())
    )


def check_finite(values: Array, name: str, key: str) -> None:
    """Refuses what no model takes: NaN, infinity, and numbers that float32 makes infinite.

    Args:
        name: Of the input or array.
        key: The sample's name.

    Raises:
        DataError: ``values`` have some.
    """
    if values.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.astype(np.float32, copy=False))
    if not finite.all():
        worst = values[~finite].flat[0]
        raise DataError(
            f"The sample '{key}' has NaN or infinite values in the input '{name}'."
            if not np.isfinite(worst)
            else f"The sample '{key}' has values in the input '{name}' that float32 cannot hold ({worst:g}).",
            fix="Remove the sample or repair the data.",
        )
