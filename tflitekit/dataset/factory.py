"""Functions that return a fresh iterable of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tflitekit.dataset.rows import class_labels
from tflitekit.dataset.samples import Dataset, Raw, Sample, UnreadableSampleError, balanced
from tflitekit.errors import DataError
from tflitekit.user_code import place

__all__ = ["Factory"]


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
                why=f"At {where}." if (where := place(error)) else None,
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
