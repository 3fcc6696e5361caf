"""What a metric gets of a file's outputs: one of them as an array, several of them, or what a reader makes of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.inference import Outputs
from tflitekit.accuracy.metrics import AnyMetric, Meaning, Metric, ReferenceMetric, Scores
from tflitekit.accuracy.metrics.decoded import DecodedMetric, DecodedReference
from tflitekit.accuracy.metrics.several import OfOneOutput, SeveralMetrics, column_of
from tflitekit.core.answers import wrong_answer
from tflitekit.core.errors import DataError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.contract import find_output
from tflitekit.data.facts import output_facts
from tflitekit.data.frame import Frame
from tflitekit.tasks.interface import Interface

__all__ = ["Reading", "reading_of"]


class Reading(Protocol):
    """How the outputs of one file reach a metric.

    Attributes:
        wanted: Numbers of the outputs that it takes, in the file's order.
    """

    wanted: frozenset[int]

    def read(self, found: Outputs, frames: Sequence[Frame]) -> list[Any]:
        """Returns for each sample what the metric compares."""

    def score(self, found: Outputs, read: Sequence[Any], truth: Sequence[Any]) -> Scores:
        """Returns the columns of a chunk: the metric's, and what is known of the scored output (see `tflitekit.data.facts`).

        Args:
            read: What `read` returned of ``found``.
            truth: Labels, or, without labels, what was read of the baseline.
        """


def reading_of(metric: AnyMetric, interface: Interface, outputs: Sequence[TensorSpec], reference: Interface) -> Reading:
    """Returns how a file's outputs reach a metric.

    Args:
        interface: The file's.
        outputs: The file's, in its order.
        reference: The baseline's, for metrics that compare with it; else the file's own.
    """
    if isinstance(metric, DecodedMetric | DecodedReference):
        return _Decoded(metric, interface, outputs)
    if isinstance(metric, SeveralMetrics):
        return _Several(metric, interface, outputs)
    return _Single(metric, interface, outputs, reference)


class _Single:
    """The scored output, as an array."""

    def __init__(
        self,
        metric: Metric | ReferenceMetric,
        interface: Interface,
        outputs: Sequence[TensorSpec],
        reference: Interface,
    ) -> None:
        self._metric = metric
        self._index = _number(outputs, interface.output.name)
        self._meaning = _meaning(interface)
        self._of_reference = _meaning(reference)
        self.wanted = frozenset({self._index})

    def read(self, found: Outputs, frames: Sequence[Frame]) -> list[Any]:
        del frames
        return found[self._index]

    def score(self, found: Outputs, read: Sequence[Any], truth: Sequence[Any]) -> Scores:
        """Scores samples that follow one another and are of one shape at once."""
        del found
        parts = []
        pairs = zip(read, truth, strict=True)
        for _, alike in itertools.groupby(pairs, key=lambda pair: (pair[0].shape, np.shape(pair[1]))):
            group = list(alike)
            stacked = np.stack([output for output, _ in group])
            scored = self._scored(stacked, [expected for _, expected in group])
            parts.append(_checked(self._metric, scored, len(group)) | output_facts(stacked))
        return _joined(parts)

    def _scored(self, outputs: NDArray[np.float32], truth: list[Any]) -> Scores:
        if not isinstance(self._metric, ReferenceMetric):
            return self._metric.score(outputs, truth, meaning=self._meaning)
        return self._metric.compare(outputs, np.stack(truth), meaning=self._meaning, of_reference=self._of_reference)


class _Decoded:
    """What a reader makes of the outputs."""

    def __init__(
        self, metric: DecodedMetric | DecodedReference, interface: Interface, outputs: Sequence[TensorSpec]
    ) -> None:
        self._metric, self._reader = metric, metric.open(interface)
        self._indices = [_number(outputs, name) for name in self._reader.outputs]
        self._scored_output = _number(outputs, interface.output.name)
        self.wanted = frozenset({*self._indices, self._scored_output})

    def read(self, found: Outputs, frames: Sequence[Frame]) -> list[Any]:
        rows = zip(*(found[index] for index in self._indices), strict=True)
        return [self._reader.read(row, frame) for row, frame in zip(rows, frames, strict=True)]

    def score(self, found: Outputs, read: Sequence[Any], truth: Sequence[Any]) -> Scores:
        if isinstance(self._metric, DecodedReference):
            scored = self._metric.compare_decoded(read, truth)
        else:
            scored = self._metric.score_decoded(read, truth)
        rows = zip(*(found[index] for index in self._indices), strict=True)
        finite = np.asarray([all(np.isfinite(array).all() for array in row) for row in rows], np.bool_)
        return _checked(self._metric, scored | {"finite": finite}, len(read)) | _facts(found[self._scored_output])


class _Several:
    """Each output that has labels, as its own metric wants it."""

    def __init__(self, metric: SeveralMetrics, interface: Interface, outputs: Sequence[TensorSpec]) -> None:
        self._readings = [(part, self._of(part, interface, outputs)) for part in metric.parts]
        self.wanted = frozenset().union(*(reading.wanted for _, reading in self._readings))

    @staticmethod
    def _of(part: OfOneOutput, interface: Interface, outputs: Sequence[TensorSpec]) -> Reading:
        own = interface.only(part.output)
        return reading_of(part.metric, own, outputs, own)

    def read(self, found: Outputs, frames: Sequence[Frame]) -> list[Any]:
        """Returns for each sample what is read of each output, in the order of the metrics."""
        return list(zip(*(reading.read(found, frames) for _, reading in self._readings), strict=True))

    def score(self, found: Outputs, read: Sequence[Any], truth: Sequence[Any]) -> Scores:
        columns: Scores = {}
        for index, (part, reading) in enumerate(self._readings):
            labels = [_label_of(label, part.output) for label in truth]
            own = reading.score(found, [row[index] for row in read], labels)
            columns |= {column_of(part.output, name): column for name, column in own.items()}
        finite = [columns[column_of(part.output, "finite")] for part, _ in self._readings]
        return columns | {"finite": np.logical_and.reduce(finite)}


def _label_of(label: Any, output: str) -> Any:
    if not isinstance(label, Mapping) or label.get(output) is None:
        raise DataError(
            f"A sample has no label for the output '{output}', and the first one has.",
            fix="Give each sample a label for each of these outputs.",
        )
    return label[output]


def _facts(outputs: Sequence[NDArray[np.float32]]) -> Scores:
    groups = itertools.groupby(outputs, key=lambda output: output.shape)
    return _joined([output_facts(np.stack(list(group))) for _, group in groups])


def _joined(parts: Sequence[Scores]) -> Scores:
    return parts[0] if len(parts) == 1 else {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def _number(outputs: Sequence[TensorSpec], name: str) -> int:
    return outputs.index(find_output(outputs, name))


def _meaning(interface: Interface) -> Meaning:
    return interface.meanings.get(interface.output.name, "values")


def _checked(metric: AnyMetric, scored: Any, n: int) -> Scores:
    """Returns the columns of a metric, which may be another package's: with a row for each sample."""
    by = metric.compare if isinstance(metric, ReferenceMetric) else metric.score
    if not isinstance(scored, dict) or "finite" not in scored:
        raise wrong_answer(by, "did not return a dict with the column 'finite'")
    columns = {name: np.asarray(column) for name, column in scored.items()}
    for name, column in columns.items():
        if column.shape[:1] != (n,):
            raise wrong_answer(by, f"returned the column '{name}' of shape {column.shape} for {n} samples")
    return columns
