"""What goes into a bundle."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tflitekit.options.base import Option, Panel
from tflitekit.options.evaluate import Labels, Preprocess
from tflitekit.options.general import SeedOptions
from tflitekit.options.tasks import Reader
from tflitekit.options.values import Names

__all__ = ["BundleOptions"]


class BundleOptions(SeedOptions):
    """Options of *bundle*."""

    variants: Annotated[
        Names | None,
        Option(
            Panel.MODEL,
            "Variants of the report: NAME (repeatable), a,b or all. Default: the recommended one.",
            ("--variant",),
            repeatable=True,
            metavar="NAME",
        ),
    ] = None
    deploy_on: Annotated[
        str | None,
        Option(
            Panel.MODEL,
            "Hardware that the bundle is for, a name of 'tflitekit hardware' or a .toml file: refuses a variant that would not run there.",
            metavar="PROFILE",
        ),
    ] = None
    samples: Annotated[int, Field(ge=1), Option(Panel.DATA, "Number of golden samples.")] = 8
    preprocess: Preprocess = None
    labels: Labels = None
    reader: Reader = None
    name: Annotated[
        str | None, Option(Panel.OUTPUT, "Name of the bundle. Default: the name of the source model.", metavar="NAME")
    ] = None
    templates: Annotated[
        Names,
        Option(
            Panel.OUTPUT,
            "Also write code to begin an app with: a class to paste (kotlin, java), a page for browsers (web), or a microcontroller's firmware (tflm).",
            repeatable=True,
            metavar="TEMPLATE",
        ),
    ] = ()
    package: Annotated[
        str | None, Option(Panel.OUTPUT, "Package of the wrappers, such as com.example.app.", metavar="PACKAGE")
    ] = None
