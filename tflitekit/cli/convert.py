"""`tflitekit convert`."""

from __future__ import annotations

from pathlib import Path

import click

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.options import takes_options
from tflitekit.cli.shared import as_json, model, out, progress, start_workers
from tflitekit.cli.training import takes_training
from tflitekit.core.errors import UsageError
from tflitekit.options.convert import ConvertOptions, VariantOptions
from tflitekit.options.training import TrainingOptions


@command(
    "tflitekit convert model.keras --scheme float16,int8:io=uint8 --calibration photos/train --preprocess 0-1",
    "tflitekit convert model.keras --scheme qat --data photos/train --epochs 5",
    "tflitekit convert model.keras --deploy-on ethos-u55-128 --calibration photos/train --preprocess 0-1",
)
@model
@takes_options(VariantOptions, "wanted")
@takes_options(ConvertOptions, "how")
@takes_training("--data", "--train")
@out("build")
@as_json
def convert(
    model: str,
    wanted: VariantOptions,
    how: ConvertOptions,
    training: TrainingOptions | None,
    out: Path,
    as_json: bool,
) -> int:
    """Converts a model with the schemes that you name, or that hardware wants; schemes that train need --data."""
    start_workers(model, out)
    from tflitekit.conversion import convert as run
    from tflitekit.schemes import available

    if not wanted.schemes and wanted.deploy_on is None:
        fix = f"Give one or more of --scheme {'|'.join(available())}, or --deploy-on with the hardware."
        raise UsageError("No scheme was named.", fix=fix)
    result = run(model, out=out, options=how.replaced(training=training), progress=progress(), **wanted.given())
    if result.trained_along is not None:
        click.echo(result.trained_along, err=as_json)
    if as_json:
        source = result.source.model_dump(mode="json") | {
            "location": result.source_location,
            "sha256": result.source_sha256,
        }
        print_json(
            {"source": source, "variants": [v.model_dump(mode="json") | {"reused": v.reused} for v in result.variants]}
        )
    elif result.trained_along is None:
        from tflitekit.cli.console import print_dim, show_table, show_warnings
        from tflitekit.cli.views.report import show_failures, show_searches, show_trained
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
        show_searches(result.variants)
        if result.source.proof is not None:
            print_dim(str(result.source.proof))
        if any(v.status == "ok" for v in result.variants):
            print_dim(f"In {out}, each with its sidecar.")
        if any(v.compression is not None for v in result.variants):
            print_dim(training_text.SIZE_REMARK)
        show_failures(result.variants)
        notes = [*result.source.notes, *(f"{v.name}: {w}" for v in result.variants for w in v.warnings)]
        show_warnings(notes)
    return 1 if any(v.status == "failed" for v in result.variants) else 0
