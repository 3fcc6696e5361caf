"""What one conversion is to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tflitekit.data.dataset import Dataset
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.data.sound_format import SoundFormat, check_same_rate
from tflitekit.schemes import Request
from tflitekit.search import Clock, SearchLimits

__all__ = ["ConversionSpec"]


@dataclass(frozen=True)
class ConversionSpec:
    """`VariantOptions`, read and checked.

    Attributes:
        calibration: Data to open (see `open_dataset`); None for none.
        output: The output that the labels belong to; the first when not given.
        curve: Numbers of calibration samples to convert with `CURVE_SCHEME` besides; these files lie in the work folder.
        skip_unfit: Record schemes without calibration data, and schemes that train where the model has no layers, as
            skipped instead of refusing.
        evaluation: Data that will be evaluated on; where nothing is calibrated, the conversion is compared with the original on a
            few of them. Schemes that search refuse samples of it.
        limits: What searches may lose.
        clock: Measures files for searches, where latency counts.
    """

    requests: Sequence[Request]
    calibration: Any
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None
    output: str | None
    curve: Sequence[int] = ()
    skip_unfit: bool = False
    evaluation: Dataset | None = None
    limits: SearchLimits = field(default_factory=SearchLimits)
    clock: Clock | None = None

    def sound(self, calibration: Dataset | None) -> SoundFormat | None:
        """Returns what recordings are, as the data to evaluate on or to calibrate on say; None where there are no sounds.

        Raises:
            DataError: Their rates differ.
        """
        opened = [data for data in (self.evaluation, calibration) if data is not None]
        check_same_rate({data.location: data.sound for data in opened})
        return next((data.sound for data in opened if data.sound is not None), None)
