"""Which class a name stands for: class folders and labels that are text, by the labels file."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence

from tflitekit.core.errors import DataError
from tflitekit.data.samples import some

__all__ = ["match_names"]


def match_names(names: Sequence[str], labels: Sequence[str], describe: Callable[[str], str]) -> list[int]:
    """Returns the class index of each name: by its exact text, else without regard to case, ``_`` and ``-``, else by number.

    Unicode's normal forms are one text: file systems change them. Numbers count as indices where all names are numbers.

    Args:
        describe: From a name to what it is, for messages.

    Raises:
        DataError: A name is no label, or stands for several.
    """
    exact, folded = defaultdict(list), defaultdict(list)
    for index, label in enumerate(labels):
        exact[_normal(label)].append(index)
        folded[_fold(label)].append(index)
    found = [exact.get(_normal(name)) or folded.get(_fold(name)) or [] for name in names]
    if not any(found) and all(name.isdecimal() and name.isascii() and int(name) < len(labels) for name in names):
        return [int(name) for name in names]
    for name, indices in zip(names, found, strict=True):
        if not indices:
            raise DataError(
                f"{describe(name)} is not among the labels of the model.",
                why=f"The labels are {some(labels)}.",
                fix="Rename it to match the label exactly, or give the right labels file with --labels.",
            )
        if len(indices) > 1:
            raise DataError(
                f"{describe(name)} appears {len(indices)} times among the labels of the model.",
                why=f"It is the name of the classes {', '.join(map(str, indices))} (from 0).",
                fix="Make the labels unique, as in 'crane (bird)' and 'crane (machine)', and take these names; or name all classes of "
                f"the data by index: {indices[0]} or {indices[1]} instead of '{name}'.",
            )
    return [indices[0] for indices in found]


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _fold(name: str) -> str:
    return _normal(_normal(name).casefold().replace("_", " ").replace("-", " ").strip())
