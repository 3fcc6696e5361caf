"""How a model is converted, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tflitekit.data.calibration import CalibrationSet
from tflitekit.data.dataset import DEFAULT_SEED
from tflitekit.source.prepared import PreparedSource
from tflitekit.tflite.variant import Variant, sidecar_path
from tflitekit.training.options import TrainingOptions

__all__ = ["CURVE_SCHEME", "WORK_FOLDER", "ConvertOptions", "ConvertResult"]

DEFAULT_CALIBRATION_SAMPLES = 500
DEFAULT_TIMEOUT_S = 1800.0
WORK_FOLDER = ".tflitekit"
CURVE_SCHEME = "int8"


@dataclass(frozen=True)
class ConvertOptions:
    """How a model is loaded and converted.

    Attributes:
        calibration_limit: Seeded, class-balanced sample of the calibration data.
        batch: Batch size fixed in the converted model.
        input_shapes: Shapes without batch by input name, for models that have none; '' is the only input.
        custom_objects: Module that defines or registers the model's own layers.
        timeout_s: A conversion that takes longer is a recorded failure. Training takes as long as it takes.
        training: How schemes that train are trained; None without training data.
    """

    calibration_limit: int = DEFAULT_CALIBRATION_SAMPLES
    batch: int = 1
    unsafe_load: bool = False
    allow_select_tf_ops: bool = False
    signature: str | None = None
    input_shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    custom_objects: str | None = None
    jobs: int | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    seed: int = DEFAULT_SEED
    training: TrainingOptions | None = None


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
