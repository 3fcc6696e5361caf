"""Kinds of data. A kind is one file in this folder: a function that opens what it recognizes.

Other packages add theirs by an entry point of the group ``tflitekit.data``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tflitekit.core.answers import answering
from tflitekit.core.registry import Registry
from tflitekit.data.samples import Dataset

__all__ = ["data_kind", "open_kind"]

Open = Callable[..., Dataset | None]

_registry: Registry[Open] = Registry("kind of data", __name__, "tflitekit.data")


def data_kind(name: str) -> Callable[[Open], Open]:
    """Registers a function that takes what the user gave, and the options of `tflitekit.data.dataset.open_dataset`.

    It returns a `Dataset`, or None for what it does not recognize.
    """

    def register(function: Open) -> Open:
        _registry.add(name, answering(function, Dataset, type(None)), function.__module__)
        return function

    return register


def open_kind(source: Any, **options: Any) -> Dataset | None:
    """Opens data of any kind; None where none recognizes them. Kinds of other packages are asked first: they know more."""
    found = (function(source, **options) for function in reversed(_registry.all().values()))
    return next((dataset for dataset in found if dataset is not None), None)
