"""`tflitekit bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tflitekit.cli.shared import SEED, Json, Labels, Preprocess, Seed, app, guarded, print_json, progress


@app.command()
@guarded
def bundle(
    sources: Annotated[
        list[Path], typer.Argument(help="report.json (or its folder), or .tflite files.", show_default=False)
    ],
    data: Annotated[
        str,
        typer.Option("--data", help="Samples, some of which become golden: image folder, .npz, or module:function."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the bundle; OUT.zip beside it.")] = Path("bundle"),
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant", help="Variant of the report; repeatable, a,b or all.  [default: the recommended one]"
        ),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="How many golden samples.")] = 8,
    preprocess: Preprocess = None,
    labels: Labels = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the bundle; the source model's if not given.")
    ] = None,
    templates: Annotated[
        list[str] | None,
        typer.Option(
            "--templates", help="Also write a typed wrapper to paste into an app: kotlin, java or kotlin,java."
        ),
    ] = None,
    package: Annotated[
        str | None, typer.Option("--package", help="Package of the wrappers, as in com.example.app.")
    ] = None,
    seed: Seed = SEED,
    as_json: Json = False,
) -> int:
    """Writes what an app needs: models with metadata, their contract, and golden samples to verify the device with."""
    from tflitekit.bundling import bundle as run

    made = run(
        [str(source) for source in sources],
        data=data,
        out=out,
        variants=_names(variant),
        samples=samples,
        preprocess=preprocess,
        labels=labels,
        name=name,
        templates=_names(templates) or (),
        package=package,
        seed=seed,
        progress=progress(),
    )
    if as_json:
        print_json(made.model_dump(mode="json"))
        return 0
    from tflitekit.cli.console import show_bundle

    show_bundle(made, out)
    return 0


def _names(values: list[str] | None) -> list[str] | None:
    return [name.strip() for value in values for name in value.split(",") if name.strip()] if values else None
