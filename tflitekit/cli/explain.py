"""`tflitekit explain`."""

from __future__ import annotations

import json
from pathlib import Path

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.options import takes_options
from tflitekit.cli.shared import as_json, option, path, progress
from tflitekit.core.files import write_whole
from tflitekit.options.explain import ExplainOptions


@command(
    "tflitekit explain build/int8.tflite --data photos/test",
    "tflitekit explain detector_int8.tflite --against detector.tflite --data samples.npz",
)
@path("file", help="A quantized .tflite file.")
@option(
    "--data",
    panel="Data",
    required=True,
    metavar="DATA",
    help="Samples, with or without labels: a folder of images, .npz, .csv, module:function, ... (docs/data.md).",
)
@takes_options(ExplainOptions, "how")
@option(
    "--model-explorer",
    panel="Output",
    metavar="FILE",
    type=Path,
    help="Also write the errors as node data for Model Explorer, which shows them on the graph.",
)
@as_json
def explain(file: Path, data: str, how: ExplainOptions, model_explorer: Path | None, as_json: bool) -> int:
    """Shows where a quantized .tflite file departs from its float original, layer by layer, and why."""
    from tflitekit.explanation.explain import explain as run

    found = run(file, data=data, progress=progress(), **how.given())
    if model_explorer is not None:
        from tflitekit.render.model_explorer import node_data

        write_whole(model_explorer, json.dumps(node_data(found), indent=2, ensure_ascii=False) + "\n")
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        from tflitekit.cli.views.explanation import show_explanation

        show_explanation(found)
    return 0
