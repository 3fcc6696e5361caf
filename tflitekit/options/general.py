"""Options of everything that draws samples and works in several processes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tflitekit.options.base import Option, Options, Panel

__all__ = ["SEED", "JobOptions", "SeedOptions"]

SEED = 20210


class SeedOptions(Options):
    """One seed for everything that is drawn: samples, training, the order of measurements."""

    seed: Annotated[int, Option(Panel.DATA, "Seed of every sample that is drawn.", shapes=False)] = SEED


class JobOptions(SeedOptions):
    """How many work at once."""

    jobs: Annotated[
        int | None,
        Field(ge=1),
        Option(Panel.OUTPUT, "Processes and threads; one per core if not given.", ("--jobs", "-j"), shapes=False),
    ] = None
