"""How accuracy is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tflitekit.core.errors import UsageError
from tflitekit.options.also_on import AlsoOnOptions
from tflitekit.options.base import Option, Options, Panel
from tflitekit.options.general import JobOptions
from tflitekit.options.tasks import TaskOptions

__all__ = ["Baseline", "EvaluateOptions", "Labels", "Preprocess", "SampleOptions", "ScoringOptions"]

Preprocess = Annotated[
    Any,
    Option(Panel.DATA, "Preprocessing: a preset (see 'tflitekit presets') or a JSON file.", metavar="NAME"),
]
Labels = Annotated[Any, Option(Panel.DATA, "Class names in output order: one per line, or JSON.", metavar="FILE")]
Baseline = Annotated[
    str | Path | None,
    Option(Panel.MEASURING, "File to compare with. Default: float32, otherwise the first.", metavar="FILE"),
]


class SampleOptions(Options):
    """What samples mean to the model.

    Attributes:
        preprocess: A preset's name, a JSON file, or a `Preprocessing`.
        labels: Names, or a file of them.
    """

    preprocess: Preprocess = None
    labels: Labels = None
    output: Annotated[
        str | None,
        Option(Panel.DATA, "Output that the labels belong to. Default: the first.", metavar="NAME"),
    ] = None


class ScoringOptions(SampleOptions, TaskOptions):
    """How samples are drawn and scored."""

    limit: Annotated[
        int | None,
        Field(ge=1),
        Option(Panel.DATA, "Evaluate on this many samples, drawn at random and balanced by class."),
    ] = None
    metric: Annotated[
        str | None,
        Option(
            Panel.DATA,
            "Metric: a name, or your own module:function(output, label).",
            metavar="MODULE:FUNCTION",
        ),
    ] = None
    stream: Annotated[
        bool, Option(Panel.DATA, "Treat the samples as one stream: the model keeps its state from one to the next.")
    ] = False
    until_certain: Annotated[
        bool,
        Option(Panel.MEASURING, "Stop evaluating each variant as soon as it is known to meet or exceed its limit."),
    ] = False
    error_rate: Annotated[
        float,
        Field(gt=0, lt=0.5),
        Option(Panel.MEASURING, "With --until-certain: maximum probability of a wrong decision on each variant."),
    ] = 0.05

    def model_post_init(self, context: Any) -> None:
        """Refuses what cannot be together."""
        if self.stream and (self.limit is not None or self.until_certain):
            raise UsageError(
                f"{'--limit' if self.limit is not None else '--until-certain'} draws a sample of the data, which "
                "would break up a stream (--stream).",
                fix="Leave out one of the two, or store the part of the stream that you want as separate data.",
            )
        if "error_rate" in self.model_fields_set and not self.until_certain:
            raise UsageError("--error-rate only applies with --until-certain.", fix="Give both, or neither.")


class EvaluateOptions(ScoringOptions, JobOptions, AlsoOnOptions):
    """Options of *evaluate*."""

    baseline: Baseline = None
