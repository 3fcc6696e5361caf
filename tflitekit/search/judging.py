"""How much a file loses against the float model, on samples that nobody evaluates on.

For classes it is the accuracy that the float model expects to be lost: on each sample its probability of its own class less that of
the class which the file gives instead. Of a sample whose class stays the same this is zero, and of one between two equally probable
classes nearly so; hence it varies far less from sample to sample than hits and misses do, and a few hundred samples say what
thousands of labels would. It is as good as the probabilities are, so labels set their temperature where there are any (C. Guo et al.
2017, arXiv 1706.04599). For other outputs it is the share of variance that the file does not explain, of the worst column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.fidelity import as_columns, divergence
from tflitekit.core.errors import DataError
from tflitekit.data.calibration import CalibrationSet
from tflitekit.search.bounds import Bounds, Loss
from tflitekit.tflite.runtime import Model

__all__ = ["Reference"]

Array = NDArray[Any]
Columns = dict[str, int | None]
"""The axis along which each output has its columns, by its name."""

_ONE_SIDED = 1.645
"""Standard errors to the upper end of a one-sided 95 % interval."""
_FIRST = 500
_TEMPERATURES = np.geomspace(0.25, 8.0, 61)
_UNBOUNDED = 1e6
_MOST_BYTES = 1 << 29  # of the float model's outputs


@dataclass(frozen=True)
class Reference:
    """The float model's outputs on all samples.

    Attributes:
        outputs: By name, each ``(n, ...)``.
        classes: The output that has one value for each class; None where there is none.
        probable: Whether those are probabilities, not logits.
        temperature: By which logits are divided so that the probabilities fit the labels; 1 without labels.
        by_agreement: Whether a loss is the share of samples with another class, whatever that costs.
    """

    outputs: dict[str, Array]
    classes: str | None
    probable: bool
    temperature: float = 1.0
    by_agreement: bool = False

    @classmethod
    def of(cls, model: Model, samples: CalibrationSet, output: str, labels: Array | None) -> Reference:
        """Runs the float model.

        Args:
            output: The one that labels belong to.
            labels: The class of each sample, where they are known.
        """
        total = len(samples.rows) if samples.rows is not None else samples.samples
        outputs = _Running(model, samples).until(total)
        values = outputs[output]
        probable = model.graph.output_meanings[[s.name for s in model.outputs].index(output)] == "probabilities"
        sums_to_one = probable and values.ndim == 2 and np.allclose(values.sum(1), 1.0, atol=0.01)
        is_classes = values.ndim == 2 and values.shape[1] > 1 and (sums_to_one or labels is not None)
        if not is_classes:
            return cls(outputs, None, probable)
        temperature = 1.0
        if labels is not None and labels.max(initial=-1) < values.shape[1]:
            temperature = _fitted(values, labels, probable)
        return cls(outputs, output, probable, temperature)

    def save(self, folder: Path) -> None:
        """Writes it, for other processes."""
        folder.mkdir(exist_ok=True)
        for number, values in enumerate(self.outputs.values()):
            np.save(folder / f"{number}.npy", values)

    @classmethod
    def load(cls, folder: Path, names: Sequence[str], **others: Any) -> Reference:
        """Reads what `save` wrote; the values stay on disk."""
        outputs = {name: np.load(folder / f"{number}.npy", mmap_mode="r") for number, name in enumerate(names)}
        return cls(outputs, **others)

    def loss(self, model: Model, samples: CalibrationSet, bounds: Bounds, *, at_once: bool = False) -> Loss:
        """Runs another file on the same samples and compares its outputs.

        It stops as soon as there is little doubt on which side of each limit the file is: only what is near one takes all samples.

        Args:
            at_once: Whether the first samples are enough in any case.
        """
        columns = {spec.name: axis for spec, axis in zip(model.outputs, model.graph.column_axes, strict=True)}
        running, total = _Running(model, samples), len(next(iter(self.outputs.values())))
        count = min(_FIRST, total)
        while True:
            found = self._compare(running.until(count), count, columns, by_class=bounds.class_loss is not None)
            if at_once or count == total or bounds.is_settled(found):
                return found
            count = min(2 * count, total)

    def _compare(self, found: dict[str, Array], count: int, columns: Columns, *, by_class: bool) -> Loss:
        if self.classes is None:
            return self._of_values(found, count, columns)
        expected, given = self.outputs[self.classes][:count], found[self.classes]
        trusted = _probabilities(expected, self.probable, self.temperature)
        rows = np.arange(count)
        # What is not a number gives no class, and so loses all that the float model has.
        finite = np.isfinite(given).all(1)
        answers = np.nan_to_num(given).argmax(1)
        if self.by_agreement:
            lost = np.where(finite, answers != expected.argmax(1), 1.0)
        else:
            lost = trusted[rows, expected.argmax(1)] - np.where(finite, trusted[rows, answers], 0.0)
        both = (np.nan_to_num(_probabilities(each, self.probable, 1.0)) for each in (expected, given))
        apart = float(divergence(*both).mean())
        loss = float(lost.mean())
        overall = Loss(loss=loss, high=loss + _ONE_SIDED * float(_error(lost)), divergence=apart, samples=count)
        if not by_class:
            return overall
        return overall.model_copy(update=_of_worst_class(trusted, expected.argmax(1), np.where(finite, answers, -1)))

    def _of_values(self, found: dict[str, Array], count: int, columns: Columns) -> Loss:
        floats = [name for name, one in self.outputs.items() if one.dtype.kind == "f"]
        every = (_unexplained(self.outputs[name][:count], found[name], columns[name]) for name in floats)
        shares = [share for share in every if share.shape[1]]
        if not shares:
            return Loss(loss=0.0, high=0.0, divergence=0.0, samples=count)
        means = np.concatenate([share.mean(0) for share in shares])
        errors = np.concatenate([_error(share) for share in shares])
        worst = int(means.argmax())
        loss = float(means[worst])
        high = loss + _ONE_SIDED * float(errors[worst])
        return Loss(loss=loss, high=high, divergence=float(means.mean()), samples=count)


def _of_worst_class(trusted: Array, before: Array, after: Array) -> dict[str, float | int]:
    """Returns what the recall of the class that loses most is expected to lose, as fields of `Loss`.

    The expected number of samples of a class that got their class before and do not now, over the expected number of its samples: a ratio, with
    the standard error of its linear approximation.

    Args:
        trusted: The probabilities ``(n, classes)``.
        before, after: Answers of the float model and of the file; -1 for none.
    """
    classes = np.arange(trusted.shape[1])
    lost = trusted * ((before[:, None] == classes).astype(np.float64) - (after[:, None] == classes))
    members = np.maximum(trusted.mean(0), 1e-9)
    losses = lost.mean(0) / members
    highs = losses + _ONE_SIDED * _error(lost - losses * trusted) / members
    worst = int(highs.argmax())
    return {"class_loss": float(losses[worst]), "class_high": float(highs[worst]), "worst_class": worst}


def _error(values: Array) -> Array:
    """Returns the standard error of the mean over samples."""
    error: Array = values.std(0) / np.sqrt(max(1.0, len(values) - 1.0))
    return error


def _unexplained(expected: Array, found: Array, axis: int | None) -> Array:
    """Returns the squared errors ``(n, columns)``, in units of a column's variance; without columns that are constant."""
    rows = len(expected), -1
    wanted, given = (as_columns(np.asarray(each, np.float64), axis) for each in (expected, found))
    spread = wanted.var(0)
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.square(wanted - given)[:, spread > 0] / spread[spread > 0]
    errors = np.minimum(np.nan_to_num(errors, nan=_UNBOUNDED, posinf=_UNBOUNDED), _UNBOUNDED)
    shares: Array = errors.reshape(*rows, errors.shape[1]).mean(1)
    return shares


