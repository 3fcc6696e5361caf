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
            "Compare only these variants, as a,b; old=new for a renamed one. Repeatable.",
            repeatable=True,
            metavar="NAME",
        ),
    ] = None
    max_accuracy_drop: Annotated[
        float | None,
        Field(ge=0),
        Option(Panel.LIMITS, "Gate: drop in percentage points (for errors, in the metric's unit)."),
    ] = None
    max_fidelity_drop: Annotated[
        float | None,
        Field(ge=0),
        Option(Panel.LIMITS, "Gate, without labels: drop of the fidelity to the float model in percentage points."),
    ] = None
    max_class_drop: Annotated[
        float | None,
        Field(ge=0),
        Option(Panel.LIMITS, "Gate: drop of any class's recall, AP or IoU in percentage points."),
    ] = None
    max_latency_increase: Annotated[
        float | None, Field(ge=0), Option(Panel.LIMITS, "Gate: increase of the deciding statistic in percent.")
    ] = None
    max_size_increase: Annotated[
        float | None, Field(ge=0), Option(Panel.LIMITS, "Gate: increase of the file size in percent.")
    ] = None
    allow_unlike: Annotated[
        bool, Option(Panel.LIMITS, "Also judge figures that were measured under different conditions.")
    ] = False
