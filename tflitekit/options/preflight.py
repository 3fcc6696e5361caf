"""How layers are looked at before anything trains."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from tflitekit.options.base import Option, Panel
from tflitekit.options.convert import CustomObjects, UnsafeLoad
from tflitekit.options.evaluate import Preprocess
from tflitekit.options.general import SeedOptions

__all__ = ["PreflightOptions"]


class PreflightOptions(SeedOptions):
    """Options of *preflight*."""

    data: Annotated[
        Any,
        Option(Panel.DATA, "Samples to compare the rebuilt model on. Default: random values.", metavar="DATA"),
    ] = None
    preprocess: Preprocess = None
    limit: Annotated[int, Field(ge=1), Option(Panel.DATA, "Number of samples to compare on.")] = 16
    unsafe_load: UnsafeLoad = False
    custom_objects: CustomObjects = None
    timeout_s: Annotated[float, Field(ge=1), Option(Panel.OUTPUT, "Time limit in seconds.", ("--timeout",))] = 600.0
