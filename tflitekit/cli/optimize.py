"""`tflitekit quickstart` and `tflitekit optimize`: the whole street."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tflitekit.cli.shared import (
    CALIBRATION_LIMIT,
    SEED,
    TIMEOUT_S,
    Batch,
    Calibration,
    CalibrationLimit,
    CustomObjects,
    Data,
    ErrorRate,
    InputShape,
    Jobs,
    Json,
    Labels,
    Limit,
    MaxAccuracyDrop,
    MaxClassDrop,
    Metric,
    Model,
    Out,
    Output,
    Preprocess,
    Profile,
    Protocol,
    Schemes,
    Seed,
    SelectTfOps,
    Signature,
    Stream,
    Threads,
    Timeout,
    UnsafeLoad,
    UntilCertain,
    app,
    certainty,
    check_limits,
    convert_options,
    guarded,
    parse_counts,
    parse_shapes,
    parse_size,
    print_json,
    progress,
    split_schemes,
)
from tflitekit.cli.training_options import takes_training
from tflitekit.core.errors import UsageError
from tflitekit.training.options import TrainingOptions

if TYPE_CHECKING:
    from tflitekit.results import Report

NAMED_SCHEME_FAILED = 3
"""Exit code where a variant meets the limits, and a scheme that was asked for by name has no file."""


@app.command()
@guarded
def quickstart(out: Out = Path("quickstart"), as_json: Json = False) -> int:
    """The whole job offline: trains a small model on embedded digits and optimizes it."""
    from tflitekit.optimization.quickstart import quickstart as run

    report = run(out, progress=progress())
    code = show_result(report, out, as_json)
    if not as_json:
        from tflitekit.cli.console import stdout

        stdout.print(
            f"\nThe same on the command line:\n  tflitekit optimize {out}/digits.keras --data {out}/digits/test "
            f"--calibration {out}/digits/train --labels {out}/labels.txt --preprocess 0-1 --out {out}",
            markup=False,
            soft_wrap=True,
        )
    return code


@app.command()
@guarded
@takes_training("--train")
def optimize(
    model: Model,
    data: Data,
    calibration: Calibration = None,
    scheme: Schemes = None,
    preprocess: Preprocess = None,
    labels: Labels = None,
    max_accuracy_drop: MaxAccuracyDrop = None,
    max_class_drop: MaxClassDrop = None,
    max_size: Annotated[str | None, typer.Option(help="Largest accepted file, as in 200kB.")] = None,
    max_latency: Annotated[
        float | None, typer.Option(help="Largest accepted latency in ms on the target, of the figure that decides.")
    ] = None,
    deploy_on: Annotated[
        str, typer.Option(help="'phone': this host's latency decides nothing. 'host': the model runs on this machine.")
    ] = "phone",
    out: Out = Path("build"),
    limit: Limit = None,
    metric: Metric = None,
    output: Output = None,
    until_certain: UntilCertain = False,
    error_rate: ErrorRate = None,
    stream: Stream = False,
    calibration_curve: Annotated[
        str | None, typer.Option(help="Measure int8 also on so few calibration samples, as in 10,50,100,500.")
    ] = None,
    threads: Threads = "1",
    protocol: Protocol = "quick",
    profile: Profile = False,
    calibration_limit: CalibrationLimit = CALIBRATION_LIMIT,
    batch: Batch = 1,
    unsafe_load: UnsafeLoad = False,
    allow_select_tf_ops: SelectTfOps = False,
    signature: Signature = None,
    input_shape: InputShape = None,
    custom_objects: CustomObjects = None,
    jobs: Jobs = None,
    timeout: Timeout = TIMEOUT_S,
    seed: Seed = SEED,
    mlflow: Annotated[
        str | None,
        typer.Option(help="Log the report to MLflow: a tracking URI, as in https://... or sqlite:///runs.db."),
    ] = None,
    mlflow_experiment: Annotated[
        str, typer.Option(help="Experiment of MLflow; made where there is none.")
    ] = "tflitekit",
    as_json: Json = False,
    training: TrainingOptions | None = None,
) -> int:
    """Converts with every scheme, measures each variant, and recommends one."""
    from tflitekit.optimization.optimize import optimize as run
    from tflitekit.results import Constraints, tracking

    if deploy_on not in ("phone", "host"):
        raise UsageError(f"--deploy-on cannot be '{deploy_on}'.", fix="It takes phone or host.")
    check_limits(max_accuracy_drop=max_accuracy_drop, max_class_drop=max_class_drop, max_latency=max_latency)
    if mlflow is not None:
        tracking.require_mlflow()  # before the long work
    report = run(
        model,
        data=data,
        out=out,
        calibration=calibration,
        schemes=split_schemes(scheme),
        preprocess=preprocess,
        labels=labels,
        limit=limit,
        metric=metric,
        output=output,
        constraints=Constraints(
            max_accuracy_drop=max_accuracy_drop,
            max_class_drop=max_class_drop,
            max_size_bytes=parse_size(max_size),
            max_latency_ms=max_latency,
            deploy_on=deploy_on,
        ),
        **certainty(until_certain, error_rate),
        stream=stream,
        calibration_curve=parse_counts(calibration_curve, "--calibration-curve"),
        threads=threads,
        protocol=protocol,
        profile=profile,
        seed=seed,
        options=convert_options(
            calibration_limit=calibration_limit,
            batch=batch,
            unsafe_load=unsafe_load,
            allow_select_tf_ops=allow_select_tf_ops,
            signature=signature,
            input_shapes=parse_shapes(input_shape),
            custom_objects=custom_objects,
            jobs=jobs,
            timeout_s=timeout,
            seed=seed,
            training=training,
        ),
        progress=progress(),
    )
    code = 0 if as_json else show_result(report, out, as_json)
    if mlflow is not None:
        found = tracking.log_report(report, out, uri=mlflow, experiment=mlflow_experiment)
        typer.echo(f"Logged to MLflow: experiment '{mlflow_experiment}', run {found}.", err=True)
    if as_json:
        code = show_result(report, out, as_json)
    named_and_missing = scheme is not None and any(v.status != "ok" for v in report.variants)
    return NAMED_SCHEME_FAILED if code == 0 and named_and_missing else code


def show_result(report: Report, out: Path, as_json: bool) -> int:
    if as_json:
        print_json(report.to_json())
    else:
        from tflitekit.cli.console import show_report, stdout

        show_report(report)
        if report.calibration_curve:
            from tflitekit.cli.console import show_table
            from tflitekit.render import text

            cells = [
                (
                    p.scheme,
                    f"{p.samples:,}",
                    text.with_half_width(p.accuracy),
                    p.drop.verdict if p.drop else p.error or "–",
                )
                for p in report.calibration_curve
            ]
            show_table(("Calibrated", "Samples", "Accuracy", "Change"), cells)
        names = {v.name for v in report.variants}
        older = sorted(path.name for path in out.glob("*.tflite") if path.stem not in names)
        if older:
            stdout.print(f"\nAlso in {out}, from earlier runs: {', '.join(older)}.", style="dim", markup=False)
        reused = [v.name for v in report.variants if v.reused and v.status == "ok"]
        if reused:
            stdout.print(f"\nReused from an earlier run: {', '.join(reused)}.", style="dim", markup=False)
        stdout.print(
            f"\nWritten to {out}: the .tflite files with sidecars, report.json, report.html, report.md and report.csv.\n"
            f"Open {out / 'report.html'} in a browser.",
            style="dim",
            markup=False,
            soft_wrap=True,
        )
    return 0 if report.recommendation is not None and report.recommendation.constraints_met else 1
