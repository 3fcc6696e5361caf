"""What the team can accept."""

from __future__ import annotations

from typing import Annotated, Literal

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
        Option(Panel.LIMITS, "Maximum drop of any class's recall in percentage points."),
    ] = None


class Constraints(AccuracyLimits):
    """What the team can accept.

    Attributes:
        max_accuracy_drop: In percentage points for classes, else in the metric's unit. When not given: 1 point, or 5 % of
            the baseline's value.
        min_fidelity: In percent, on data without labels: of samples with the float model's class, or of its outputs' variance that is
            explained. When not given: 95.
        max_class_drop: In percentage points, for the recall of each single class.
        max_size_bytes: Of the file, not deflated.
        max_latency_ms: Of the figure that decides under the protocol, on the target.
        deploy_on: 'phone' (host latency decides nothing) or 'host' (the model is meant for this machine).
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
        Literal["phone", "host"],
        Option(Panel.LIMITS, "'phone': this host's latency decides nothing. 'host': the model runs on this machine."),
    ] = "phone"
