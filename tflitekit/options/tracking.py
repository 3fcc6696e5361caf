"""Where finished reports are logged."""

from __future__ import annotations

from typing import Annotated

from tflitekit.options.base import Option, Options, Panel

__all__ = ["TrackingOptions"]


class TrackingOptions(Options):
    """Which MLflow gets the report, if any.

    Attributes:
        mlflow: Tracking URI.
    """

    mlflow: Annotated[
        str | None,
        Option(
            Panel.OUTPUT,
            "Log the report to MLflow at this tracking URI, such as https://... or sqlite:///runs.db.",
            metavar="URI",
        ),
    ] = None
    experiment: Annotated[
        str,
        Option(
            Panel.OUTPUT, "MLflow experiment; created if it does not exist.", ("--mlflow-experiment",), metavar="NAME"
        ),
    ] = "tflitekit"
