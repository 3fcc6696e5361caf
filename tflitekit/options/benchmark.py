"""How latency is measured."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tflitekit.options.base import Option, Options, Panel
from tflitekit.options.evaluate import Baseline
from tflitekit.options.general import InputShapes, SeedOptions
from tflitekit.options.values import Counts

__all__ = ["BenchmarkOptions", "LatencyOptions", "ProtocolName", "Threads"]

ProtocolName = Literal["quick", "benchmark-model", "mlperf-mobile", "mlperf-tiny"]
Threads = Annotated[
    Counts,
    Field(min_length=1),
    Option(Panel.MEASURING, "Threads of the interpreter while measuring latency; several as 1,2,4.", metavar="N,..."),
]


class LatencyOptions(Options):
    """How each file is measured.

    Attributes:
        threads: Several are measured one after the other; the first one's figures decide.
        protocol: See `tflitekit.targets.protocols`.
    """

    threads: Threads = (1,)
    protocol: Annotated[
        ProtocolName, Option(Panel.MEASURING, "How long to warm up and measure, and which figure decides.")
    ] = "quick"
    target: Annotated[str, Option(Panel.MEASURING, "Where to run.", metavar="NAME")] = "host"
    profile: Annotated[bool, Option(Panel.MEASURING, "Also find out where the time goes, by operator.")] = False


class BenchmarkOptions(LatencyOptions, SeedOptions):
    """Options of *benchmark*.

    Attributes:
        input_shapes: By the name of an input whose size a file leaves open, the shape without batch to measure at; '' is
            the only such input.
    """

    runs: Annotated[int | None, Field(ge=1), Option(Panel.MEASURING, "At least this many measured runs a file.")] = None
    sustained_minutes: Annotated[
        float | None,
        Field(gt=0),
        Option(Panel.MEASURING, "Minutes to keep each file running; shows its latency over time.", ("--sustained",)),
    ] = None
    input_shapes: InputShapes = Field(default_factory=dict)
    baseline: Baseline = None
