"""What parts of the data hold, so that two machines can tell whether they see the same."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Mapping

from tflitekit.data.annotations import Mask
from tflitekit.data.samples import Dataset, file_content, label_content

__all__ = ["Contents"]


class Contents:
    """Hashes of parts of a data set.

    Where each sample is a file, only these files are read; else, as for masks and for data in one file, the whole is hashed once.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def of(self, start: int, stop: int) -> str | None:
        """Returns a hash of samples ``start`` to ``stop`` and of their labels; None where it cannot be had."""
        digest = hashlib.sha256(f"{start} {stop} {self._dataset.classes}".encode())
        for sample in itertools.islice(self._dataset, start, stop):
            if sample.path is None or not _is_plain(sample.label):
                return self._whole
            digest.update(f"{sample.key}\0".encode(errors="surrogateescape") + file_content(sample.path))
            digest.update(label_content(sample.label))
        return digest.hexdigest()

    @functools.cached_property
    def _whole(self) -> str | None:
        return self._dataset.fingerprint()


def _is_plain(label: object) -> bool:
    """Whether a label is all there, and not in another file."""
    parts = label.values() if isinstance(label, Mapping) else (label,)
    return not any(isinstance(part, Mask) for part in parts)
