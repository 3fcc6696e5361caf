"""What is explained, and on how much."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from tflitekit.options.base import Option, Panel
from tflitekit.options.evaluate import SampleOptions
from tflitekit.options.general import JobOptions
from tflitekit.options.tasks import ReadingOptions

__all__ = ["ExplainOptions"]


class ExplainOptions(ReadingOptions, SampleOptions, JobOptions):
    """Options of *explain*."""

    against: Annotated[
        str | Path | None,
        Option(
            Panel.MODEL,
            "Float file that it was quantized from. Default: float32.tflite beside it.",
            metavar="FILE",
        ),
    ] = None
    limit: Annotated[
        int,
        Field(ge=1),
        Option(Panel.DATA, "Run this many samples, drawn at random and balanced by class."),
    ] = 200
