"""Samples that a file or a folder holds one after the other: labels stay in memory, everything else is read when it is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tflitekit.core.errors import DataError
from tflitekit.data.columns import has_decimal_comma
from tflitekit.data.names import match_names
from tflitekit.data.rows import class_labels
from tflitekit.data.samples import Dataset, Raw, Sample, balanced, label_content

__all__ = ["Labels", "Record", "Records", "labels_of", "many_labels"]


class Record(NamedTuple):
    """One sample without its label: as `Sample` has it."""

    key: str
    read: Callable[[], Raw]
    path: str | None = None


class Labels(NamedTuple):
    """One label a sample, None for all without labels; and the names of the classes, where there are any."""

    values: list[Any]
    classes: tuple[str, ...] | None


class Records(Dataset):
    """Samples in one order; a subclass yields them with `records`, and hashes them with `content`.

    Args:
        location: Where the data come from, in the user's words.
        labels: One for each record.
        limit: This and the others as of `tflitekit.data.dataset.open_dataset`.
    """

    def __init__(self, location: str, labels: Labels, *, limit: int | None, seed: int, need_labels: bool) -> None:
        super().__init__(location, classes=labels.classes)
        self._labels = labels.values
        if not self._labels:
            raise DataError(f"{location} is empty: it has no samples.")
        if need_labels and self._labels[0] is None:
            raise DataError(f"{location} has no labels.", fix=self.label_advice)
        self._chosen: list[int] | None = None
        if limit is not None:
            self._chosen = balanced(self._labels, limit, seed)
            self.available, self.seed = len(self._labels), seed

    label_advice = "Name what holds them: PATH:label=NAME."
    """What to do where there are no labels."""

    def records(self) -> Iterator[Record]:
        """Yields all records, in the order of the labels."""
        raise NotImplementedError

    def content(self) -> str | None:
        """Returns a hash of all records; None where only a full pass would tell."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._labels) if self._chosen is None else len(self._chosen)

    def __iter__(self) -> Iterator[Sample]:
        chosen = None if self._chosen is None else set(self._chosen)
        count = 0
        for count, (record, label) in enumerate(zip(self.records(), self._labels, strict=False), 1):
            if chosen is None or count - 1 in chosen:
                yield Sample(record.key, label, record.read, record.path)
        if count != len(self._labels):
            raise DataError(f"{self.location} has changed while it was read.", fix="Run the same command again.")

    def largest_label(self) -> int | None:
        return max((label for label in self._labels if isinstance(label, int)), default=None)

    def fingerprint(self) -> str | None:
        content = self.content()
        if content is None:
            return None
        digest = hashlib.sha256(f"{content}{self._chosen}".encode())
        for label in self._labels:
            digest.update(label_content(label))
        return digest.hexdigest()


def labels_of(
    location: str,
    found: Sequence[Any] | None,
    count: int,
    *,
    names: Sequence[str] | None,
    labels: tuple[str, ...] | None,
) -> Labels:
    """Returns what labels mean: text that is numbers is numbers, other text is names, sorted unless an order is given.

    Args:
        found: Numbers, arrays or text, one a sample; None without labels.
        count: Of the samples.
        names: Of the classes, where the data name them; ``found`` are indices then.
        labels: Class names in the order of the model's output.

    Raises:
        DataError: A label is missing or of another kind than the others, or a name is none of ``labels``.
    """
    if found is None or not len(found):
        return Labels([None] * count, labels)
    if names is not None:
        _check_indices(location, found, names)
        order = (
            range(len(names))
            if labels is None
            else match_names(names, labels, lambda n: f"The class '{n}' of {location}")
        )
        return Labels([order[int(index)] for index in found], labels or tuple(names))
    if all(isinstance(label, str) for label in found):
        return _of_text(location, found, labels)
    shapes = {np.shape(label) for label in found}
    if len(shapes) > 1 or any(isinstance(label, str | None) for label in found):
        raise DataError(
            f"The labels in {location} are of different kinds.", fix="Give each sample a label of one kind."
        )
    return Labels(class_labels(location, np.asarray(found), labels), labels)


def many_labels(location: str, outputs: Mapping[str, Sequence[Any]], labels: tuple[str, ...] | None) -> Labels:
    """Returns labels that are a dict from the name of an output to its label; class names are those of an output that has text."""
    columns = {name: labels_of(location, found, len(found), names=None, labels=None) for name, found in outputs.items()}
    rows = zip(*(column.values for column in columns.values()), strict=True)
    return Labels([dict(zip(columns, row, strict=True)) for row in rows], labels)


def _check_indices(location: str, found: Sequence[Any], names: Sequence[str]) -> None:
    for number, index in enumerate(found):
        if index is None or not 0 <= int(index) < len(names):
            raise DataError(f"The label {index} of row {number} in {location} is none of its {len(names)} classes.")


def _of_text(location: str, found: Sequence[str], labels: tuple[str, ...] | None) -> Labels:
    texts = [text.strip() for text in found]
    distinct = sorted(set(texts))
    if "" in distinct:
        raise DataError(f"Row {texts.index('')} of {location} has no label.", fix="Give each sample a label, or none.")
    if labels is not None:
        order = match_names(distinct, labels, lambda name: f"The label '{name}' in {location}")
        by_text = dict(zip(distinct, order, strict=True))
        return Labels([by_text[text] for text in texts], labels)
    for kind in (int, float):
        try:
            numbers = np.array([kind(text) for text in texts])
        except (ValueError, OverflowError):
            continue
        return Labels(class_labels(location, numbers, None), None)
    _check_names(location, texts, distinct)
    by_name = {name: index for index, name in enumerate(distinct)}
    return Labels([by_name[text] for text in texts], tuple(distinct))


def _check_names(location: str, texts: Sequence[str], distinct: Sequence[str]) -> None:
    """Refuses labels of which some are numbers and others names: a gap in numbers, more likely than classes with such names."""
    comma = next((number for number, text in enumerate(texts) if has_decimal_comma(text)), None)
    if comma is not None:
        raise DataError(
            f"The label of row {comma} in {location} is '{texts[comma][:40]}', which is no number.",
            fix="Write decimals with a point, as in 1.5.",
        )
    numbers = {text for text in distinct if _is_number(text)}
    if numbers:
        number, name = next((number, text) for number, text in enumerate(texts) if text not in numbers)
        raise DataError(
            f"The label of row {number} in {location} is '{name[:40]}', and others are numbers, such as {min(numbers)}.",
            fix="Repair the label; or, where all are names of classes, give their order with --labels FILE.",
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
