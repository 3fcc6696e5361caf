"""How accuracy is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tflitekit.core.errors import UsageError
from tflitekit.options.also_on import AlsoOnOptions
from tflitekit.options.base import Option, Options, Panel
from tflitekit.options.cluster import ClusterOptions
from tflitekit.options.general import JobOptions
from tflitekit.options.tasks import TaskOptions
from tflitekit.options.values import ByOutput, output_weights

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
        output: A name, or names with weights where several outputs have labels; see `SampleOptions.weights`.
    """

    preprocess: Preprocess = None
    labels: Labels = None
    output: Annotated[
        str | None,
        Option(
            Panel.DATA,
            "Output that the labels belong to; where several have labels, the one that decides, or weights as in a=0.7,b=0.3. Default: the first.",
            metavar="NAME",
        ),
    ] = None

    @property
    def weights(self) -> dict[str, float]:
        """How much each output counts whose drop decides, as shares of 1; empty where none is named."""
        return output_weights(self.output)

    @property
    def scored(self) -> str | None:
        """The output that is named, or that with the largest weight; None for the first."""
        return max(self.weights, key=self.weights.__getitem__, default=None)


class ScoringOptions(TaskOptions, SampleOptions):
    """How samples are drawn and scored."""

    limit: Annotated[
        int | None,
        Field(ge=1),
        Option(Panel.DATA, "Evaluate on this many samples, drawn at random and balanced by class."),
    ] = None
    metric: Annotated[
        ByOutput,
        Option(
            Panel.DATA,
            "Metric: a name, or your own module:function(output, label); OUTPUT=METRIC for one of several outputs with labels.",
            repeatable=True,
            metavar="METRIC",
        ),
    ] = Field(default_factory=dict)
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

    @property
    def metric_of_all(self) -> str | None:
        """The metric that is named without an output."""
        return self.metric.get("")

    @property
    def own_metric(self) -> str | None:
        """A function of the user's own among the metrics that are named."""
        return next((name for name in self.metric.values() if ":" in name), None)

    def model_post_init(self, context: Any) -> None:
        """Refuses what cannot be together."""
        super().model_post_init(context)
        output_weights(self.output)
        if self.stream and (self.limit is not None or self.until_certain):
            raise UsageError(
                f"{'--limit' if self.limit is not None else '--until-certain'} draws a sample of the data, which "
                "would break up a stream (--stream).",
                fix="Leave out one of the two, or store the part of the stream that you want as separate data.",
            )
        if "error_rate" in self.model_fields_set and not self.until_certain:
            raise UsageError("--error-rate only applies with --until-certain.", fix="Give both, or neither.")


class EvaluateOptions(ScoringOptions, JobOptions, AlsoOnOptions, ClusterOptions):
    """Options of *evaluate*."""

    baseline: Baseline = None
