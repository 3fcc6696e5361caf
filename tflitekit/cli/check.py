"""`tflitekit check`: would a file run on a piece of hardware? `tflitekit hardware`: what is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.shared import as_json, option, path

if TYPE_CHECKING:
    from tflitekit.results import OnTarget


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from tflitekit.cli.completion import names_for

    return [name for name in names_for("--on") if name.startswith(incomplete)]


@command(
    "tflitekit check build/int8.tflite --on ethos-u55-128",
    "tflitekit check build/int8.tflite --on android-cpu --runtime 2.12.0",
    "tflitekit check build/int8.tflite --on my-chip.toml --also-on ethos-u",
)
@path("file", help="A .tflite file.")
@option(
    "--on",
    "profile",
    panel="Model",
    metavar="PROFILE",
    shell_complete=_complete,
    help="Hardware to judge it for: a name of 'tflitekit hardware', or a .toml file.",
)
@option(
    "--also-on",
    "targets",
    panel="Model",
    multiple=True,
    metavar="TARGET",
    help="Also ask what is there: Arm's compiler (ethos-u), the interpreter of microcontrollers (tflm), a GPU accelerator (gpu-emulated). Repeatable.",
)
@option(
    "--runtime",
    panel="Model",
    metavar="VERSION",
    help="Version of the runtime there, in the numbers of TensorFlow Lite. Default: the one that the profile names, if any.",
)
@as_json
def check(file: Path, profile: str | None, targets: tuple[str, ...], runtime: str | None, as_json: bool) -> int:
    """Says what a piece of hardware would do with a .tflite file, operator by operator, without running it.

    Exit code 1 where it would not run, or where operators would fall back to the CPU.
    """
    from tflitekit.core.errors import UsageError
    from tflitekit.hardware import check as run
    from tflitekit.hardware import load_profile

    if profile is None and (runtime is not None or not targets):
        raise UsageError(
            "--on is missing.",
            fix="Name the hardware: --on android-gpu; 'tflitekit hardware' lists what the kit knows.",
        )
    judged = run(file, on=profile, runtime=runtime) if profile is not None else None
    found = _ask(file, targets)
    if as_json:
        shown = judged.model_dump(mode="json") if judged is not None else {}
        print_json({"file": str(file)} | shown | {"on_targets": [one.model_dump(mode="json") for one, _ in found]})
    else:
        from tflitekit.cli.views.hardware import show_examined, show_judgement
        from tflitekit.tflite.graph import read_graph

        if judged is not None and profile is not None:
            needs = read_graph(file).min_runtime_version
            show_judgement(str(file), judged, load_profile(profile), needs=needs)
        show_examined(str(file), [one for one, _ in found])
    good = (judged is None or judged.passes) and not any(back for _, back in found)
    return 0 if good else 1


def _ask(file: Path, targets: tuple[str, ...]) -> list[tuple[OnTarget, bool]]:
    """Returns what each target says, and whether it takes less than all of the file."""
    if not targets:
        return []
    from tflitekit.cli.shared import progress
    from tflitekit.targets.examining import examine, falls_back

    found = []
    with progress().task("Asking", len(targets)) as advance:
        for name in dict.fromkeys(targets):
            one = examine(file, name)
            found.append((one, falls_back(one)))
            advance(1)
    return found


@command("tflitekit hardware", "tflitekit hardware ethos-u55-128", "tflitekit hardware my-chip.toml --json")
@click.argument(
    "name", required=False, shell_complete=_complete, help="Of a profile, or a .toml file; all when not given."
)
@as_json
def hardware(name: str | None, as_json: bool) -> int:
    """Lists the hardware that the kit knows, or shows one: what it takes, by which source, and what is not known."""
    from tflitekit.hardware import load_profile, profile_names

    found = [load_profile(each) for each in ([name] if name else profile_names())]
    if as_json:
        shown = [profile.model_dump(mode="json") for profile in found]
        print_json(shown[0] if name else shown)
        return 0
    from tflitekit.cli.views.hardware import show_profile, show_profiles

    if name:
        show_profile(found[0])
    else:
        show_profiles(found)
    return 0
