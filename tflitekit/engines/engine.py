"""An engine makes the bytes of a ``.tflite`` file from what a source exported, as a scheme sets it up. One file each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from tflitekit.schemes import Request
from tflitekit.source.prepared import Exported, PreparedSource

__all__ = ["Converted", "Engine", "Samples"]


class Samples(Protocol):
    """Preprocessed inputs, as `CalibrationSet` has them."""

    def batches(self, batch: int) -> Iterator[dict[str, Any]]:
        """Returns arrays ``(batch, ...)`` by input name."""


class Converted(NamedTuple):
    """The content of a ``.tflite`` file, and what users should know of how it was made."""

    content: bytes
    notes: tuple[str, ...] = ()


class Engine(Protocol):
    """What makes the bytes."""

    def convert(
        self,
        request: Request,
        exported: Exported,
        source: PreparedSource,
        samples: Samples | None,
        *,
        allow_select_tf_ops: bool,
    ) -> Converted:
        """Calls the scheme's function with what it may set up, and returns the finished file.

        Args:
            samples: For calibration; None where the scheme does without.

        Raises:
            ConversionError: It refuses the model, in the user's words.
        """
