"""An engine makes the bytes of a ``.tflite`` file from what a source exported, as a scheme sets it up. One file each."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tflitekit.engines.samples import Samples
from tflitekit.schemes import Request
from tflitekit.source.prepared import Exported, PreparedSource

__all__ = ["Converted", "Engine"]


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
