"""Options of *optimize*."""

from __future__ import annotations

from typing import Annotated

from tflitekit.options.also_on import AlsoOnOptions
from tflitekit.options.base import Option, Panel
from tflitekit.options.benchmark import LatencyOptions
from tflitekit.options.cluster import ClusterOptions
from tflitekit.options.convert import SchemeOptions
from tflitekit.options.evaluate import ScoringOptions
from tflitekit.options.values import Counts

__all__ = ["OptimizeOptions"]


class OptimizeOptions(SchemeOptions, ScoringOptions, LatencyOptions, AlsoOnOptions, ClusterOptions):
    """What is made, and how it is measured.

    Attributes:
        schemes: When not given those of the hardware's profile, and with training data also qat, pruned and clustered as it takes them.
    """

    calibration_curve: Annotated[
        Counts,
        Option(
            Panel.DATA,
            "Also measure int8 with these numbers of calibration samples, such as 10,50,100,500.",
            metavar="N,...",
        ),
    ] = ()
    explain: Annotated[
        bool,
        Option(
            Panel.MEASURING,
            "Explain layer by layer the variants that lost more than the limit, at most three; or else the one that lost most.",
        ),
    ] = False
