"""What a model is for, and how its outputs are read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tflitekit.options.base import Option, Options, Panel
from tflitekit.options.values import Shares

__all__ = ["Reader", "ReadingOptions", "TaskOptions"]


Reader = Annotated[
    str | None,
    Option(
        Panel.DATA,
        "How outputs become boxes, masks or keypoints: a name with options, as in yolov8:score=0.01, or your own module:function.",
        metavar="READER",
    ),
]


class ReadingOptions(Options):
    """How outputs are read.

    Attributes:
        reader: See `tflitekit.tasks.readers.open_reader`.
        ignore_label: Of pixels in masks.
    """

    task: Annotated[
        str | None,
        Option(
            Panel.DATA,
            "What the model is for, where the labels do not tell: classification, detection, segmentation, keypoints, regression.",
            metavar="TASK",
        ),
    ] = None
    reader: Reader = None
    ignore_label: Annotated[
        int | None, Field(ge=0), Option(Panel.DATA, "Value of pixels in masks that count for nothing, such as 255.")
    ] = None


class TaskOptions(ReadingOptions):
    """How outputs are read and judged."""

    threshold: Annotated[
        Shares,
        Option(
            Panel.DATA,
            "Thresholds of the app's own, as in 0.3,0.5: precision, recall and what crosses each, for classes and labels.",
            repeatable=True,
            metavar="SHARES",
        ),
    ] = ()
