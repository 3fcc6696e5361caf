"""What the team can accept."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from tflitekit.options.base import Option, Options, Panel
from tflitekit.options.values import Size

__all__ = ["AccuracyLimits", "Constraints"]


class AccuracyLimits(Options):
    """What of the accuracy may be lost; fields as in `Constraints`."""

    max_accuracy_drop: Annotated[
        float | None,
        Field(ge=0),
        Option(
            Panel.LIMITS,
            "Maximum drop in percentage points (for errors, in the metric's unit). [default: 1.0 in optimize and with --until-certain]",
        ),
    ] = None
    min_fidelity: Annotated[
        float | None,
        Field(ge=0, le=100),
        Option(
            Panel.LIMITS,
            "Without labels: minimum agreement with the float model, or share of its outputs' variance that is kept, in percent. "
            "[default: 95 in optimize and with --until-certain]",
            metavar="PERCENT",
        ),
    ] = None
    max_class_drop: Annotated[
        float | None,
        Field(ge=0),
        Option(Panel.LIMITS, "Maximum drop of any class's recall, AP or IoU in percentage points."),
    ] = None


class Constraints(AccuracyLimits):
    """What the team can accept.

    Attributes:
        max_accuracy_drop: In percentage points for classes, else in the metric's unit. When not given: 1 point, or 5 % of
            the baseline's value.
        min_fidelity: In percent, on data without labels: of samples with the float model's class, or of its outputs' variance that is
            explained. When not given: 95.
        max_class_drop: In percentage points, for the recall (or AP, or IoU) of each single class.
        max_size_bytes: Of the file, not deflated.
        max_latency_ms: Of the figure that decides under the protocol, on the target.
        deploy_on: The profile of the hardware that the model is meant for. Latency decides only where it was measured on such hardware;
            for 'host' that is this machine. Reports of earlier versions have 'phone' instead of 'android-cpu'.
        trust_estimates: Whether estimated latency ranks where none was measured on the hardware.
    """

    model_config = ConfigDict(extra="ignore")  # they stand in reports, also in those of later versions

    max_size_bytes: Annotated[
        Size | None, Option(Panel.LIMITS, "Maximum file size, such as 200kB.", ("--max-size",), metavar="SIZE")
    ] = None
    max_latency_ms: Annotated[
        float | None,
        Field(ge=0),
        Option(
            Panel.LIMITS,
            "Maximum latency on the target in ms, for the deciding figure.",
            ("--max-latency",),
        ),
    ] = None
    deploy_on: Annotated[
        str,
        Option(
            Panel.LIMITS,
            "Hardware that the model is meant for: a name of 'tflitekit hardware', or a .toml file. It says which schemes are tried and what decides.",
            metavar="PROFILE",
        ),
    ] = "android-cpu"
    trust_estimates: Annotated[
        bool,
        Option(
            Panel.LIMITS, "Also rank by latency that a model of the hardware estimated, where none was measured on it."
        ),
    ] = False
