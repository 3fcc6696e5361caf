"""What comes of a conversion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tflitekit.data.calibration import CalibrationSet
from tflitekit.source.prepared import PreparedSource
from tflitekit.tflite.variant import Variant, sidecar_path

__all__ = ["CURVE_SCHEME", "WORK_FOLDER", "ConvertResult"]

WORK_FOLDER = ".tflitekit"
CURVE_SCHEME = "int8"


@dataclass(frozen=True)
class ConvertResult:
    """What `convert` made.

    Attributes:
        source: What was loaded, and its hash.
        variants: One per scheme, in the order asked for; also failed and skipped ones.
        calibration: The calibration sample, or None where no scheme needed one.
        calibration_kind: `Dataset.kind` of the calibration data.
        curve: By number of calibration samples, what `CURVE_SCHEME` made of so many.
        trained_along: What a worker of a distributed training says that is not its chief; it has no variants.
    """

    out: Path
    source_location: str
    source_sha256: str
    source: PreparedSource
    variants: tuple[Variant, ...]
    calibration: CalibrationSet | None
    calibration_location: str | None
    calibration_kind: str | None = None
    curve: tuple[tuple[int, Variant], ...] = ()
    trained_along: str | None = None

    def files(self) -> list[Path]:
        """Returns the files that belong to the variants that are fine, with their sidecars."""
        made = [variant.path for variant in self.variants if variant.status == "ok"]
        return [file for path in made for file in (path, sidecar_path(path))]
