"""`tflitekit inspect`, `schemes`, `presets` and `doctor`: what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tflitekit.cli.shared import Json, app, guarded, print_json


@app.command()
@guarded
def inspect(
    file: Annotated[Path, typer.Argument(help="A .tflite file.", show_default=False)], as_json: Json = False
) -> int:
    """Shows operators, tensors, sizes and the minimum runtime of a .tflite file."""
    from tflitekit.graph import read_graph

    graph = read_graph(file)
    if as_json:
        print_json({"file": str(file)} | graph.to_json())
    else:
        from tflitekit.console import show_graph

        show_graph(str(file), graph)
    return 0


@app.command()
@guarded
def schemes(as_json: Json = False) -> int:
    """Lists the schemes: what each does, needs and promises."""
    from tflitekit.schemes import available

    found = available().values()
    if as_json:
        print_json([
            {
                "name": s.name,
                "summary": s.summary,
                "help": s.help,
                "needs": s.needs,
                "options": {k: list(v) if isinstance(v, tuple) else v.__name__ for k, v in s.options.items()},
            }
            for s in found
        ])  # fmt: skip
        return 0
    from tflitekit.console import show_table

    rows = []
    for s in found:
        options = " ".join(
            f"{k}={'|'.join(map(str, v)) if isinstance(v, tuple) else v.__name__}" for k, v in s.options.items()
        )
        rows.append((s.name, s.needs, options or "–", s.summary))
    show_table(("Scheme", "Needs", "Options", "What it does"), rows)
    return 0


@app.command()
@guarded
def presets(as_json: Json = False) -> int:
    """Lists the preprocessing presets; with --json, as the fields that a JSON file may have."""
    from tflitekit.preprocessing import PRESETS

    if as_json:
        print_json({name: preset.model_dump(mode="json") for name, preset in PRESETS.items()})
        return 0
    from tflitekit.console import show_table

    show_table(("Preset", "What happens to a pixel p (0 to 255)"), [
        (name, preset.describe().partition(": ")[2]) for name, preset in PRESETS.items()
    ])  # fmt: skip
    return 0


@app.command()
@guarded
def doctor(as_json: Json = False) -> int:
    """Checks this installation: versions, CPU features that matter to kernels, what is missing and how to get it."""
    from tflitekit.doctor import diagnose

    found = diagnose()
    if as_json:
        print_json(found)
    else:
        from tflitekit.console import show_table, stdout

        show_table(("Package", "Version", "State", "For"), [
            (p["name"], p["version"] or "–", p["state"], p["purpose"]) for p in found["packages"]
        ])  # fmt: skip
        machine = found["machine"]
        features = ", ".join(f"{name} {'yes' if has else 'no'}" for name, has in machine["kernel_features"].items())
        stdout.print(
            f"{machine['cpu']}, {machine['cores']} cores, {machine['architecture']}, {machine['system']}", markup=False
        )
        stdout.print(f"CPU features that kernels use: {features}", markup=False)
        for problem in found["problems"]:
            stdout.print(f"• {problem}", style="yellow", markup=False)
        if not found["problems"]:
            stdout.print("Everything that conversion and measurement need is here.", style="green")
    return 1 if found["problems"] else 0
