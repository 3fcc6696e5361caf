"""What an app's recordings must be: rate, channels and length, which a model does not say of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import DataError

__all__ = ["SoundFormat", "check_same_rate"]

_PADDED = {"start": "zeros before", "end": "zeros after", "both": "zeros around"}


class SoundFormat(BaseModel):
    """What a recording is when it becomes an input: float32 values from -1 to 1, ``(samples,)`` or ``(samples, channels)``.

    Attributes:
        rate: In samples a second.
        length: In samples; None where sounds keep theirs.
        pad: Where zeros go into what is shorter; None where none is.
        crop: What is kept of what is longer; None where none is.
    """

    model_config = ConfigDict(frozen=True)

    rate: int
    channels: int
    length: int | None = None
    pad: Literal["start", "end", "both"] | None = None
    crop: Literal["start", "end", "center"] | None = None

    def describe(self) -> str:
        """Returns '8,000 samples a second, mono, 1,024 samples (zeros after shorter ones; of longer ones the start)'."""
        channels = "mono" if self.channels == 1 else f"{self.channels} channels"
        padded = f"{_PADDED[self.pad]} shorter ones" if self.pad else ""
        cropped = f"of longer ones the {self.crop}" if self.crop else ""
        changed = "; ".join(filter(None, (padded, cropped)))
        length = f", {self.length:,} samples" if self.length is not None else ""
        return f"{self.rate:,} samples a second, {channels}{length}{f' ({changed})' if changed else ''}"


def check_same_rate(formats: Mapping[str, SoundFormat | None]) -> None:
    """Refuses recordings of several rates: a model hears those of another one slower or faster.

    Args:
        formats: By what has them, in the user's words; None has no sounds.

    Raises:
        DataError: Two differ.
    """
    rates = {name: found.rate for name, found in formats.items() if found is not None}
    (first, expected), *others = rates.items() or [("", 0)]
    for name, rate in others:
        if rate != expected:
            raise DataError(
                f"{name} has {rate:,} samples a second, and {first} has {expected:,}.",
                why="A model hears sounds of another rate slower or faster.",
                fix="Let one of them be resampled to the rate that the model was trained with: PATH:resample=RATE, "
                f"with {expected} or {rate}.",
            )
