"""`tflitekit quickstart` and `tflitekit optimize`: the whole street."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.events import events_option, written_events
from tflitekit.cli.keeping import Keeper
from tflitekit.cli.options import takes_options
from tflitekit.cli.shared import as_json, data, model, option, out, progress, start_workers
from tflitekit.cli.training import takes_training
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.limits import Constraints
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.options.store import StoreOptions
from tflitekit.options.tracking import TrackingOptions
from tflitekit.options.training import TrainingOptions

if TYPE_CHECKING:
    from tflitekit.results import Report

NAMED_SCHEME_FAILED = 3
"""Exit code where a variant meets the limits, and a scheme that was asked for by name has no file."""


@command("tflitekit quickstart", "tflitekit quickstart --task detection --out detector")
@option(
    "--task",
    type=click.Choice(["classification", "detection", "segmentation"]),
    default="classification",
    show_default=True,
    help="What the model does: name a digit, find the digits in a scene, or tell the class of each pixel.",
)
@out(
    None, help="Folder for the results. Default: quickstart, with the task's name for other tasks than classification."
)
@as_json
def quickstart(task: str, out: Path | None, as_json: bool) -> int:
    """Does the whole job offline: trains a small model on embedded digits and optimizes it."""
    from tflitekit.optimization.quickstart import commands
    from tflitekit.optimization.quickstart import quickstart as run

    out = out or Path("quickstart" if task == "classification" else f"quickstart-{task}")
    report = run(out, task=task, progress=progress())
    code = show_result(report, out, as_json)
    if not as_json:
        from tflitekit.cli.console import stdout

        told = "".join(f"\n{title}:\n  {line}" for title, line in commands(out, task).items())
        stdout.print(told, markup=False, soft_wrap=True)
    return code


@command(
    "tflitekit optimize model.keras --data photos/test --calibration photos/train --preprocess 0-1",
    "tflitekit optimize model.keras --data photos/test --calibration photos/train --max-accuracy-drop 0.5 --max-size 200kB",
    "tflitekit optimize model.keras --data photos/test --train photos/train --scheme int8,qat --epochs 5",
)
@model
@data
@takes_options(OptimizeOptions, "how")
@takes_options(Constraints, "limits")
@takes_options(ConvertOptions, "conversion")
@takes_training("--train")
@out("build")
@takes_options(TrackingOptions, "log")
@takes_options(StoreOptions, "keep")
@events_option
@as_json
def optimize(
    model: str,
    data: str,
    how: OptimizeOptions,
    limits: Constraints,
    conversion: ConvertOptions,
    training: TrainingOptions | None,
    out: Path,
    log: TrackingOptions,
    keep: StoreOptions,
    events: Path | None,
    as_json: bool,
) -> int:
    """Converts with every scheme, measures each variant, and recommends one."""
    start_workers(model, out)
    from tflitekit.optimization.optimize import optimize as run
    from tflitekit.results import tracking

    if log.mlflow is not None:
        tracking.require_mlflow()  # before the long work
    keeper = Keeper(keep, is_named=True)
    with written_events(events, progress(), as_json=as_json) as told:
        report = run(
            model,
            data=data,
            out=out,
            constraints=limits,
            options=conversion.replaced(training=training),
            progress=told,
            **how.given(),
        )
    code = 0 if as_json else show_result(report, out, as_json)
    run_of: dict[str, str | None] = {}
    try:
        if log.mlflow is not None:
            logged = tracking.log_report(report, out, uri=log.mlflow, experiment=log.experiment)
            click.echo(f"Logged to MLflow: experiment '{log.experiment}', run {logged.id}.", err=True)
            run_of = {"mlflow_run": logged.id, "mlflow_link": logged.link}
    finally:  # a tracker that cannot be reached keeps nothing from the store
        keeper.keep(report, out, **run_of)
    if as_json:
        code = show_result(report, out, as_json)
    named_and_missing = how.schemes is not None and any(v.status != "ok" for v in report.variants)
    return NAMED_SCHEME_FAILED if code == 0 and named_and_missing else code


def show_result(report: Report, out: Path, as_json: bool) -> int:
    if as_json:
        print_json(report.to_json())
    else:
        from tflitekit.cli.console import print_dim
        from tflitekit.cli.views.report import show_report

        show_report(report)
        if report.calibration_curve:
            from tflitekit.cli.console import show_table
            from tflitekit.render import text

            cells = [
                (
                    p.scheme,
                    f"{p.samples:,}",
                    text.with_interval(p.accuracy or p.likeness),
                    p.drop.verdict if p.drop else text.difference(p.likeness) if p.likeness else p.error or "–",
                )
                for p in report.calibration_curve
            ]
            titles = text.figure_columns(report.dataset, report.variants)
            show_table(("Calibrated", "Samples", titles["Accuracy"], titles["Change"]), cells)
        names = {v.name for v in report.variants}
        older = sorted(path.name for path in out.glob("*.tflite") if path.stem not in names)
        if older:
            print_dim(f"\nAlso in {out}, from earlier runs: {', '.join(older)}.")
        reused = [v.name for v in report.variants if v.reused and v.status == "ok"]
        if reused:
            print_dim(f"\nReused from an earlier run: {', '.join(reused)}.")
        print_dim(
            f"\nWritten to {out}: the .tflite files with sidecars, report.json, report.html, report.md and report.csv.\n"
            f"Open {out / 'report.html'} in a browser.",
            whole=True,
        )
    return 0 if report.recommendation is not None and report.recommendation.constraints_met else 1
