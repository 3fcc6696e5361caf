"""How latency is measured."""

from __future__ import annotations

from pathlib import Path
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
    Option(Panel.MEASURING, "Interpreter threads while measuring latency; 1,2,4 measures each.", metavar="N,..."),
]


class LatencyOptions(Options):
    """How each file is measured.

    Attributes:
        threads: Several are measured one after the other; the first one's figures decide.
        protocol: See `tflitekit.targets.protocols`.
    """

    threads: Threads = (1,)
    protocol: Annotated[
        ProtocolName, Option(Panel.MEASURING, "Sets how long to warm up and measure, and which figure decides.")
    ] = "quick"
    target: Annotated[str, Option(Panel.MEASURING, "Target to measure on.", metavar="NAME")] = "host"
    profile: Annotated[bool, Option(Panel.MEASURING, "Also measure the time of each operator.")] = False
    app: Annotated[
        Path | None,
        Option(Panel.MEASURING, "APK of the kit's app, for phones that do not have it (target adb).", metavar="FILE"),
    ] = None


class BenchmarkOptions(LatencyOptions, SeedOptions):
    """Options of *benchmark*.

    Attributes:
        input_shapes: By the name of an input whose size a file leaves open, the shape without batch to measure at; '' is
            the only such input.
    """

    runs: Annotated[int | None, Field(ge=1), Option(Panel.MEASURING, "Minimum number of measured runs per file.")] = (
        None
    )
    sustained_minutes: Annotated[
        float | None,
        Field(gt=0),
        Option(
            Panel.MEASURING,
            "Minutes to run each file without a break, to show its latency over time.",
            ("--sustained",),
        ),
    ] = None
    input_shapes: InputShapes = Field(default_factory=dict)
    baseline: Baseline = None
