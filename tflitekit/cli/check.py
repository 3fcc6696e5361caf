"""`tflitekit check`: would a file run on a piece of hardware? `tflitekit hardware`: what is known of it."""

from __future__ import annotations

from pathlib import Path

import click

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.shared import as_json, option, path


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from tflitekit.cli.completion import names_for

    return [name for name in names_for("--on") if name.startswith(incomplete)]


@command(
    "tflitekit check build/int8.tflite --on ethos-u55-128",
    "tflitekit check build/int8.tflite --on android-cpu --runtime 2.12.0",
    "tflitekit check build/int8.tflite --on my-chip.toml",
)
@path("file", help="A .tflite file.")
@option(
    "--on",
    "profile",
    panel="Model",
    required=True,
    metavar="PROFILE",
    shell_complete=_complete,
    help="Hardware to judge it for: a name of 'tflitekit hardware', or a .toml file.",
)
@option(
    "--runtime",
    panel="Model",
    metavar="VERSION",
    help="Version of the runtime there, in the numbers of TensorFlow Lite. Default: the one that the profile names, if any.",
)
@as_json
def check(file: Path, profile: str, runtime: str | None, as_json: bool) -> int:
    """Says what a piece of hardware would do with a .tflite file, operator by operator, without running it.

    Exit code 1 where it would not run, or where operators would fall back to the CPU.
    """
    from tflitekit.hardware import check as run
    from tflitekit.hardware import load_profile
    from tflitekit.tflite.graph import read_graph

    found = run(file, on=profile, runtime=runtime)
    if as_json:
        print_json({"file": str(file)} | found.model_dump(mode="json"))
    else:
        from tflitekit.cli.views.hardware import show_judgement

        show_judgement(str(file), found, load_profile(profile), needs=read_graph(file).min_runtime_version)
    return 0 if found.passes else 1


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
