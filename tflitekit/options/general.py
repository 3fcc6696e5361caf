"""Options that several concerns share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tflitekit.options.base import Option, Options, Panel
from tflitekit.options.values import Shapes

__all__ = ["SEED", "InputShapes", "JobOptions", "SeedOptions"]

SEED = 20210

InputShapes = Annotated[
    Shapes,
    Option(
        Panel.MODEL,
        "Input shape without batch: 224,224,3 or NAME=224,224,3. Repeatable.",
        ("--input-shape",),
        repeatable=True,
        metavar="SHAPE",
    ),
]


class SeedOptions(Options):
    """One seed for everything that is drawn: samples, training, the order of measurements."""

    seed: Annotated[int, Option(Panel.DATA, "Seed for everything random.", shapes=False)] = SEED


class JobOptions(SeedOptions):
    """How many work at once."""

    jobs: Annotated[
        int | None,
        Field(ge=1),
        Option(Panel.OUTPUT, "Number of processes or threads. Default: one per core.", ("--jobs", "-j"), shapes=False),
    ] = None
