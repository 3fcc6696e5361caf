"""`tflitekit bundle`."""

from __future__ import annotations

from pathlib import Path

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.options import takes_options
from tflitekit.cli.shared import as_json, option, out, path, progress
from tflitekit.options.bundle import BundleOptions


@command(
    "tflitekit bundle build --data photos/test",
    "tflitekit bundle build --data photos/test --variant int8,float16 --templates kotlin --package com.example.app",
    "tflitekit bundle build/int8.tflite --data photos/test --preprocess 0-1 --labels labels.txt",
)
@path("sources", nargs=-1, required=True, help="report.json (or its folder), or .tflite files.")
@option(
    "--data",
    panel="Data",
    required=True,
    metavar="DATA",
    help="Samples, some of which become golden: image folder, .npz, .csv, module:function, ... (docs/data.md).",
)
@out("bundle", help="Folder of the bundle; OUT.zip beside it.")
@takes_options(BundleOptions, "how")
@as_json
def bundle(sources: tuple[Path, ...], data: str, out: Path, how: BundleOptions, as_json: bool) -> int:
    """Writes what an app needs: models with metadata, their contract, and golden samples to verify the device with."""
    from tflitekit.bundling import bundle as run

    made = run([str(source) for source in sources], data=data, out=out, progress=progress(), **how.given())
    if as_json:
        print_json(made.model_dump(mode="json"))
        return 0
    from tflitekit.cli.views.bundle import show_bundle

    show_bundle(made, out)
    return 0
