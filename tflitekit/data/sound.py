"""Sound files as arrays: what is said of rate, length and channels is done, and nothing else."""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from tflitekit.core.errors import DataError, UsageError
from tflitekit.core.extras import import_extra
from tflitekit.data.samples import Advised, Array, UnreadableSampleError
from tflitekit.data.settings import whole_number_of
from tflitekit.data.sound_format import SoundFormat

__all__ = ["SOUND_SETTINGS", "SOUND_SUFFIXES", "SoundReader"]

SOUND_SUFFIXES = {".wav", ".flac", ".ogg", ".aiff", ".aif", ".au", ".mp3"}
SOUND_SETTINGS = ("rate", "resample", "length", "pad", "crop", "channels")

_PLACES = {"pad": ("start", "end", "both"), "crop": ("start", "end", "center")}
# Of one file: an hour of stereo at 48 kHz and more.
_MOST_VALUES = 2**29


_MIX = "Where the model hears one channel, mix them: PATH:channels=1. "
_LENGTH = (
    "Say what makes all sounds as long as the model's input: PATH:length=SAMPLES:pad=end:crop=start (pad: start, end or both; "
    "crop keeps the start, the end or the center)."
)


@dataclass(frozen=True)
class SoundReader:
    """How sounds are read.

    Attributes:
        rate: In samples a second, which all files must have; None takes that of the first.
        resample: To this rate.
        length: In samples, after resampling.
        pad: Where zeros go into what is shorter; None refuses it.
        crop: What is kept of what is longer; None refuses it.
        channels: 1 mixes all channels to their mean; None leaves them.
        found: Number of channels of the first file, which the others must have where they are not mixed.
    """

    rate: int | None = None
    resample: int | None = None
    length: int | None = None
    pad: str | None = None
    crop: str | None = None
    channels: int | None = None
    found: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> SoundReader:
        """Reads the settings of that name.

        Raises:
            UsageError: A value cannot be.
        """
        for name, allowed in _PLACES.items():
            if settings.get(name, allowed[0]) not in allowed:
                raise UsageError(
                    f"The setting {name}={settings[name]} cannot be.", fix=f"It takes {', '.join(allowed)}."
                )
            if name in settings and "length" not in settings:
                raise UsageError(f"The setting {name}={settings[name]} needs a length.", fix="Add length=SAMPLES.")
        channels = whole_number_of(settings, "channels")
        if channels not in (None, 1):
            raise UsageError(
                f"The setting channels={channels} cannot be: sounds are mixed to 1 channel, or stay as they are."
            )
        numbers = {name: whole_number_of(settings, name) for name in ("rate", "resample", "length")}
        return cls(**numbers, pad=settings.get("pad"), crop=settings.get("crop"), channels=channels)

    def like(self, source: str | BinaryIO) -> SoundReader:
        """Returns the same for files that must have rate and channels of this one, where no others are named; one that is damaged has none."""
        module = import_extra("soundfile", "Reading sounds")
        try:
            first = module.info(source)
        except (module.SoundFileError, OSError):
            return self
        named = self.rate is not None or self.resample is not None
        return replace(self, rate=self.rate if named else first.samplerate, found=first.channels)

    @property
    def format(self) -> SoundFormat | None:
        """What sounds are when they were read; None where no file said its rate."""
        rate, channels = self.resample or self.rate, self.channels or self.found
        if rate is None or channels is None:
            return None
        kept = {"length": self.length, "pad": self.pad, "crop": self.crop}
        return SoundFormat.model_validate({"rate": rate, "channels": channels, **kept})

    def read(self, source: str | BinaryIO, key: str) -> dict[str, Array]:
        """Returns float32 values from -1 to 1, ``(samples,)`` of one channel, ``(samples, channels)`` of several.

        Raises:
            UnreadableSampleError: The file is damaged.
            DataError: Its rate or length is another than what was said, and nothing was said about that.
        """
        module = import_extra("soundfile", "Reading sounds")
        try:
            _check_whole(source)
            with module.SoundFile(source) as file:
                rate = file.samplerate
                if file.frames * file.channels > _MOST_VALUES:
                    raise UnreadableSampleError(f"too long: {file.frames:,} samples")
                self._check_rate(rate, key)
                self._check_channels(file.channels, key)
                values = file.read(dtype="float32", always_2d=True)
        except (module.SoundFileError, OSError, EOFError) as error:
            raise UnreadableSampleError(f"{type(error).__name__}: {str(error).strip()}") from error
        if not len(values):
            raise UnreadableSampleError("it holds no sound")
        if self.resample is not None and rate != self.resample:
            values = _resampled(values, rate, self.resample)
        if self.channels == 1:
            values = values.mean(axis=1, keepdims=True)
        values = self._cut(values, key)
        several = values.shape[1] > 1
        return Advised({"x": values if several else values[:, 0]}, _MIX + _LENGTH if several else _LENGTH)

    def _check_rate(self, rate: int, key: str) -> None:
        if self.rate is not None and rate != self.rate:
            raise DataError(
                f"The sound '{key}' has {rate:,} samples a second, and it should have {self.rate:,}.",
                why="A model hears sounds of another rate slower or faster.",
                fix=f"Convert the file, or let all be resampled: PATH:resample={self.rate}.",
            )

    def _check_channels(self, channels: int, key: str) -> None:
        if self.channels is None and self.found not in (None, channels):
            raise DataError(
                f"The sound '{key}' has {channels} channel{'s' if channels > 1 else ''}, and the first one has {self.found}.",
                fix="Convert the file, or let all be mixed: PATH:channels=1.",
            )

    def _cut(self, values: Array, key: str) -> Array:
        lacking = 0 if self.length is None else self.length - len(values)
        name = "pad" if lacking > 0 else "crop"
        if lacking and getattr(self, name) is None:
            where = "|".join(_PLACES[name])
            raise DataError(
                f"The sound '{key}' has {len(values):,} samples, and length={self.length} was given.",
                fix=f"Say what to do with {'shorter' if lacking > 0 else 'longer'} ones: {name}={where}.",
            )
        if lacking > 0:
            before = {"start": lacking, "end": 0, "both": lacking // 2}[str(self.pad)]
            return np.pad(values, ((before, lacking - before), (0, 0)))
        if lacking < 0:
            first = {"start": 0, "end": -lacking, "center": -lacking // 2}[str(self.crop)]
            return values[first : first + len(values) + lacking]
        return values


def _check_whole(source: str | BinaryIO) -> None:
    """Refuses a WAV file whose data end before its header says: libsndfile reads what there is without a word.

    A stream whose length was not known when its header was written says 0 or 0xFFFFFFFF, and is taken as it is.
    Source: 'Multimedia Programming Interface and Data Specifications 1.0' (IBM and Microsoft, 1991), chapter 2.
    """
    with open(source, "rb") if isinstance(source, str) else contextlib.nullcontext(source) as file:  # noqa: PTH123
        size, start = file.seek(0, 2), 12
        file.seek(0)
        try:
            if file.read(12)[:4] != b"RIFF":
                return
            while start + 8 <= size:
                file.seek(start)
                name, length = struct.unpack("<4sI", file.read(8))
                if name == b"data" and length not in (0, 0xFFFFFFFF) and start + 8 + length > size:
                    raise UnreadableSampleError(
                        f"it is cut off: {size - start - 8:,} of {length:,} bytes of sound are there"
                    )
                if name == b"data":
                    return
                start += 8 + length + length % 2
        finally:
            file.seek(0)


def _resampled(values: Array, rate: int, wanted: int) -> Array:
    from scipy.signal import resample_poly

    common = math.gcd(rate, wanted)
    found: Any = resample_poly(values, wanted // common, rate // common, axis=0)
    return np.asarray(found, np.float32)
