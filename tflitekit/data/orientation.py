"""Pictures that their files turn: EXIF has a tag that says which way is up.

Keras, TensorFlow and torchvision take pixels as they are stored; viewers, tools for annotations and the Android app's photos show them upright.
Places in a picture are for what their author saw, so pictures with annotations are upright unless the annotated size is that of the stored pixels.
For labels of whole pictures the user says it, and is told where it matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tflitekit.core.errors import UsageError
from tflitekit.data.image_files import turn_of_file, upright
from tflitekit.data.samples import Dataset, Raw, Sample

__all__ = ["ORIENTATION", "oriented"]

ORIENTATION = "orientation"
"""The setting behind a place: ``photos/test:orientation=upright``."""

_LOOKED_AT = 100


def oriented(dataset: Dataset, place: str, wanted: str | None) -> Dataset:
    """Returns data whose pictures lie as wanted; without a wish, as they are, with a note where EXIF turns some.

    Raises:
        UsageError: There is no such orientation, or the data have no pictures whose orientation is open.
    """
    if wanted is None:
        if dataset.pictures and not dataset.upright:
            dataset.notes = (*dataset.notes, *_told(dataset, place))
        return dataset
    if wanted not in ("stored", "upright"):
        raise UsageError(f"The setting {ORIENTATION}={wanted} says nothing of pictures.", fix="Give stored or upright.")
    if not dataset.pictures or dataset.upright:
        raise UsageError(
            f"The data {place} take no setting '{ORIENTATION}'.",
            why="Places in pictures are for upright ones, unless annotated sizes say otherwise."
            if dataset.pictures
            else "They are not picture files.",
            fix="Leave it out.",
        )
    return _Upright(dataset) if wanted == "upright" else dataset


def _told(dataset: Dataset, place: str) -> list[str]:
    """Looks at some pictures, from the first to the last, and says how many of them EXIF turns."""
    count = dataset.size or 0
    positions = sorted({number * count // _LOOKED_AT for number in range(_LOOKED_AT)}) if dataset.random_access else []
    paths = [sample.path for sample in dataset.pick(positions if count else [])]
    turned = sum(path is not None and turn_of_file(path) > 1 for path in paths)
    if not turned:
        return []
    return [
        f"EXIF turns {turned} of {len(paths)} pictures that were looked at. They are taken as they are stored, as Keras, TensorFlow and torchvision do; "
        f"the app shows photos upright to the model. For a model that was trained on upright pictures: {place}:{ORIENTATION}=upright."
    ]


class _Upright(Dataset):
    """The samples of other data, with pictures turned as their files say."""

    upright = True

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset.location, classes=dataset.classes)
        self.kind, self.pictures, self.random_access = dataset.kind, dataset.pictures, dataset.random_access
        self.available, self.seed, self.notes = dataset.available, dataset.seed, dataset.notes
        self._dataset = dataset

    def __iter__(self) -> Iterator[Sample]:
        return map(_turned, self._dataset)

    def __len__(self) -> int:
        return len(self._dataset)

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        return map(_turned, self._dataset.pick(positions))

    def fingerprint(self) -> str | None:
        whole = self._dataset.fingerprint()
        return whole and f"{whole}-upright"

    def largest_label(self) -> int | None:
        return self._dataset.largest_label()

    def check_values(self) -> None:
        self._dataset.check_values()


def _turned(sample: Sample) -> Sample:
    def read() -> Raw:
        raw: Any = sample.read()
        return raw if isinstance(raw, Mapping) else upright(raw)

    return Sample(sample.key, sample.label, read, sample.path)
