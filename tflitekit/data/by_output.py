"""Data with a label for each of several outputs, as the labels of one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tflitekit.core.errors import DataError
from tflitekit.data.dataset import Dataset, Sample

__all__ = ["OfOutput", "label_of", "labelled_outputs"]


def labelled_outputs(dataset: Dataset) -> tuple[str, ...]:
    """Returns the outputs that the labels are given for by name; none where a label is that of one output."""
    first = next(iter(dataset), None)
    return tuple(first.label) if first is not None and isinstance(first.label, Mapping) else ()


def label_of(sample: Sample, output: str) -> Any:
    """Returns a sample's label for an output.

    Raises:
        DataError: It has none.
    """
    if not isinstance(sample.label, Mapping) or sample.label.get(output) is None:
        raise DataError(
            f"The sample '{sample.key}' has no label for the output '{output}', and the first one has.",
            fix="Give each sample a label for each of these outputs.",
        )
    return sample.label[output]


class OfOutput(Dataset):
    """The same samples with the labels of one output.

    Args:
        classes: Names of its classes, where they are known.
    """

    def __init__(self, dataset: Dataset, output: str, classes: tuple[str, ...] | None) -> None:
        super().__init__(dataset.location, classes=classes)
        self.kind, self.pictures = dataset.kind, dataset.pictures
        self.random_access, self.notes = dataset.random_access, dataset.notes
        self.available, self.seed = dataset.available, dataset.seed
        self._dataset, self._output = dataset, output

    def __iter__(self) -> Iterator[Sample]:
        return (replace(sample, label=label_of(sample, self._output)) for sample in self._dataset)

    def __len__(self) -> int:
        return len(self._dataset)

    def fingerprint(self) -> str | None:
        return self._dataset.fingerprint()

    def check_values(self) -> None:
        self._dataset.check_values()

    def largest_label(self) -> int | None:
        """Returns the largest class index; None without classes, and for data that are read in one order only."""
        if not self.random_access:
            return None
        return max((sample.label for sample in self if isinstance(sample.label, int)), default=None)

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        return self._dataset.pick(positions)
