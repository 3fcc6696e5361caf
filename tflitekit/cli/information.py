"""`tflitekit inspect`, `schemes` and `presets`: what there is."""

from __future__ import annotations

from pathlib import Path

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.shared import as_json, path


@command("tflitekit inspect build/int8.tflite", "tflitekit inspect build/int8.tflite --json")
@path("file", help="A .tflite file.")
@as_json
def inspect(file: Path, as_json: bool) -> int:
    """Shows operators, tensors, sizes and the minimum runtime of a .tflite file."""
    from tflitekit.tflite.graph import read_graph

    graph = read_graph(file)
    if as_json:
        print_json({"file": str(file)} | graph.to_json())
    else:
        from tflitekit.cli.views.graph import show_graph

        show_graph(str(file), graph)
    return 0


@command("tflitekit schemes", "tflitekit schemes --json")
@as_json
def schemes(as_json: bool) -> int:
    """Lists the schemes: what each does, needs and promises."""
    from tflitekit.schemes import available, choices_of

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
    from tflitekit.cli.console import show_table

    rows = []
    for s in found:
        options = "\n".join(f"{name}: {', '.join(choices_of(choice))}" for name, choice in s.options.items())
        rows.append((s.name, s.needs, options or "–", s.summary))
    show_table(("Scheme", "Needs", "Options", "What it does"), rows)
    return 0


@command("tflitekit presets", "tflitekit presets --json")
@as_json
def presets(as_json: bool) -> int:
    """Lists the preprocessing presets; with --json, in the form of a preprocessing file."""
    from tflitekit.data.preprocessing import PRESETS

    if as_json:
        print_json({name: preset.model_dump(mode="json") for name, preset in PRESETS.items()})
        return 0
    from tflitekit.cli.console import show_table

    show_table(("Preset", "What happens to a pixel p (0 to 255)"), [
        (name, preset.describe().partition(": ")[2]) for name, preset in PRESETS.items()
    ])  # fmt: skip
    return 0
