"""Kinds of models, one file each. Other packages add theirs by an entry point of the group ``tflitekit.sources``."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tflitekit.core.registry import Registry
from tflitekit.options.convert import LoadOptions
from tflitekit.source.few_samples import FewSamples
from tflitekit.source.foreign.converters import Converter
from tflitekit.source.prepared import PreparedSource

__all__ = ["SourceKind", "register_source", "source_kinds"]


class SourceKind(Protocol):
    """A kind of model.

    Attributes:
        name: As `SourceFile.kind` has it.
        shown: What to give, as errors say it; None where another kind says it.
        suffixes: Of its files: one that ends so and is not recognized is damaged.
        has_layers: Whether its layers can be trained.
        needs_tensorflow: Whether it is prepared, and what it exports converted, with TensorFlow.
        converter: What makes a ``.tflite`` file of it in another environment; None where that is not needed.
    """

    name: str
    shown: str | None
    suffixes: tuple[str, ...]
    has_layers: bool
    needs_tensorflow: bool

    @property
    def converter(self) -> Converter | None: ...

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Returns whether a path is of this kind, by the first bytes of the file (none of a folder), without loading it."""

    def prepare(self, path: Path, folder: Path, how: LoadOptions, samples: FewSamples) -> PreparedSource:
        """Loads the model, exports it into a folder, and leaves there what it makes of a few samples (runs in a worker)."""


_registry: Registry[SourceKind] = Registry("kind of model", __name__, "tflitekit.sources")


def register_source(kind: SourceKind) -> None:
    """Registers a kind of model under its name."""
    _registry.add(kind.name, kind, type(kind).__module__)


def source_kinds() -> list[SourceKind]:
    """Returns all kinds, the kit's own first."""
    return list(_registry.all().values())
