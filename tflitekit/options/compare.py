"""What may change from one report to the next."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tflitekit.options.base import Option, Options, Panel
from tflitekit.options.values import Names

__all__ = ["CompareOptions"]


class CompareOptions(Options):
    """Options of *compare*."""

    variants: Annotated[
        Names | None,
        Option(
            Panel.MODEL,
            "Only these, as a,b; old=new for one that has another name now. Repeatable.",
            repeatable=True,
            metavar="NAME",
        ),
    ] = None
    max_accuracy_drop: Annotated[
        float | None,
        Field(ge=0),
        Option(Panel.LIMITS, "Gate: percentage points (errors: in the metric's unit)."),
    ] = None
    max_class_drop: Annotated[
        float | None, Field(ge=0), Option(Panel.LIMITS, "Gate: percentage points of the recall of any class.")
    ] = None
    max_latency_increase: Annotated[
        float | None, Field(ge=0), Option(Panel.LIMITS, "Gate: percent of the statistic that decides.")
    ] = None
    max_size_increase: Annotated[float | None, Field(ge=0), Option(Panel.LIMITS, "Gate: percent of the file.")] = None
    allow_unlike: Annotated[bool, Option(Panel.LIMITS, "Judge also what was not measured alike.")] = False
