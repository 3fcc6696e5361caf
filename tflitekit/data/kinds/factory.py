"""Functions that return a fresh iterable of samples, and tf.data pipelines. TensorFlow is not imported: a pipeline is the user's."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.core.errors import DataError
from tflitekit.core.user_code import load_function, place
from tflitekit.data.kinds import data_kind
from tflitekit.data.rows import class_labels, one_hot
from tflitekit.data.samples import Array, Dataset, Raw, Sample, UnreadableSampleError, balanced, some

__all__ = ["Factory"]

# Labels that are looked at to tell one-hot classes from targets.
_FIRST = 256


@data_kind("factory")
def open_factory(source: Any, **options: Any) -> Factory | None:
    """Opens a tf.data pipeline, a function, or ``module:function`` where no file or folder is called so."""
    if _is_pipeline(source):
        return Factory("tf.data pipeline", lambda: source, **options)
    if callable(source) and not isinstance(source, Mapping | np.ndarray):
        return Factory(getattr(source, "__name__", "data function"), source, **options)
    if isinstance(source, str | Path) and ":" in str(source) and not Path(source).exists():
        return Factory(str(source), load_function(str(source), "data factory"), **options)
    return None


class Factory(Dataset):
    """A function that returns a fresh iterable of ``(inputs, label)`` each time it is called."""

    kind = "factory"
    random_access = False

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
                raise DataError(f"The data factory {location} yields no samples.")
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
            for index, item in enumerate(_items(self._function())):
                if self._chosen is None or index in self._chosen:
                    yield self._sample(index, item)
        except DataError:
            raise
        except Exception as error:
            raise DataError(
                f"The data factory {self.location} failed: {type(error).__name__}: {str(error).rstrip('.')}.",
                why=f"At {where}." if (where := place(error)) else None,
                fix="It must take no arguments and return an iterable of (inputs, label), or a tf.data pipeline of them.",
            ) from error

    def _sample(self, index: int, item: Any) -> Sample:
        inputs, label = _pair(item)
        if label is None and self._need_labels:
            raise DataError(
                f"The data factory {self.location} yields no label at item {index}.",
                why=f"It yielded a {type(item).__name__}.",
                fix="Yield tuples (inputs, label); inputs is an array or a dict from input name to array.",
            )
        arrays = dict(inputs) if isinstance(inputs, Mapping) else {"x": inputs}
        row = {name: np.asarray(value) for name, value in arrays.items()}
        if isinstance(label, Mapping):
            label = {name: self._label(index, np.asarray(value), name) for name, value in label.items()}
        elif label is not None:
            label = self._label(index, np.asarray(label), "")
        return Sample(f"item {index}", label, lambda: row)

    def _label(self, index: int, target: Array, output: str) -> Any:
        if target.size == 1:
            return class_labels(self.location, target.reshape(1), self.classes, output)[0]
        if target.size == 0 or target.dtype.kind not in "biuf" or not np.isfinite(target).all():
            raise DataError(
                f"The label at item {index} of {self.location} is {str(target.tolist())[:60]}: it is empty, not numeric, NaN or infinite.",
                fix="Yield a class index, or an array of finite targets.",
            )
        if output not in self._one_hot:
            return target
        if not one_hot(target[None]):
            raise DataError(
                f"The label at item {index} of {self.location} is {some([str(v) for v in target.ravel().tolist()])}, and those before "
                "it are one-hot classes.",
                fix="Yield class indices; or targets as floats that are not all zeros and ones.",
            )
        return int(target.argmax())

    @functools.cached_property
    def _one_hot(self) -> set[str]:
        """The outputs whose labels of several values are classes, by the first of them: a single one cannot tell."""
        labels: dict[str, list[Array]] = defaultdict(list)
        for _, label in map(_pair, itertools.islice(_items(self._function()), _FIRST)):
            for output, value in (label if isinstance(label, Mapping) else {"": label}).items():
                if value is not None:
                    labels[output].append(np.asarray(value))
        return {output for output, found in labels.items() if _are_one_hot(found)}


def _are_one_hot(labels: Sequence[Array]) -> bool:
    alike = len({label.shape for label in labels}) == 1
    return alike and one_hot(np.stack(labels)) and len(np.unique(np.argmax(labels, axis=1))) > 1


def _pair(item: Any) -> tuple[Any, Any]:
    return item if isinstance(item, tuple) and len(item) == 2 else (item, None)


def _is_pipeline(value: Any) -> bool:
    """Whether a value is a ``tf.data.Dataset``."""
    return hasattr(value, "as_numpy_iterator") and hasattr(value, "element_spec")


def _items(found: Any) -> Iterable[Any]:
    """Returns the samples of what a factory returned; those of a batched tf.data pipeline one by one."""
    if not _is_pipeline(found):
        return found  # type: ignore[no-any-return]
    items: Iterable[Any] = (found.unbatch() if _is_batched(found) else found).as_numpy_iterator()
    return items


def _is_batched(pipeline: Any) -> bool:
    """Looks for the step that made batches, behind those that keep them; where none is found, at the shapes."""
    step = pipeline
    while step is not None:
        kind = type(step).__name__
        if "Unbatch" in kind:
            return False
        if "Batch" in kind:
            return True
        if "FlatMap" in kind or "Interleave" in kind:  # what comes out is made by a function
            break
        step = getattr(step, "_input_dataset", None)
    spec = pipeline.element_spec
    if not (isinstance(spec, tuple) and len(spec) == 2):
        return False
    first = [next(iter(part.values())) if isinstance(part, Mapping) else part for part in spec]
    ends = [tuple(part.shape)[:1] for part in first if getattr(part, "shape", None) is not None]
    return len(ends) == 2 and ends[0] == ends[1] == (None,)