class _Running:
    """The outputs of a file on the first of some samples, and on more of them."""

    def __init__(self, model: Model, samples: CalibrationSet) -> None:
        self._model = model
        self._names = [spec.name for spec in model.inputs]
        self._batches = samples.batches(model.batch)
        self._found: list[list[Array]] = []
        self._bytes = 0

    def until(self, count: int) -> dict[str, Array]:
        """Returns the outputs of the first ``count`` samples by name.

        Raises:
            DataError: They are too large, or of unlike shapes.
        """
        while len(self._found) * self._model.batch < count:
            batch = next(self._batches)
            self._found.append(self._model.run([batch[name] for name in self._names]))
            self._bytes += sum(array.nbytes for array in self._found[-1])
            if self._bytes > _MOST_BYTES:
                raise DataError(
                    f"The outputs of {count:,} samples do not fit into memory.",
                    why=f"Each has {self._bytes // len(self._found):,} bytes.",
                    fix="Judge on fewer with --search-samples.",
                )
        return {spec.name: self._stacked(index, spec.name)[:count] for index, spec in enumerate(self._model.outputs)}

    def _stacked(self, index: int, name: str) -> Array:
        columns = [each[index] for each in self._found]
        if len({column.shape for column in columns}) > 1:
            raise DataError(
                f"The output '{name}' has another shape for each sample.",
                fix="A search needs one shape: fix that of the input with --input-shape.",
            )
        return np.concatenate(columns) if columns[0].shape[:1] == (self._model.batch,) else np.stack(columns)


def _probabilities(values: Array, probable: bool, temperature: float) -> Array:
    logits: Array = np.asarray(values, np.float64)
    if probable:
        if temperature == 1.0:
            return logits
        logits = np.log(np.maximum(logits, 1e-9))
    return _softmax(logits / temperature)


def _softmax(logits: Array) -> Array:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    shares: Array = raised / raised.sum(1, keepdims=True)
    return shares


def _fitted(values: Array, labels: Array, probable: bool) -> float:
    """Returns the temperature of the smallest cross-entropy."""
    rows = np.arange(len(labels))

    def cross_entropies() -> Iterator[float]:
        for temperature in _TEMPERATURES:
            chosen = _probabilities(values, probable, float(temperature))[rows, labels]
            yield -float(np.log(np.maximum(chosen, 1e-12)).mean())

    return float(_TEMPERATURES[int(np.argmin(list(cross_entropies())))])
