"""On which further targets files are run and examined."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from tflitekit.core.errors import UsageError
from tflitekit.options.base import Option, Options, Panel
from tflitekit.options.values import Names

__all__ = ["AlsoOnOptions"]


class AlsoOnOptions(Options):
    """Further targets, beside this host.

    Attributes:
        also_on: Targets that run samples or examine files; see `tflitekit.targets`.
        also_on_limit: Emulators are slow; the same samples are run on each target, drawn as with ``--limit``.
    """

    also_on: Annotated[
        Names,
        Option(
            Panel.MEASURING,
            "Further target to run or examine each file on, such as arm64-emulated; may be given several times.",
            repeatable=True,
            metavar="NAME",
        ),
    ] = ()
    also_on_limit: Annotated[
        int, Field(ge=1), Option(Panel.MEASURING, "With --also-on: maximum number of samples that are run there.")
    ] = 1000

    def model_post_init(self, context: Any) -> None:
        """Refuses a limit for targets that are not there."""
        super().model_post_init(context)
        if "also_on_limit" in self.model_fields_set and not self.also_on:
            raise UsageError("--also-on-limit only applies with --also-on.", fix="Give both, or neither.")
