"""Logs a finished report to MLflow, the tracker that teams keep their runs in. MLflow is an optional extra.

One report is one run: parameters say what was done, metrics what was found of each variant, tags what was decided, and
the artefacts are the report and the chosen file.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tflitekit.core.errors import MissingDependencyError, TrackingError
from tflitekit.core.printable import without_password
from tflitekit.results import Report, VariantReport

__all__ = ["EXPERIMENT", "LoggedRun", "log_report", "require_mlflow"]

EXPERIMENT = "tflitekit"
_PER_BATCH = 100  # what MLflow takes of parameters at once
_LONGEST = 500


def require_mlflow() -> None:
    """Checks that MLflow is installed, without loading it: before the long work, whose processes are forked.

    Raises:
        MissingDependencyError: It is not.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise MissingDependencyError(
            "Logging to MLflow needs the package mlflow-skinny (or mlflow), which is not installed.",
            fix="Install it with: pip install 'tflitekit[mlflow]'",
        )


class LoggedRun(NamedTuple):
    """A run of MLflow: its identity, and its page where the tracker has pages."""

    id: str
    link: str | None


def log_report(report: Report, folder: str | Path, *, uri: str, experiment: str = EXPERIMENT) -> LoggedRun:
    """Logs a finished report as one run.

    MLflow sends usage figures to its makers unless it is told not to. The kit tells it not to, where the user has not
    decided otherwise by MLFLOW_DISABLE_TELEMETRY.

    Args:
        report: What `optimize` returned.
        folder: Where it wrote it: the files there become artefacts.
        uri: MLflow's tracking URI: ``https://...``, ``sqlite:///runs.db``, ...
        experiment: Is made where there is none of that name.

    Returns:
        The run.

    Raises:
        MissingDependencyError: MLflow is not installed.
        TrackingError: The tracker cannot be reached, or refuses something. Nothing of the report is lost.
    """
    require_mlflow()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    client = run_id = None
    try:
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        home = found.experiment_id if found else client.create_experiment(experiment)
        tags = _tags(report)
        run_id = client.create_run(home, run_name=_run_name(report), tags=tags).info.run_id
        _log_values(client, run_id, report)
        for path, place in _artefacts(report, Path(folder)):
            client.log_artifact(run_id, str(path), place)
        client.set_terminated(run_id)
    except Exception as error:
        _give_up(client, run_id)
        raise TrackingError(
            f"The report is written, but logging it to MLflow at {without_password(uri)} failed.",
            why=_reason(error),
            fix="Check the tracking URI, as in https://mlflow.example.com or sqlite:///runs.db, and the tracker. Then run the "
            "same command again: all finished work is reused.",
        ) from error
    is_web = uri.startswith(("http://", "https://"))
    link = f"{without_password(uri).rstrip('/')}/#/experiments/{home}/runs/{run_id}" if is_web else None
    return LoggedRun(str(run_id), link)


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return without_password(f"{type(error).__name__}: {lines[0] if lines else ''}")[:1000]


def _give_up(client: Any, run_id: str | None) -> None:
    """Marks a half-logged run as failed, where the tracker still listens."""
    from mlflow.exceptions import MlflowException

    if run_id is not None:
        with contextlib.suppress(MlflowException, OSError):
            client.set_terminated(run_id, status="FAILED")


def _run_name(report: Report) -> str:
    model = Path(report.source.location).name if report.source else "report"
    chosen = report.recommendation.chosen if report.recommendation else None
    return f"{model}: {chosen or 'no recommendation'}"


def _tags(report: Report) -> dict[str, str]:
    recommendation = report.recommendation
    tags = {
        "tflitekit.schema_version": report.schema_version,
        "tflitekit.created": report.created,
        "tflitekit.baseline": report.baseline,
        "tflitekit.chosen": recommendation.chosen if recommendation else None,
        "tflitekit.constraints_met": recommendation.constraints_met if recommendation else None,
        "machine.cpu": report.machine.get("cpu"),
        "machine.system": report.machine.get("system"),
        "mlflow.note.content": "\n".join(recommendation.reasons) if recommendation else None,
    } | {f"version.{name}": version for name, version in report.tool.items()}
    return {_name(name): str(value)[:_LONGEST] for name, value in tags.items() if value is not None}


def _parameters(report: Report) -> dict[str, str]:
    values: dict[str, Any] = {}
    for prefix, part, left_out in (
        ("model", report.source, {"notes"}),
        ("data", report.dataset, {"classes", "skipped", "labels"}),
        ("constraints", report.constraints, set[str]()),
    ):
        if part is not None:
            values |= {f"{prefix}.{name}": value for name, value in part.model_dump(exclude=left_out).items()}
    if report.contract is not None:
        values["preprocessing"] = report.contract.preprocessing.describe()
    for variant in report.variants:
        if variant.latency is not None:
            values |= {f"latency.{name}": getattr(variant.latency, name) for name in ("target", "protocol", "threads")}
            break
    return {_name(name): str(value)[:_LONGEST] for name, value in values.items() if value is not None}


def _metrics(report: Report) -> dict[str, float]:
    chosen = report.recommendation.chosen if report.recommendation else None
    values = {
        f"{prefix}/{name}": value
        for variant in report.variants
        for prefix in (variant.name, *(["chosen"] if variant.name == chosen else []))
        for name, value in _figures(variant)
    }
    return {_name(name): float(value) for name, value in values.items() if value is not None and math.isfinite(value)}


def _figures(variant: VariantReport) -> Iterator[tuple[str, float | None]]:
    yield "size_bytes", variant.size_bytes
    yield "deflated_bytes", variant.deflated_bytes
    yield "peak_memory_bytes", variant.peak_memory_bytes
    for found in (variant.figure, *variant.other_metrics):
        if found is not None:
            for suffix, value in (("", found.value), ("_low", found.low), ("_high", found.high)):
                yield f"{found.metric}{suffix}", value
    if variant.drop is not None:
        yield "drop", variant.drop.value
        yield "drop_low", variant.drop.low
        yield "drop_high", variant.drop.high
    if variant.latency is not None:
        yield "latency_p50_ms", variant.latency.median_ms
        yield "latency_p90_ms", variant.latency.p90_ms


def _name(text: str) -> str:
    """Returns a name that MLflow accepts on every system."""
    return re.sub(r"[^\w\-./ ]", "_", text, flags=re.ASCII)[:250]


def _log_values(client: Any, run_id: str, report: Report) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    parameters = [Param(name, value) for name, value in _parameters(report).items()]
    metrics = [Metric(name, value, now, 0) for name, value in _metrics(report).items()]
    for start in range(0, max(len(parameters), len(metrics)), _PER_BATCH):
        part = slice(start, start + _PER_BATCH)
        client.log_batch(run_id, metrics=metrics[part], params=parameters[part])


def _artefacts(report: Report, folder: Path) -> Iterator[tuple[Path, str | None]]:
    """Yields the files that are there, and the artefact folder of each."""
    for name in ("report.json", "report.md", "report.html"):
        if (folder / name).is_file():
            yield folder / name, None
    chosen = report.recommendation.chosen if report.recommendation else None
    for variant in report.variants:
        if variant.name == chosen and variant.file is not None:
            path = folder / variant.file
            yield from ((p, "model") for p in (path, path.with_suffix(".json")) if p.is_file())
