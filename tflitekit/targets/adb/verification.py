"""What the app's Verify found, as ``verification.json`` has it (android_demo/core: Verification.java)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tflitekit.core.structured import read_model

__all__ = ["ImageCheck", "RunCheck", "SampleCheck", "Tolerance", "Verification", "read_verification"]

Verdict = Literal["passed", "not_judged", "failed", "error"]
_LIMIT_BYTES = 64 << 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Tolerance(_Part):
    """How far an output may be from the host's.

    Attributes:
        max_difference: None where no bound can be stated.
        unit: 'real', or 'steps' of a quantized output.
    """

    max_difference: float | None
    unit: str


class SampleCheck(_Part):
    """One golden sample; ``output_difference`` is None where it is not a number, or where nothing ran."""

    output_difference: float | None


class ImageCheck(_Part):
    """Whether an image becomes the pixels that it becomes on the host."""

    sample: str
    verdict: Verdict


class RunCheck(_Part):
    """All golden samples on one variant.

    Attributes:
        sha256: Of the file that the variant was made of (`BundledVariant.measured_sha256`).
        output: The output that is nearest to its bound, or farthest beyond; ``tolerance`` and ``output_difference`` are its own.
        message: One sentence for people.
    """

    variant: str
    sha256: str
    verdict: Verdict
    output: str | None
    tolerance: Tolerance | None
    output_difference: float | None
    message: str | None
    samples: tuple[SampleCheck, ...]


class Verification(_Part):
    """Of one bundle."""

    schema_version: Literal[1]
    passed: bool
    images: tuple[ImageCheck, ...]
    runs: tuple[RunCheck, ...] = Field(min_length=1)


def read_verification(path: Path) -> Verification:
    """Reads the file.

    Raises:
        UnreadableError: It is not one.
    """
    return read_model(Verification, path, limit_bytes=_LIMIT_BYTES)
