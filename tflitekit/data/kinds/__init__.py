"""Kinds of data. A kind is one file in this folder: a function that opens what it recognizes.

Other packages add theirs by an entry point of the group ``tflitekit.data``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tflitekit.core.answers import answering
from tflitekit.core.errors import UsageError
from tflitekit.core.registry import Registry
from tflitekit.data.orientation import ORIENTATION, oriented
from tflitekit.data.samples import Dataset
from tflitekit.data.settings import split_settings
from tflitekit.data.windows import WINDOW_SETTINGS, Windows, windows_of

__all__ = ["data_kind", "open_kind"]

Open = Callable[..., Dataset | None]


class _Kind(NamedTuple):
    open: Open
    takes_settings: bool
    last: bool


_registry: Registry[_Kind] = Registry("kind of data", __name__, "tflitekit.data")


def data_kind(name: str, *, takes_settings: bool = False, last: bool = False) -> Callable[[Open], Open]:
    """Registers a function that takes what the user gave, and the options of `tflitekit.data.dataset.open_dataset`.

    It returns a `Dataset`, or None for what it does not recognize.

    Args:
        takes_settings: Whether it takes, as the argument ``settings``, what stands behind a place: ``PATH:name=value``. It refuses
            those that it does not know.
        last: Whether the others are asked first, because it recognizes any folder.
    """

    def register(function: Open) -> Open:
        kind = _Kind(answering(function, Dataset, type(None)), takes_settings, last)
        _registry.add(name, kind, function.__module__)
        return function

    return register


def open_kind(source: Any, **options: Any) -> Dataset | None:
    """Opens data of any kind; None where none recognizes them. Kinds of other packages are asked first: they know more.

    Raises:
        UsageError: Settings are given for data of a kind that takes none.
    """
    place, settings = split_settings(source) if isinstance(source, str | Path) else (source, {})
    wish, settings = settings.get(ORIENTATION), {name: settings[name] for name in settings if name != ORIENTATION}
    window = windows_of(settings)
    if window is None:
        found = _open(place if settings or wish else source, settings, options)
    else:
        rest = {name: value for name, value in settings.items() if name not in WINDOW_SETTINGS}
        rows = _open(place, rest, options | {"limit": None})
        how = {name: options[name] for name in ("limit", "seed", "need_labels")}
        found = None if rows is None else Windows(rows, *window, grouped="group" in settings, **how)
    if found is None:
        return None
    if settings or wish:
        found.location = str(source)
    return oriented(found, str(source), wish) if isinstance(source, str | Path) else found


def _open(source: Any, settings: Mapping[str, str], options: Mapping[str, Any]) -> Dataset | None:
    kinds = list(reversed(_registry.all().items()))
    for name, kind in sorted(kinds, key=lambda pair: pair[1].last):
        found = kind.open(source, **options, **({"settings": settings} if kind.takes_settings else {}))
        if found is not None and settings and not kind.takes_settings:
            raise UsageError(
                f"The data {source} are of the kind '{name}', which takes no settings ({', '.join(settings)}).",
                fix=f"Give {source} alone.",
            )
        if found is not None:
            return found
    return None
