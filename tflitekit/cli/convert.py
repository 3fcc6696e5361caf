"""`tflitekit convert`."""

from __future__ import annotations

from pathlib import Path

import typer

from tflitekit.cli.shared import (
    CALIBRATION_LIMIT,
    SEED,
    TIMEOUT_S,
    Batch,
    Calibration,
    CalibrationLimit,
    CustomObjects,
    InputShape,
    Jobs,
    Json,
    Labels,
    Model,
    Out,
    Output,
    Preprocess,
    Schemes,
    Seed,
    SelectTfOps,
    Signature,
    Timeout,
    UnsafeLoad,
    app,
    convert_options,
    guarded,
    parse_shapes,
    print_json,
    progress,
    split_schemes,
)
from tflitekit.cli.training_options import takes_training
from tflitekit.core.errors import UsageError
from tflitekit.training.options import TrainingOptions


@app.command()
@guarded
@takes_training("--data", "--train")
def convert(
    model: Model,
    scheme: Schemes = None,
    calibration: Calibration = None,
    preprocess: Preprocess = None,
    labels: Labels = None,
    output: Output = None,
    out: Out = Path("build"),
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
    as_json: Json = False,
    training: TrainingOptions | None = None,
) -> int:
    """Converts a model with the schemes that you name; schemes that train take --data."""
    from tflitekit.conversion import convert as run
    from tflitekit.schemes import available

    if not scheme:
        raise UsageError("No scheme was named.", fix=f"Give one or more of --scheme {'|'.join(available())}.")
    result = run(
        model,
        schemes=split_schemes(scheme) or (),
        out=out,
        calibration=calibration,
        preprocess=preprocess,
        labels=labels,
        output=output,
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
    if result.trained_along is not None:
        typer.echo(result.trained_along, err=as_json)
    if as_json:
        source = result.source.model_dump(mode="json") | {
            "location": result.source_location,
            "sha256": result.source_sha256,
        }
        print_json(
            {"source": source, "variants": [v.model_dump(mode="json") | {"reused": v.reused} for v in result.variants]}
        )
    elif result.trained_along is None:
        from rich.text import Text

        from tflitekit.cli.console import show_failures, show_table, show_trained, show_warnings, stdout
        from tflitekit.render import text, training_text

        show_table(
            ("File", "Status", "Size", "Deflated", "Integer", "Runtime"),
            [
                (
                    v.file or v.name,
                    "reused" if v.reused else v.status,
                    text.size(v.size_bytes),
                    text.size(v.deflated_bytes),
                    "–" if v.integer_op_fraction is None else f"{v.integer_op_fraction:.0%}",
                    f">= {v.min_runtime_version}" if v.min_runtime_version else "–",
                )
                for v in result.variants
            ],
        )
        show_trained(result.variants)
        if any(v.status == "ok" for v in result.variants):
            stdout.print(f"In {out}, each with its sidecar.", style="dim", markup=False)
        if any(v.compression is not None for v in result.variants):
            stdout.print(Text(training_text.SIZE_REMARK, style="dim"))
        show_failures(result.variants)
        notes = [*result.source.notes, *(f"{v.name}: {w}" for v in result.variants for w in v.warnings)]
        show_warnings(notes)
    return 1 if any(v.status == "failed" for v in result.variants) else 0
